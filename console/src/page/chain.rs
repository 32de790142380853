//! One chain with all that is known of it.

use maud::html;

use super::{finding, ladder, stage::Detail};
use crate::model::{LiveChain, Snapshot};

/// One chain with all that is known of it.
pub fn chain(chain: &LiveChain, snapshot: &Snapshot) -> String {
    let page = html! {
        section aria-label="Findings" {
            @if chain.findings.is_empty() {
                p.well { "Nothing is wrong, as far as the numbers tell." }
            } @else {
                (finding::all(chain, snapshot.at))
            }
        }
        section.chain aria-label="Stages" {
            (ladder::ladder(chain, snapshot, Detail::All))
        }
    };
    page.into_string()
}

/// What is shown instead of a chain that doesn't exist.
pub fn no_chain(namespace: &str, name: &str) -> String {
    let page = html! {
        section.empty {
            h2 { "No chain " (namespace) "/" (name) }
            p { "The operator serves no chain of this name. It may be deleted, or in a namespace that this operator doesn't serve." }
        }
    };
    page.into_string()
}
