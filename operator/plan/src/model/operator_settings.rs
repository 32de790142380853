//! The operator's own settings, which all chains share.

use std::time::Duration;

use cloudtasks::{LocationId, ProjectId};
use crds::WorkerTemplate;

use super::tenants::Tenants;

/// The operator's own settings, as far as a plan depends on them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The project of chains that name none.
    pub project: Option<ProjectId>,
    /// The location of chains that name none.
    pub location: Option<LocationId>,
    /// The image of the worker container.
    pub worker_image: String,
    /// What is added to the workers of chains, unless their spec says otherwise.
    pub worker_template: WorkerTemplate,
    /// What the chains of each namespace may use.
    pub tenants: Tenants,
    /// What tells this cluster from others; part of the owner that is written on a queue.
    pub cluster: String,
    /// The DNS domain of the cluster's Services.
    pub cluster_domain: String,
    /// `host:port` of an emulator that the workers should use in place of Google.
    pub emulator_host: Option<String>,
    /// How long to wait where nothing can be observed.
    pub timing: Timing,
}

impl Settings {
    /// What is written on the queues of a chain.
    pub fn queue_owner(&self, namespace: &str, chain: &str) -> String {
        format!("{}/{namespace}/{chain}", self.cluster)
    }

    /// Namespace and name of the chain of this cluster that [`Self::queue_owner`] writes so.
    pub fn owner_in_cluster<'a>(&self, owner: &'a str) -> Option<(&'a str, &'a str)> {
        let name = owner.strip_prefix(&self.cluster)?.strip_prefix('/')?;
        name.split_once('/')
    }
}

/// How long to wait where nothing can be observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// For how long a stage may have no ready pod before its queue is paused; `None`: without limit.
    pub gate_after: Option<Duration>,
    /// How long Cloud Tasks may go on pushing to a queue's former address: an `http_target` takes up
    /// to a minute to act.
    pub address_delay: Duration,
    /// The longest that a worker's hand-over can be in flight.
    pub hand_over_time: Duration,
    /// How long Cloud Tasks remembers the names of ended tasks, which workers look up.
    pub name_memory: Duration,
    /// For how long a raised rate waits for the replicas that were raised with it.
    pub replicas_patience: Duration,
    /// After how long a route without a report of its Gateway is trusted.
    pub route_patience: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            gate_after: Some(Duration::from_secs(30)),
            address_delay: Duration::from_mins(1),
            hand_over_time: Duration::from_secs(30),
            name_memory: Duration::from_hours(24),
            replicas_patience: Duration::from_mins(2),
            route_patience: Duration::from_mins(10),
        }
    }
}
