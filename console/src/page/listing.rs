//! All chains, worst first.

use std::fmt::Write;

use maud::{Markup, html};

use super::document::chain_path;
use super::{finding, ladder, stage::Detail};
use crate::model::{LiveChain, Snapshot, Urgency, unlisted};

/// Chains on one page.
pub const PAGE_SIZE: usize = 50;

/// Which of the chains are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listing {
    /// The page, from 0.
    pub page: usize,
    /// A part of `namespace/name`. Empty for all.
    pub filter: String,
}

/// All chains, worst first: what was found, then their ladders.
pub fn listing(snapshot: &Snapshot, listing: &Listing) -> String {
    let all = snapshot.worst_first();
    let chains: Vec<&LiveChain> = all.into_iter().filter(|chain| listing.has(chain)).collect();
    let pages = chains.len().div_ceil(PAGE_SIZE).max(1);
    // The last page may have vanished since the link was made.
    let page = listing.page.min(pages - 1);
    let first = page * PAGE_SIZE;
    let shown = &chains[first..chains.len().min(first + PAGE_SIZE)];
    let content = html! {
        @if let Some(missing) = unlisted(&snapshot.unlisted) {
            p.note.warn role="note" { "Incomplete: " (missing) "." }
        }
        @if chains.is_empty() {
            (empty(listing))
        } @else {
            section aria-labelledby="found" {
                h2 #found { (summary(&chains)) }
                @if page == 0 { (finding::first_of_each(&chains, snapshot)) }
            }
            section aria-labelledby="chains" {
                h2 #chains {
                    @if pages > 1 {
                        "Chains " (first + 1) " to " (first + shown.len()) " of " (chains.len()) ", worst first"
                    } @else {
                        "Chains"
                    }
                }
                @for chain in shown {
                    (article(chain, snapshot))
                }
            }
            (links(listing, page, pages))
        }
    };
    content.into_string()
}

impl Listing {
    fn has(&self, chain: &LiveChain) -> bool {
        let LiveChain {
            namespace, name, ..
        } = chain;
        self.filter.is_empty() || format!("{namespace}/{name}").contains(&self.filter)
    }

    /// The query of this page of the list, without a question mark.
    pub fn query(&self) -> String {
        let mut query = String::new();
        if !self.filter.is_empty() {
            query.push_str("q=");
            query.push_str(&percent_encoded(&self.filter));
        }
        if self.page > 0 {
            if !query.is_empty() {
                query.push('&');
            }
            let _ = write!(query, "page={}", self.page + 1);
        }
        query
    }
}

fn percent_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn summary(chains: &[&LiveChain]) -> String {
    let of = |urgency| {
        let those = chains
            .iter()
            .filter(|chain| chain.urgency() == Some(urgency));
        those.count()
    };
    let unseen = chains
        .iter()
        .filter(|chain| chain.findings.is_empty() && chain.is_unseen());
    let all = match chains.len() {
        1 => "1 chain".to_owned(),
        more => format!("{more} chains"),
    };
    let parts = [
        (of(Urgency::Stopped), "stopped"),
        (of(Urgency::Slowed), "slowed"),
        (of(Urgency::Note), "with a note"),
        (unseen.count(), "without numbers"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if parts.is_empty() {
        format!("{all}: nothing is wrong")
    } else {
        format!("{all}: {}", parts.join(", "))
    }
}

fn article(chain: &LiveChain, snapshot: &Snapshot) -> Markup {
    html! {
        article.chain {
            header {
                h3 { a href=(chain_path("", chain)) { (chain.namespace) "/" (chain.name) } }
                p.causes { (finding::in_short(chain)) }
            }
            (ladder::ladder(chain, snapshot, Detail::Line))
        }
    }
}

fn empty(listing: &Listing) -> Markup {
    html! {
        section.empty {
            @if listing.filter.is_empty() {
                h2 { "No chains yet" }
                p { "The operator serves no ExecutorChain. Apply one, and it shows here." }
            } @else {
                h2 { "No chain has " q { (listing.filter) } " in its name" }
                p { a href="." { "Show all chains" } }
            }
        }
    }
}

/// Links to the pages of the list.
fn links(listing: &Listing, page: usize, pages: usize) -> Markup {
    let link = |page| {
        let filter = listing.filter.clone();
        format!("?{}", Listing { page, filter }.query())
    };
    html! {
        @if pages > 1 {
            nav.pages aria-label="Pages" {
                @for other in 0..pages {
                    @if other == page {
                        strong aria-current="page" { (other + 1) }
                    } @else {
                        a href=(link(other)) { (other + 1) }
                    }
                }
            }
        }
    }
}
