//! What is left of removed and renamed stages.

use cloudtasks::{Queue, QueuePath};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use worker_contract::env::LOOKUP_QUEUES;

use super::names::{is_ours, served_queue};
use super::worker_env::variable;
use crate::model::{ChainView, Observed, queue_headers};

/// What is left of a removed stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedStage {
    /// Its queue, which may still have tasks.
    pub queue: QueuePath,
    /// The Deployments that still serve the queue: two, if the stage was renamed before.
    pub deployments: Vec<String>,
}

/// The Deployment of a stage that was renamed: its queue has other workers now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenamedStage {
    /// The queue, which the spec names.
    pub queue: QueuePath,
    /// The former workers.
    pub deployment: String,
}

/// The queues that the chain's Deployments serve.
pub(crate) fn served_queues(
    observed: &Observed,
    owner: Option<&OwnerReference>,
) -> impl Iterator<Item = QueuePath> {
    own_deployments(observed, owner).filter_map(served_queue)
}

/// The queues that the chain's workers look up tasks in, as their Deployments say.
pub(crate) fn looked_up_queues(
    observed: &Observed,
    owner: Option<&OwnerReference>,
) -> impl Iterator<Item = QueuePath> {
    let lists = own_deployments(observed, owner).filter_map(|it| variable(it, LOOKUP_QUEUES));
    lists.flat_map(|list| {
        let queues = list.split(',').filter_map(|queue| queue.parse().ok());
        queues.collect::<Vec<_>>()
    })
}

fn own_deployments<'a>(
    observed: &'a Observed,
    owner: Option<&OwnerReference>,
) -> impl Iterator<Item = &'a Deployment> {
    let deployments = observed.deployments.values();
    deployments.filter(move |it| is_ours(&it.metadata, owner))
}

impl<'a> ChainView<'a> {
    /// What is left of removed stages: each queue that has workers or the chain's name on it.
    pub fn removed_stages(self) -> Vec<RemovedStage> {
        let ChainView { desired, observed } = self;
        let is_named = |queue: &QueuePath| desired.queues().any(|named| named == queue);
        let mut removed: Vec<RemovedStage> = Vec::new();
        for deployment in self.leftovers() {
            let Some(queue) = served_queue(deployment).filter(|queue| !is_named(queue)) else {
                continue;
            };
            let name = deployment.name_any();
            match removed.iter_mut().find(|known| known.queue == queue) {
                Some(known) => known.deployments.push(name),
                None => removed.push(RemovedStage {
                    queue,
                    deployments: vec![name],
                }),
            }
        }
        for queue in observed.queues.naming(&desired.queue_owner) {
            let is_ours = queue_headers::owner(queue) == Some(desired.queue_owner.as_str());
            let is_known = removed.iter().any(|known| known.queue == queue.path);
            let is_left = is_ours && !queue_headers::is_parking(queue);
            if is_left && !is_known && !is_named(&queue.path) {
                removed.push(RemovedStage {
                    queue: queue.path.clone(),
                    deployments: Vec::new(),
                });
            }
        }
        removed
    }

    /// The Deployments that are left of renamed stages: their queue has other workers now.
    pub fn renamed_stages(self) -> Vec<RenamedStage> {
        let renamed = self.leftovers().filter_map(|deployment| {
            let queue = served_queue(deployment)?;
            let is_named = self.desired.stages.iter().any(|stage| stage.queue == queue);
            is_named.then(|| RenamedStage {
                queue,
                deployment: deployment.name_any(),
            })
        });
        renamed.collect()
    }

    /// The queues that keep parked tasks of the chain, those that the spec no longer names too. What another
    /// chain's queue has is not this chain's to know.
    pub fn parking_queues(self) -> impl Iterator<Item = &'a Queue> {
        let ChainView { desired, observed } = self;
        let named = observed.queues.naming(&desired.queue_owner);
        named.filter(move |queue| {
            let is_ours = queue_headers::owner(queue) == Some(desired.queue_owner.as_str());
            is_ours && queue_headers::is_parking(queue)
        })
    }

    /// The queues that kept the chain's tasks before, and may do so still.
    pub fn former_parking(self) -> impl Iterator<Item = &'a Queue> {
        let current = self.desired.parking_queue();
        let all = self.parking_queues();
        all.filter(move |queue| current != Some(&queue.path))
    }

    fn leftovers(self) -> impl Iterator<Item = &'a Deployment> {
        let ChainView { desired, observed } = self;
        let is_child = |name: &str| desired.stages.iter().any(|stage| stage.child == name);
        // A copy made by hand has the same annotations, and isn't the chain's.
        observed.deployments.values().filter(move |deployment| {
            !is_child(&deployment.name_any())
                && is_ours(&deployment.metadata, desired.owner.as_ref())
        })
    }
}
