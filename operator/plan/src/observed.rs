//! What is there: the queues and the children of a chain, as last seen.

use std::collections::BTreeMap;

use cloudtasks::{Queue, QueuePath};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use crate::child::QUEUE_ANNOTATION;
use crate::desired::Desired;
use crate::queue;

/// What is there.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Whether the chain has our finalizer; where there is no API server it needs none.
    pub has_finalizer: bool,
    /// Whether the queues were as the spec says before, and the same is still to be set: what differs
    /// now, somebody else has changed.
    pub was_in_force: bool,
    /// Every queue of the chain's project and location; of a chain that ends, of each place where
    /// it has one.
    pub queues: BTreeMap<QueuePath, Queue>,
    /// The Deployments that carry the chain's label or a child's name, by name.
    pub deployments: BTreeMap<String, Deployment>,
    /// The Services that carry the chain's label or a child's name, by name.
    pub services: BTreeMap<String, Service>,
}

/// A stage that the spec named once, as far as something of it is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Its queue, which may still have tasks.
    pub queue: QueuePath,
    /// The Deployment that still serves the queue; `None` where the workers are gone.
    pub deployment: Option<String>,
}

impl Observed {
    /// What is left of stages that the spec doesn't name any more, in no order of theirs: each queue
    /// that has workers or our name on it.
    pub fn removed_stages(&self, desired: &Desired) -> Vec<Removed> {
        let is_named = |queue: &QueuePath| desired.queues().any(|named| named == queue);
        let served = self.leftovers(desired).filter_map(|deployment| {
            Some(Removed {
                queue: serves(deployment).filter(|queue| !is_named(queue))?,
                deployment: Some(deployment.name_any()),
            })
        });
        let mut removed: Vec<Removed> = served.collect();
        for queue in self.queues.values() {
            let is_ours = queue::owner(queue) == Some(desired.queue_owner.as_str());
            let is_known = removed.iter().any(|known| known.queue == queue.path);
            if is_ours && !is_known && !is_named(&queue.path) {
                removed.push(Removed {
                    queue: queue.path.clone(),
                    deployment: None,
                });
            }
        }
        removed
    }

    /// The Deployments that are left of renamed stages: their queue has other workers now.
    pub fn renamed_stages(&self, desired: &Desired) -> Vec<String> {
        let is_served = |deployment: &&Deployment| {
            serves(deployment)
                .is_some_and(|queue| desired.stages.iter().any(|stage| stage.queue == queue))
        };
        self.leftovers(desired)
            .filter(is_served)
            .map(ResourceExt::name_any)
            .collect()
    }

    fn leftovers<'a>(&'a self, desired: &'a Desired) -> impl Iterator<Item = &'a Deployment> {
        let is_child = |name: &str| desired.stages.iter().any(|stage| stage.child == name);
        self.deployments
            .values()
            .filter(move |deployment| !is_child(&deployment.name_any()))
    }
}

/// The queue that a Deployment's workers serve.
pub fn serves(deployment: &Deployment) -> Option<QueuePath> {
    deployment.annotations().get(QUEUE_ANNOTATION)?.parse().ok()
}
