//! Queues, Deployments and routes as the steps of a plan change them.

use std::collections::BTreeMap;

use cloudtasks::{Address, OidcToken, Queue, QueuePath, QueueSettings, QueueState};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::core::DynamicObject;
use serde_json::Value;

use crate::model::{
    Backlog, ChainView, Desired, DesiredStage, GatewayResourceKind, ObjectKind, ObjectName,
    Observed, Rollout, Step, queue_headers,
};
use crate::objects::names::served_queue;

/// What was observed, as far as the steps before have changed it.
pub(super) struct Simulation<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) queues: BTreeMap<QueuePath, SimulatedQueue>,
    pub(super) deployments: BTreeMap<String, Deployment>,
    pub(super) routes: BTreeMap<String, SimulatedRoute>,
}

pub(super) struct SimulatedQueue {
    /// -1 is unlimited.
    max_attempts: i32,
    has_unlimited_time: bool,
    pub(super) state: QueueState,
    pub(super) has_reason: bool,
    pub(super) is_parking: bool,
    pub(super) address: Option<Address>,
    pub(super) token: Option<OidcToken>,
}

impl SimulatedQueue {
    fn of(queue: &Queue) -> Self {
        let target = queue.http_target.as_ref();
        Self {
            max_attempts: queue.max_attempts,
            has_unlimited_time: queue.max_retry_duration.is_none(),
            state: queue.state,
            has_reason: queue_headers::pause_reason(queue).is_some(),
            is_parking: queue_headers::is_parking(queue),
            address: target.and_then(|target| target.address.clone()),
            token: target.and_then(|target| target.token.clone()),
        }
    }

    /// As Cloud Tasks creates a queue without settings.
    fn default_running() -> Self {
        Self {
            max_attempts: 100,
            has_unlimited_time: true,
            state: QueueState::Running,
            has_reason: false,
            is_parking: false,
            address: None,
            token: None,
        }
    }

    pub(super) fn keeps_tasks(&self) -> bool {
        self.max_attempts == -1 && self.has_unlimited_time
    }

    /// Whether it keeps what is parked in it.
    pub(super) fn keeps_parked_tasks(&self) -> bool {
        self.keeps_tasks() && self.is_parking && self.state == QueueState::Paused
    }

    fn set(&mut self, settings: &QueueSettings) {
        if let Some(attempts) = settings.max_attempts {
            self.max_attempts = attempts;
        }
        if let Some(limit) = settings.max_retry_duration {
            self.has_unlimited_time = limit.is_none();
        }
        if let Some(target) = &settings.http_target {
            self.has_reason = target.headers.contains_key(queue_headers::PAUSE_HEADER);
            self.is_parking = target.headers.contains_key(queue_headers::PARKING_HEADER);
            self.address.clone_from(&target.address);
            self.token.clone_from(&target.token);
        }
    }
}

/// From which host to which Service.
pub(super) struct SimulatedRoute {
    pub(super) host: String,
    pub(super) service: String,
}

impl SimulatedRoute {
    pub(super) fn of(route: &DynamicObject) -> Self {
        Self {
            host: text(&route.data, "/spec/hostnames/0").to_owned(),
            service: text(&route.data, "/spec/rules/0/backendRefs/0/name").to_owned(),
        }
    }
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default()
}

impl<'a> Simulation<'a> {
    pub(super) fn new(view: ChainView<'a>) -> Self {
        let ChainView { desired, observed } = view;
        let queues = observed.queues.values();
        let routes = observed.gateway_objects(GatewayResourceKind::HttpRoute);
        Self {
            desired,
            observed,
            queues: queues
                .map(|queue| (queue.path.clone(), SimulatedQueue::of(queue)))
                .collect(),
            deployments: observed.deployments.clone(),
            routes: routes
                .map(|(name, route)| (name.clone(), SimulatedRoute::of(route)))
                .collect(),
        }
    }

