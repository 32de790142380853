//! What is there: the queues and the children of a chain, as last seen.

use std::collections::BTreeMap;

use cloudtasks::{Queue, QueuePath};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use crate::child::{QUEUE_ANNOTATION, STAGE_LABEL};
use crate::desired::Desired;

/// What is there.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Whether the chain has our finalizer; where there is no API server it needs none.
    pub has_finalizer: bool,
    /// Every queue of the chain's project and location.
    pub queues: BTreeMap<QueuePath, Queue>,
    /// The Deployments that carry the chain's label or a child's name, by name.
    pub deployments: BTreeMap<String, Deployment>,
    /// The Services that carry the chain's label or a child's name, by name.
    pub services: BTreeMap<String, Service>,
}

impl Observed {
    /// The stages that still have workers and that the spec doesn't name any more: stage and queue.
    pub fn removed_stages(&self, desired: &Desired) -> Vec<(String, QueuePath)> {
        self.deployments
            .values()
            .filter(|deployment| !is_child(desired, &deployment.name_any()))
            .filter_map(|deployment| {
                let stage = deployment.labels().get(STAGE_LABEL)?.clone();
                let queue = deployment
                    .annotations()
                    .get(QUEUE_ANNOTATION)?
                    .parse()
                    .ok()?;
                Some((stage, queue))
            })
            .collect()
    }
}

fn is_child(desired: &Desired, name: &str) -> bool {
    desired.stages.iter().any(|stage| stage.child == name)
}
