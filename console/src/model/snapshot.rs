//! All chains at one instant.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chain::LiveChain;
use super::seconds;
use super::trend::Trends;

/// All chains at one instant, in any order.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The instant.
    pub at: Timestamp,
    /// After this time a new snapshot is worth asking for.
    pub interval: Duration,
    /// The chains.
    pub chains: Vec<Arc<LiveChain>>,
    /// Namespaces that the operator serves and can't list: their chains are missing.
    pub unlisted: Vec<String>,
    /// What their stages were like until then.
    pub trends: Arc<Trends>,
}

/// An operator that isn't the leader: it has no numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standby {
    /// The pod of the leader. `None` if there is no leader.
    pub leader: Option<String>,
}

/// The answer of `/api/v1/chains`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainList<T = LiveChain> {
    /// When it was so.
    pub at: Timestamp,
    /// After this time there is a new answer.
    #[serde(rename = "intervalSeconds", with = "seconds")]
    pub interval: Duration,
    /// Namespaces that the operator serves and can't list: their chains are missing.
    #[serde(
        default,
        rename = "unlistedNamespaces",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub unlisted: Vec<String>,
    /// The chains, worst first.
    pub items: Vec<T>,
}

impl Snapshot {
    /// The chain of this name.
    pub fn chain(&self, namespace: &str, name: &str) -> Option<&LiveChain> {
        let mut chains = self.chains.iter();
        let found = chains.find(|chain| chain.namespace == namespace && chain.name == name)?;
        Some(found)
    }

    /// The chains, worst first: [`LiveChain::urgency`], then those that are found longest, then by name.
    /// Chains don't change places while the same is found of them.
    pub fn worst_first(&self) -> Vec<&LiveChain> {
        let mut chains: Vec<&LiveChain> = self.chains.iter().map(AsRef::as_ref).collect();
        chains.sort_by(|a, b| LiveChain::worst_first(a, b));
        chains
    }
}