    pub(super) fn stage(&self, queue: &QueuePath) -> Option<&'a DesiredStage> {
        let mut stages = self.desired.stages.iter();
        stages.find(|stage| stage.queue == *queue)
    }

    pub(super) fn is_served(&self, queue: &QueuePath) -> bool {
        let mut deployments = self.deployments.values();
        deployments.any(|deployment| served_queue(deployment).as_ref() == Some(queue))
    }

    /// The Deployments that serve a queue, as observed.
    pub(super) fn workers_of(&self, queue: &QueuePath) -> impl Iterator<Item = &'a Deployment> {
        let deployments = self.observed.deployments.values();
        deployments.filter(move |it| served_queue(it).as_ref() == Some(queue))
    }

    pub(super) fn has_ready_pod(&self, stage: &DesiredStage) -> bool {
        Rollout::of(self.observed.deployments.get(&stage.child)).has_ready_pod()
    }

    pub(super) fn is_empty(&self, queue: &QueuePath) -> bool {
        self.observed.backlogs.get(queue) == Some(&Backlog::Empty)
    }

    /// Whether a queue has the chain's name on it, or no name, and the spec names it.
    pub(super) fn may_be_ours(&self, queue: &QueuePath) -> bool {
        let found = self.observed.queues.get(queue);
        let owner = found.and_then(queue_headers::owner);
        let holder = found.and_then(queue_headers::limits_holder);
        let is_free = owner.is_none() && self.desired.queues().any(|named| named == queue);
        is_free || owner.or(holder) == Some(&self.desired.queue_owner)
    }

    /// Whether a queue keeps parked tasks, or kept some before.
    pub(super) fn is_parking(&self, queue: &QueuePath) -> bool {
        let known = self.queues.get(queue);
        self.desired.parking_queue() == Some(queue) || known.is_some_and(|it| it.is_parking)
    }

    /// Whether a queue has another chain's name on it.
    pub(super) fn is_others(&self, queue: &QueuePath) -> bool {
        let found = self.observed.queues.get(queue);
        let owner = found.and_then(queue_headers::owner);
        owner.is_some_and(|owner| owner != self.desired.queue_owner)
    }

    /// Carries out a step.
    pub(super) fn take(&mut self, step: &Step) {
        match step {
            Step::CreateQueue { queue, settings } => {
                let mut made = SimulatedQueue::default_running();
                made.set(settings);
                self.queues.insert(queue.clone(), made);
            }
            Step::UpdateQueue { queue, settings } => {
                if let Some(known) = self.queues.get_mut(queue) {
                    known.set(settings);
                }
            }
            Step::PauseQueue { queue } => self.set_state(queue, QueueState::Paused),
            Step::ResumeQueue { queue } => self.set_state(queue, QueueState::Running),
            Step::DeleteQueue { queue } => {
                self.queues.remove(queue);
            }
            Step::ApplyDeployment(deployment) => {
                let deployment = Deployment::clone(deployment);
                self.deployments.insert(deployment.name_any(), deployment);
            }
            Step::ApplyGatewayResource { kind, object } => {
                if *kind == GatewayResourceKind::HttpRoute {
                    let route = SimulatedRoute::of(object);
                    self.routes.insert(object.name_any(), route);
                }
            }
            Step::Delete(ObjectName { kind, name }) => match kind {
                ObjectKind::Deployment => drop(self.deployments.remove(name)),
                ObjectKind::Gateway(GatewayResourceKind::HttpRoute) => {
                    self.routes.remove(name);
                }
                ObjectKind::Service
                | ObjectKind::Gateway(
                    GatewayResourceKind::BackendPolicy | GatewayResourceKind::HealthCheckPolicy,
                ) => {}
            },
            Step::AddFinalizer
            | Step::ApplyService(_)
            | Step::Release(_)
            | Step::RemoveFinalizer => {}
        }
    }

    fn set_state(&mut self, queue: &QueuePath, state: QueueState) {
        if let Some(known) = self.queues.get_mut(queue) {
            known.state = state;
        }
    }
}
