//! The document around a page's content.

use std::time::Duration;

use jiff::Timestamp;
use maud::{DOCTYPE, PreEscaped, html};

use super::time;
use crate::model::LiveChain;

/// The style sheet, at `page.css` beside the list of chains.
pub const STYLE: &str = include_str!("page.css");

/// The script, at `page.js`.
pub const SCRIPT: &str = include_str!("page.js");

/// The icon, at `icon.svg`.
pub const ICON: &str = include_str!("icon.svg");

/// What a document needs beside its content.
#[derive(Debug)]
pub struct Document<'a> {
    /// The title: of all chains, or the name of one.
    pub title: &'a str,
    /// The way from here to the list of chains: empty, or `../../`. All links are relative, so that a proxy
    /// may serve the page below any path.
    pub root: &'a str,
    /// The event stream with this content, seen from the list of chains.
    pub events: &'a str,
    /// What the list is filtered by.
    pub filter: &'a str,
}

/// A document with this content, which was so at an instant, and may be another one after an interval.
pub fn document(
    document: &Document<'_>,
    at: Option<Timestamp>,
    interval: Duration,
    content: &str,
) -> String {
    let Document {
        title,
        root,
        events,
        filter,
    } = document;
    let is_listing = root.is_empty();
    // Pages that reload themselves are hard to read: not as often as the script updates them.
    let reload = interval.as_secs().max(5);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – executor chains" }
                link rel="icon" type="image/svg+xml" href={ (root) "icon.svg" };
                link rel="stylesheet" href={ (root) "page.css" };
                script src={ (root) "page.js" } defer {}
                noscript { meta http-equiv="refresh" content=(reload); }
            }
            body data-events={ (root) (events) } data-interval=(interval.as_millis()) {
                header.top {
                    h1 {
                        @if is_listing {
                            "Executor chains"
                        } @else {
                            a href=(root) { "Executor chains" } " " span.sep aria-hidden="true" { "›" } " " (title)
                        }
                    }
                    @if is_listing {
                        form role="search" action="." method="get" {
                            input type="search" name="q" value=(filter) aria-label="Namespace or name of a chain"
                                placeholder="namespace/name" maxlength="100";
                            button { "Find" }
                        }
                    }
                    p.status #status role="status" data-state="still" {
                        @match at {
                            Some(at) => time datetime=(at) { (time::clock(at)) },
                            None => "no numbers",
                        }
                    }
                }
                main #content { (PreEscaped(content)) }
            }
        }
    };
    page.into_string()
}

/// The path of a chain's page, seen from `root`. Names of Kubernetes need no escapes.
pub(super) fn chain_path(root: &str, chain: &LiveChain) -> String {
    format!("{root}chains/{}/{}", chain.namespace, chain.name)
}
