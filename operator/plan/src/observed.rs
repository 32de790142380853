//! What is there: the queues and the children of a chain, as last seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cloudtasks::QueuePath;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use crate::attached::{Kind, Offer};
use crate::backlog::Backlog;
use crate::child::{QUEUE_ANNOTATION, is_ours};
use crate::desired::Desired;
use crate::fact::Fact;
use crate::hand_overs::Pod;
use crate::queue;
use crate::queues::Queues;

/// What is there.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// When it was looked at.
    pub now: Timestamp,
    /// Whether the chain has our finalizer; where there is no API server it needs none.
    pub has_finalizer: bool,
    /// Whether the queues were as the spec says before, and the same is still to be set: what differs
    /// now, somebody else has changed.
    pub was_in_force: bool,
    /// Every queue of the chain's project and location; of a chain that ends, of each place where
    /// it has one.
    pub queues: Queues,
    /// The Deployments that carry the chain's label or a child's name, by name.
    pub deployments: BTreeMap<String, Deployment>,
    /// The Services that carry the chain's label or a child's name, by name.
    pub services: BTreeMap<String, Service>,
    /// What the API server has of each kind that is attached to Services; one that isn't here is
    /// absent.
    pub offers: BTreeMap<Kind, Offer>,
    /// The hosts of the chain's stages to which another chain's route leads, and has led for longer:
    /// host to namespace and name of that chain.
    pub taken_hosts: BTreeMap<String, String>,
    /// The pods that carry the chain's label, those that are about to end too.
    pub pods: Vec<Pod>,
    /// What is left in the queues whose tasks were counted just now.
    pub backlogs: BTreeMap<QueuePath, Backlog>,
    /// What was left in queues when they were counted last: to tell of, and not to act on.
    pub last_backlogs: BTreeMap<QueuePath, Backlog>,
    /// The reasons for which workers have refused pushes lately, by their queue; nothing of those that
    /// could not be asked.
    pub refusals: BTreeMap<QueuePath, BTreeSet<String>>,
    /// For how long each fact has held, as far as somebody has watched it.
    pub held: BTreeMap<Fact, Duration>,
}

/// A stage that the spec named once, as far as something of it is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Its queue, which may still have tasks.
    pub queue: QueuePath,
    /// The Deployments that still serve the queue: two, if the stage was renamed before.
    pub deployments: Vec<String>,
}

/// The Deployment of a stage that was renamed: its queue has other workers now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The queue, which the spec names.
    pub queue: QueuePath,
    /// The former workers.
    pub deployment: String,
}

impl Observed {
    /// What is left of stages that the spec doesn't name any more, in no order of theirs: each queue
    /// that has workers or our name on it.
    pub fn removed_stages(&self, desired: &Desired) -> Vec<Removed> {
        let is_named = |queue: &QueuePath| desired.queues().any(|named| named == queue);
        let mut removed: Vec<Removed> = Vec::new();
        for deployment in self.leftovers(desired) {
            let Some(queue) = serves(deployment).filter(|queue| !is_named(queue)) else {
                continue;
            };
            let name = deployment.name_any();
            match removed.iter_mut().find(|known| known.queue == queue) {
                Some(known) => known.deployments.push(name),
                None => removed.push(Removed {
                    queue,
                    deployments: vec![name],
                }),
            }
        }
        for queue in self.queues.values() {
            let is_ours = queue::owner(queue) == Some(desired.queue_owner.as_str());
            let is_known = removed.iter().any(|known| known.queue == queue.path);
            if is_ours && !is_known && !is_named(&queue.path) {
                removed.push(Removed {
                    queue: queue.path.clone(),
                    deployments: Vec::new(),
                });
            }
        }
        removed
    }

    /// The Deployments that are left of renamed stages: their queue has other workers now.
    pub fn renamed_stages(&self, desired: &Desired) -> Vec<Renamed> {
        let renamed = self.leftovers(desired).filter_map(|deployment| {
            let queue = serves(deployment)?;
            let is_named = desired.stages.iter().any(|stage| stage.queue == queue);
            is_named.then(|| Renamed {
                queue,
                deployment: deployment.name_any(),
            })
        });
        renamed.collect()
    }

    /// What is left in a queue, as far as it was ever counted.
    pub fn backlog(&self, queue: &QueuePath) -> Option<Backlog> {
        let last = || self.last_backlogs.get(queue);
        self.backlogs.get(queue).or_else(last).copied()
    }

    /// Whether a fact has held for at least so long.
    pub fn has_held(&self, fact: &Fact, at_least: Duration) -> bool {
        self.held.get(fact).is_some_and(|held| *held >= at_least)
    }

    /// How long it takes until a fact will have held for so long.
    pub fn left_of(&self, fact: &Fact, wanted: Duration) -> Duration {
        let held = self.held.get(fact).copied().unwrap_or_default();
        wanted.saturating_sub(held)
    }

    fn leftovers<'a>(&'a self, desired: &'a Desired) -> impl Iterator<Item = &'a Deployment> {
        let is_child = |name: &str| desired.stages.iter().any(|stage| stage.child == name);
        // A copy that somebody made for himself has our annotations, and isn't ours.
        self.deployments.values().filter(move |deployment| {
            !is_child(&deployment.name_any())
                && is_ours(&deployment.metadata, desired.owner.as_ref())
        })
    }
}

/// The queue that a Deployment's workers serve.
pub fn serves(deployment: &Deployment) -> Option<QueuePath> {
    deployment.annotations().get(QUEUE_ANNOTATION)?.parse().ok()
}
