//! What was found.

use jiff::Timestamp;
use maud::{Markup, html};

use super::document::chain_path;
use super::time;
use crate::model::{Finding, LiveChain, Snapshot, Urgency};

/// Chains whose first finding the listing shows before the ladders.
const MAX_FIRST: usize = 20;

/// The first finding of each of these chains, in their order.
pub(super) fn first_of_each(chains: &[&LiveChain], snapshot: &Snapshot) -> Markup {
    let found = || {
        chains
            .iter()
            .filter_map(|chain| Some((chain, chain.findings.first()?)))
    };
    let more = found().count().saturating_sub(MAX_FIRST);
    html! {
        ol.findings {
            @for (chain, finding) in found().take(MAX_FIRST) {
                li.finding.(class(finding)) {
                    p.what {
                        (tag(finding.cause.urgency())) " "
                        a href=(chain_path("", chain)) { (chain.namespace) "/" (chain.name) } " "
                        (message(finding, snapshot.at))
                    }
                    (command(finding))
                    @if chain.findings.len() > 1 {
                        p.note { (chain.findings.len() - 1) " more found in this chain" }
                    }
                }
            }
        }
        @if more > 0 {
            p.note { "And " (more) " more chains, below." }
        }
    }
}

/// All findings of a chain.
pub(super) fn all(chain: &LiveChain, now: Timestamp) -> Markup {
    html! {
        ol.findings {
            @for finding in &chain.findings {
                li.finding.(class(finding)) {
                    p.what {
                        (tag(finding.cause.urgency())) " "
                        (message(finding, now))
                    }
                    (command(finding))
                    p.note { code { (finding.cause.as_str()) } " – " (finding.cause.meaning().trim()) }
                }
            }
        }
    }
}

/// The causes in a line, for the head of a chain.
pub(super) fn in_short(chain: &LiveChain) -> Markup {
    html! {
        @if let Some(urgency) = chain.urgency() {
            (tag(urgency)) " "
        }
        @for finding in &chain.findings {
            span.cause.(class(finding)) {
                @if let Some(stage) = &finding.stage { (stage) ": " }
                (finding.cause.as_str())
            } " "
        }
    }
}

/// How urgent, in a word: color alone says nothing to those who don't see it.
fn tag(urgency: Urgency) -> Markup {
    html! { span.tag.(urgency.as_str()) { (urgency.as_str()) } }
}

fn class(finding: &Finding) -> &'static str {
    finding.cause.urgency().as_str()
}

fn message(finding: &Finding, now: Timestamp) -> Markup {
    html! {
        @if let Some(stage) = &finding.stage {
            strong { (stage) } " "
        }
        span.message { (finding.message) } " "
        @if let Some(since) = finding.since {
            span.since { (time::since(since, now)) }
        }
    }
}

fn command(finding: &Finding) -> Markup {
    html! { pre.command { code { (finding.command) } } }
}
