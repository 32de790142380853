//! The page: chains as HTML. It works without scripts and without styles, and has neither within itself.

mod bar;
mod chain;
mod document;
mod finding;
mod ladder;
mod listing;
mod sparkline;
mod stage;
mod time;

pub use chain::{chain, no_chain};
pub use document::{Document, ICON, SCRIPT, STYLE, document};
pub use listing::{Listing, PAGE_SIZE, listing};

use maud::html;

use crate::model::Standby;

/// What an operator shows that isn't the leader.
pub fn standby(standby: &Standby) -> String {
    let page = html! {
        section.empty {
            h2 { "This operator is a standby" }
            @match &standby.leader {
                Some(leader) => p { "The leader has the numbers. It is the pod " code { (leader) } "." },
                None => p { "Only the leader has the numbers, and no operator leads now." },
            }
        }
    };
    page.into_string()
}
