//! One chain with all that is known of it.

use maud::html;

use super::{finding, ladder, stage::Detail};
use crate::model::{LiveChain, Snapshot, unlisted};

/// One chain with all that is known of it.
pub fn chain(chain: &LiveChain, snapshot: &Snapshot) -> String {
    let page = html! {
        section aria-labelledby="found" {
            @if !chain.findings.is_empty() {
                h2 #found { (found(chain.findings.len())) }
                (finding::all(chain, snapshot.at))
            } @else if chain.is_unseen() {
                h2 #found { "Nothing is found, but numbers are unknown" }
            } @else {
                h2.well #found { "Nothing is wrong" }
            }
        }
        section aria-labelledby="stages" {
            h2 #stages { "Stages" }
            div.chain { (ladder::ladder(chain, snapshot, Detail::All)) }
        }
    };
    page.into_string()
}

fn found(findings: usize) -> String {
    match findings {
        1 => "1 finding".to_owned(),
        more => format!("{more} findings, the first cause first"),
    }
}

/// What is shown instead of a chain that isn't there.
pub fn no_chain(namespace: &str, name: &str, snapshot: &Snapshot) -> String {
    let is_its = |other: &&String| *other == namespace;
    let its: Vec<String> = snapshot.unlisted.iter().filter(is_its).cloned().collect();
    let page = html! {
        section.empty {
            h2 { "No chain " (namespace) "/" (name) }
            @if let Some(missing) = unlisted(&its) {
                p { "Incomplete: " (missing) "." }
            }
            p { "The operator serves no chain of this name. It may be deleted, or in a namespace that this operator doesn't serve." }
        }
    };
    page.into_string()
}
