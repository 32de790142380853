//! What was observed: the queues and the children of a chain.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cloudtasks::QueuePath;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::core::DynamicObject;

use super::backlog::Backlog;
use super::gateway_resource::{Availability, GatewayResourceKind};
use super::location_queues::LocationQueues;
use super::pod::Pod;
use super::timed_condition::TimedCondition;

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
    pub queues: LocationQueues,
    /// The Deployments that carry the chain's label or a child's name, by name.
    pub deployments: BTreeMap<String, Deployment>,
    /// The Services that carry the chain's label or a child's name, by name.
    pub services: BTreeMap<String, Service>,
    /// What the API server has of each kind that is attached to Services; one that isn't here is
    /// absent.
    pub availability: BTreeMap<GatewayResourceKind, Availability>,
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
    pub auth_failures: BTreeMap<QueuePath, BTreeSet<String>>,
    /// For how long each condition has held, as far as somebody has watched it.
    pub elapsed: BTreeMap<TimedCondition, Duration>,
}

impl Observed {
    /// The objects of a kind that are there.
    pub fn gateway_objects(
        &self,
        kind: GatewayResourceKind,
    ) -> impl Iterator<Item = (&String, &DynamicObject)> {
        let served = match self.availability.get(&kind) {
            Some(Availability::Served(objects)) => Some(objects),
            Some(Availability::Absent | Availability::Forbidden(_)) | None => None,
        };
        served.into_iter().flatten()
    }

    /// The object of that kind and name.
    pub fn gateway_object(&self, kind: GatewayResourceKind, name: &str) -> Option<&DynamicObject> {
        let mut objects = self.gateway_objects(kind);
        objects.find(|(it, _)| *it == name).map(|(_, found)| found)
    }

    /// Whether the API server knows a kind and lets us have some.
    pub(crate) fn is_available(&self, kind: GatewayResourceKind) -> bool {
        matches!(self.availability.get(&kind), Some(Availability::Served(_)))
    }

    /// What is left in a queue, as far as it was ever counted.
    pub fn backlog(&self, queue: &QueuePath) -> Option<Backlog> {
        let last = || self.last_backlogs.get(queue);
        self.backlogs.get(queue).or_else(last).copied()
    }

    /// Whether a condition has held for at least so long.
    pub fn has_elapsed(&self, condition: &TimedCondition, at_least: Duration) -> bool {
        self.elapsed
            .get(condition)
            .is_some_and(|held| *held >= at_least)
    }

    /// How long it takes until a condition will have held for so long.
    pub fn remaining(&self, condition: &TimedCondition, wanted: Duration) -> Duration {
        let held = self.elapsed.get(condition).copied().unwrap_or_default();
        wanted.saturating_sub(held)
    }
}
