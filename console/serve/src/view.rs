//! What can be looked at.

use console::page::{self, Listing};
use console::{ChainList, LiveChain, Snapshot, Standby, unlisted};
use serde::Serialize;

/// What can be looked at. Viewers of the same view get the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum View {
    /// All chains as JSON.
    AllAsJson,
    /// One chain as JSON.
    OneAsJson(ChainName),
    /// A page of the list of chains.
    Listing(Listing),
    /// The page of a chain.
    Chain(ChainName),
}

/// The name of a chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChainName {
    pub namespace: String,
    pub name: String,
}

/// What a view shows of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    /// This text.
    Found(String),
    /// There is no such chain; the text says so.
    NotFound(String),
    /// This operator isn't the leader; the text says so.
    Standby(String),
}

/// The answer where something can't be shown.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    pub error: String,
}

impl View {
    /// The name of its events.
    pub(crate) fn event(&self) -> &'static str {
        match self {
            Self::AllAsJson => "chains",
            Self::OneAsJson(_) => "chain",
            Self::Listing(_) | Self::Chain(_) => "content",
        }
    }

    /// The chain that it shows; `None` if it is all of them.
    pub(crate) fn chain(&self) -> Option<(&str, &str)> {
        match self {
            Self::AllAsJson | Self::Listing(_) => None,
            Self::OneAsJson(ChainName { namespace, name })
            | Self::Chain(ChainName { namespace, name }) => Some((namespace, name)),
        }
    }

    /// Its text for a snapshot.
    pub(crate) fn show(&self, snapshot: &Snapshot) -> Shown {
        match self {
            Self::AllAsJson => Shown::Found(json(&ChainList {
                at: snapshot.at,
                interval: snapshot.interval,
                unlisted: snapshot.unlisted.clone(),
                items: snapshot.worst_first(),
            })),
            Self::OneAsJson(name) => match name.of(snapshot) {
                Some(chain) => Shown::Found(json(chain)),
                None => Shown::NotFound(json(&name.missing(snapshot))),
            },
            Self::Listing(listing) => Shown::Found(page::listing(snapshot, listing)),
            Self::Chain(name) => match name.of(snapshot) {
                Some(chain) => Shown::Found(page::chain(chain, snapshot)),
                None => Shown::NotFound(page::no_chain(&name.namespace, &name.name, snapshot)),
            },
        }
    }

    /// Its text where there is no snapshot.
    pub(crate) fn show_standby(&self, standby: &Standby) -> Shown {
        Shown::Standby(match self {
            Self::AllAsJson | Self::OneAsJson(_) => json(standby),
            Self::Listing(_) | Self::Chain(_) => page::standby(standby),
        })
    }
}

impl ChainName {
    fn of<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a LiveChain> {
        snapshot.chain(&self.namespace, &self.name)
    }

    fn missing(&self, snapshot: &Snapshot) -> Problem {
        let Self { namespace, name } = self;
        let its = snapshot.unlisted.iter().find(|it| *it == namespace);
        let unlisted = its.and_then(|its| unlisted(std::slice::from_ref(its)));
        let none = || format!("the operator serves no chain {namespace}/{name}");
        Problem {
            error: unlisted.unwrap_or_else(none),
        }
    }
}

impl Shown {
    /// The text.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Found(text) | Self::NotFound(text) | Self::Standby(text) => text,
        }
    }
}

/// As JSON.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("no map has keys that aren't strings")
}
