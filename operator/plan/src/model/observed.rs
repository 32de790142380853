//! What was observed: the queues and the children of a chain.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cloudtasks::QueuePath;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;

use super::backlog::Backlog;
use super::gateway_resource::{Availability, GatewayResourceKind};
use super::location_queues::LocationQueues;
use super::notifier_limits::KnownChain;
use super::object_name::{ObjectKind, ObjectName};
use super::parked_count::ParkedCount;
use super::pod::Pod;
use super::stage_health::StageHealth;
use super::timed_condition::TimedCondition;

/// What was observed.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// When it was observed.
    pub now: Timestamp,
    /// Whether the chain has the operator's finalizer; without an API server it needs none.
    pub has_finalizer: bool,
    /// Whether the queues matched the spec before, and the spec of the queues is unchanged: what
    /// differs now was changed outside the operator.
    pub was_in_force: bool,
    /// Whether Cloud Tasks was seen to keep whole seconds of a backoff: the rest is no difference then.
    pub whole_seconds: bool,
    /// Every queue of the chain's project and location; for a deleted chain, of each location where
    /// it has one.
    pub queues: LocationQueues,
    /// Queues that don't exist: Cloud Tasks was asked for each by its name. One that is in neither may
    /// exist, since a list can lack it.
    pub absent_queues: BTreeSet<QueuePath>,
    /// The queues of other locations that the operator serves, as last listed: for the hosts that they
    /// push to.
    pub other_locations: Vec<LocationQueues>,
    /// Chains that use, or have used, the chain's notifier's queue, this one among them: as their names
    /// are written on queues. Nothing is known of another one, such as one of another cluster.
    pub chains: BTreeMap<String, KnownChain>,
    /// The Deployments that carry the chain's label or a child's name, by name.
    pub deployments: BTreeMap<String, Deployment>,
    /// The Services that carry the chain's label or a child's name, by name.
    pub services: BTreeMap<String, Service>,
    /// What the API server has of each kind; one that isn't in the map is absent.
    pub availability: BTreeMap<GatewayResourceKind, Availability>,
    /// The hosts of the chain's stages that another chain's route had first: host to namespace and
    /// name of that chain.
    pub taken_hosts: BTreeMap<String, String>,
    /// The pods that carry the chain's label, terminating ones included.
    pub pods: Vec<Pod>,
    /// What is left in the queues whose tasks were counted just now.
    pub backlogs: BTreeMap<QueuePath, Backlog>,
    /// The tasks of queues when they were last counted: for the status, not for decisions.
    pub last_backlogs: BTreeMap<QueuePath, Backlog>,
    /// Why workers refused pushes lately, by queue; no entry for workers that could not be asked.
    pub auth_failures: BTreeMap<QueuePath, BTreeSet<String>>,
    /// What workers do by themselves on a bad day, by queue; no entry for those that could not be asked, or
    /// do nothing of it.
    pub health: BTreeMap<QueuePath, StageHealth>,
    /// How many tasks parking queues keep, as far as it is known: for the status.
    pub parked: BTreeMap<QueuePath, ParkedCount>,
    /// For how long each condition has held, as far as it was watched.
    pub elapsed: BTreeMap<TimedCondition, Duration>,
}

impl Observed {
    /// The objects of a kind.
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

    /// The metadata of the object of that name.
    pub(crate) fn metadata(&self, object: &ObjectName) -> Option<&ObjectMeta> {
        let name = &object.name;
        match object.kind {
            ObjectKind::Deployment => Some(&self.deployments.get(name)?.metadata),
            ObjectKind::Service => Some(&self.services.get(name)?.metadata),
            ObjectKind::Gateway(kind) => Some(&self.gateway_object(kind, name)?.metadata),
        }
    }

    /// All objects, in the order in which they can be deleted: nothing leads to an object that is gone.
    pub(crate) fn objects(&self) -> impl Iterator<Item = (ObjectName, &ObjectMeta)> {
        let deployments = self.deployments.iter();
        let deployments =
            deployments.map(|(name, it)| (ObjectKind::Deployment.named(name), &it.metadata));
        let attached = GatewayResourceKind::ALL.into_iter().flat_map(|kind| {
            let objects = self.gateway_objects(kind);
            objects.map(move |(name, it)| (ObjectKind::Gateway(kind).named(name), &it.metadata))
        });
        let services = self.services.iter();
        let services = services.map(|(name, it)| (ObjectKind::Service.named(name), &it.metadata));
        deployments.chain(attached).chain(services)
    }

    /// Whether the API server knows a kind and lets the operator read it.
    pub(crate) fn is_available(&self, kind: GatewayResourceKind) -> bool {
        matches!(self.availability.get(&kind), Some(Availability::Served(_)))
    }

    /// Whether it is known of a queue that it exists, or that it doesn't.
    pub fn is_known(&self, queue: &QueuePath) -> bool {
        self.queues.contains_key(queue) || self.absent_queues.contains(queue)
    }

    /// The tasks of a queue, if they were ever counted.
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
