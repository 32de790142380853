//! What must hold of every plan, whatever made it. Debug builds check each plan that is made, so
//! every test does; the rules are written anew here, from the steps alone.

mod routes;
mod tokens;

use std::collections::BTreeMap;

use cloudtasks::{Address, OidcToken, Queue, QueuePath, QueueSettings, QueueState};
use crds::DeletionPolicy;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use crate::model::backlog::Backlog;
use crate::model::chain_view::ChainView;
use crate::model::desired::{Desired, DesiredStage};
use crate::model::gateway_resource::{GatewayResourceKind, GatewayResourceName};
use crate::model::observed::Observed;
use crate::model::plan::{Plan, Planned, Step};
use crate::model::queue_headers;
use crate::model::rollout::Rollout;
use crate::objects::names::is_ours;
use crate::objects::names::served_queue;
use crate::objects::worker_env::{hand_over_targets, variable};
use crate::rules::push_target::leads_to;
use crate::rules::route_acceptance::is_open;
use routes::SimulatedRoute;

/// What a plan breaks; nothing, if it is sound.
pub fn broken(view: ChainView<'_>, plan: &Plan) -> Vec<String> {
    let mut world = Simulation::new(view);
    let steps = plan.steps.iter();
    let mut broken: Vec<String> = steps
        .filter_map(|planned| {
            let why = world.why_not(&planned.step);
            world.take(&planned.step);
            why.map(|why| format!("{}: {why}", planned.step))
        })
        .collect();
    broken.extend(world.gives_up());
    broken.extend(pods_before_pushes(view.observed, plan));
    broken
}

/// Fewer replicas come after the lower rate, in a plan that has both.
fn pods_before_pushes(observed: &Observed, plan: &Plan) -> Vec<String> {
    let mut shrunk: Vec<QueuePath> = Vec::new();
    let mut broken = Vec::new();
    for planned in &plan.steps {
        match &planned.step {
            Step::ApplyDeployment(deployment) => {
                let found = observed.deployments.get(&deployment.name_any());
                let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
                let before = found.map(|found| Rollout::of(Some(found)).wanted);
                if wanted
                    .zip(before)
                    .is_some_and(|(wanted, before)| wanted < before)
                {
                    shrunk.extend(served_queue(deployment));
                }
            }
            Step::UpdateQueue { queue, settings } if shrunk.contains(queue) => {
                let found = observed.queues.get(queue);
                let is_lower = |found: &Queue| {
                    let rate = settings.max_dispatches_per_second;
                    let at_once = settings.max_concurrent_dispatches;
                    rate.is_some_and(|rate| rate < found.max_dispatches_per_second)
                        || at_once.is_some_and(|it| it < found.max_concurrent_dispatches)
                };
                if found.is_some_and(is_lower) {
                    broken.push(format!("{}: its workers are fewer already", planned.step));
                }
            }
            _ => {}
        }
    }
    broken
}

/// What the plan of a deletion breaks.
pub fn broken_end(
    policy: DeletionPolicy,
    queue_owner: &str,
    observed: &Observed,
    plan: &Plan,
) -> Vec<String> {
    let ours = observed.queues.values();
    let ours = ours.filter(|queue| queue_headers::owner(queue) == Some(queue_owner));
    let mut running: Vec<&QueuePath> = ours
        .filter(|queue| queue.state != QueueState::Paused)
        .map(|queue| &queue.path)
        .collect();
    let mut broken = Vec::new();
    for Planned { step, .. } in &plan.steps {
        let why = match step {
            Step::PauseQueue { queue } => {
                running.retain(|it| *it != queue);
                None
            }
            Step::DeleteQueue { queue } => {
                running.retain(|it| *it != queue);
                let is_ours =
                    observed.queues.get(queue).and_then(queue_headers::owner) == Some(queue_owner);
                let is_asked_for = policy == DeletionPolicy::Delete && is_ours;
                (!is_asked_for).then_some("nobody asked for it")
            }
            Step::DeleteDeployment { .. }
            | Step::DeleteService { .. }
            | Step::DeleteGatewayResource(_) => {
                let is_asked_for = policy != DeletionPolicy::Orphan && running.is_empty();
                (!is_asked_for).then_some("queues would push to nobody")
            }
            Step::ReleaseDeployment { .. }
            | Step::ReleaseService { .. }
            | Step::ReleaseGatewayResource(_) => {
                (policy != DeletionPolicy::Orphan).then_some("nobody asked for it")
            }
            Step::ResumeQueue { .. }
            | Step::CreateQueue { .. }
            | Step::AddFinalizer
            | Step::ApplyService(_)
            | Step::ApplyGatewayResource { .. }
            | Step::ApplyDeployment(_) => Some("the chain is deleted"),
            Step::UpdateQueue { .. } | Step::RemoveFinalizer => None,
        };
        broken.extend(why.map(|why| format!("{step}: {why}")));
    }
    broken
}

/// Queues, Deployments and routes, as far as the steps before have changed them.
struct Simulation<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    queues: BTreeMap<QueuePath, SimulatedQueue>,
    deployments: BTreeMap<String, Deployment>,
    routes: BTreeMap<String, SimulatedRoute>,
}

struct SimulatedQueue {
    has_endless_attempts: bool,
    has_endless_time: bool,
    state: QueueState,
    has_reason: bool,
    address: Option<Address>,
    token: Option<OidcToken>,
}

impl SimulatedQueue {
    fn of(queue: &Queue) -> Self {
        let target = queue.http_target.as_ref();
        Self {
            has_endless_attempts: queue.max_attempts == -1,
            has_endless_time: queue.max_retry_duration.is_none(),
            state: queue.state,
            has_reason: queue_headers::pause_reason(queue).is_some(),
            address: target.and_then(|target| target.address.clone()),
            token: target.and_then(|target| target.token.clone()),
        }
    }

    fn never_gives_up(&self) -> bool {
        self.has_endless_attempts && self.has_endless_time
    }

    fn set(&mut self, settings: &QueueSettings) {
        if let Some(attempts) = settings.max_attempts {
            self.has_endless_attempts = attempts == -1;
        }
        if let Some(limit) = settings.max_retry_duration {
            self.has_endless_time = limit.is_none();
        }
        if let Some(target) = &settings.http_target {
            self.has_reason = target.headers.contains_key(queue_headers::PAUSE_HEADER);
            self.address.clone_from(&target.address);
            self.token.clone_from(&target.token);
        }
    }
}

impl<'a> Simulation<'a> {
    fn new(view: ChainView<'a>) -> Self {
        let ChainView { desired, observed } = view;
        let queues = observed.queues.values();
        Self {
            desired,
            observed,
            queues: queues
                .map(|queue| (queue.path.clone(), SimulatedQueue::of(queue)))
                .collect(),
            deployments: observed.deployments.clone(),
            routes: observed
                .gateway_objects(GatewayResourceKind::HttpRoute)
                .map(|(name, route)| (name.clone(), SimulatedRoute::of(route)))
                .collect(),
        }
    }

    fn stage(&self, queue: &QueuePath) -> Option<&DesiredStage> {
        let mut stages = self.desired.stages.iter();
        stages.find(|stage| stage.queue == *queue)
    }

    fn is_served(&self, queue: &QueuePath) -> bool {
        let mut deployments = self.deployments.values();
        deployments.any(|deployment| served_queue(deployment).as_ref() == Some(queue))
    }

    fn has_ready_workers(&self, queue: &QueuePath) -> bool {
        let mut deployments = self.observed.deployments.values();
        deployments.any(|deployment| {
            served_queue(deployment).as_ref() == Some(queue)
                && Rollout::of(Some(deployment)).has_ready_pod()
        })
    }

    fn has_ready_pod(&self, stage: &DesiredStage) -> bool {
        Rollout::of(self.observed.deployments.get(&stage.child)).has_ready_pod()
    }

    /// Why a step must not be done, if so.
    fn why_not(&self, step: &Step) -> Option<&'static str> {
        self.why_not_ours(step).or_else(|| self.why_not_safe(step))
    }

    /// What another chain has, and what somebody made for himself, is left alone.
    fn why_not_ours(&self, step: &Step) -> Option<&'static str> {
        let owner = self.desired.owner.as_ref();
        let is_ours = match step {
            Step::UpdateQueue { queue, .. }
            | Step::PauseQueue { queue }
            | Step::ResumeQueue { queue }
            | Step::DeleteQueue { queue } => {
                let found = self
                    .observed
                    .queues
                    .get(queue)
                    .and_then(queue_headers::owner);
                found.is_none_or(|found| found == self.desired.queue_owner)
            }
            Step::DeleteDeployment { name } => {
                let found = self.observed.deployments.get(name);
                found.is_none_or(|found| is_ours(&found.metadata, owner))
            }
            Step::DeleteService { name } => {
                let found = self.observed.services.get(name);
                found.is_none_or(|found| is_ours(&found.metadata, owner))
            }
            Step::DeleteGatewayResource(GatewayResourceName { kind, name }) => {
                let found = self.observed.gateway_object(*kind, name);
                found.is_none_or(|found| is_ours(&found.metadata, owner))
            }
            _ => true,
        };
        (!is_ours).then_some("it is somebody else's")
    }

    fn why_not_safe(&self, step: &Step) -> Option<&'static str> {
        match step {
            Step::ApplyDeployment(deployment) => self
                .why_not_told(deployment)
                .or_else(|| self.why_not_demanded(deployment)),
            Step::CreateQueue { settings, .. } => {
                let is_endless = settings.max_attempts == Some(-1);
                let why = (!is_endless).then_some("a new queue would give tasks up");
                why.or_else(|| self.why_no_way(settings))
            }
            Step::UpdateQueue { queue, settings } => self.why_not_set(queue, settings),
            Step::PauseQueue { queue } => self.why_not_paused(queue),
            Step::ResumeQueue { queue } => match self.stage(queue) {
                Some(stage) => {
                    let is_safe = stage.paused == Some(false) || self.is_taken(stage);
                    (!is_safe).then_some("pushes would meet no pod")
                }
                None => (!self.has_ready_workers(queue)).then_some("pushes would meet no pod"),
            },
            Step::DeleteQueue { queue } => self.why_not_deleted(queue),
            Step::DeleteDeployment { name } => self.why_not_gone(name),
            Step::DeleteService { name } => {
                let mut routes = self.routes.values();
                let is_led_to = routes.any(|way| way.service == *name);
                let why = is_led_to.then_some("a route would lead to nothing");
                why.or_else(|| self.why_not_gone(name))
            }
            Step::DeleteGatewayResource(GatewayResourceName { kind, name })
                if *kind == GatewayResourceKind::HttpRoute =>
            {
                self.why_not_unrouted(name)
            }
            Step::AddFinalizer
            | Step::ApplyService(_)
            | Step::ApplyGatewayResource { .. }
            | Step::DeleteGatewayResource(_) => None,
            Step::ReleaseDeployment { .. }
            | Step::ReleaseService { .. }
            | Step::ReleaseGatewayResource(_)
            | Step::RemoveFinalizer => Some("the chain isn't deleted"),
        }
    }

    /// A hand-over needs a queue that is there, that never gives up, and that somebody serves.
    fn why_not_told(&self, deployment: &Deployment) -> Option<&'static str> {
        let notifier = variable(deployment, "NOTIFIER_QUEUE").and_then(|it| it.parse().ok());
        let queues = hand_over_targets(deployment);
        let is_there = |queue: &QueuePath| {
            let known = self.queues.get(queue);
            known.is_some_and(SimulatedQueue::never_gives_up)
        };
        if !queues.iter().chain(&notifier).all(is_there) {
            return Some("tasks would go to a queue that isn't there, or gives tasks up");
        }
        if !queues.iter().all(|queue| self.is_served(queue)) {
            return Some("tasks would go to a queue that nobody serves");
        }
        // Workers that work already are told of nothing that can't be handed to at once.
        let found = self.observed.deployments.get(&deployment.name_any())?;
        let told = hand_over_targets(found);
        let is_ready = |queue: &QueuePath| {
            told.contains(queue)
                || self
                    .stage(queue)
                    .is_some_and(|stage| stage.paused == Some(true) || self.has_ready_pod(stage))
        };
        (!queues.iter().all(is_ready)).then_some("tasks would go to a stage without a ready pod")
    }

    /// A pause needs a reason on the queue, and a cause: the spec, or nobody who takes the pushes.
    fn why_not_paused(&self, queue: &QueuePath) -> Option<&'static str> {
        let known = self.queues.get(queue);
        if !known.is_some_and(|known| known.has_reason) {
            return Some("nobody would know whose pause it is");
        }
        let is_right = match self.stage(queue) {
            Some(stage) => {
                stage.paused == Some(true) || (stage.paused.is_none() && !self.is_taken(stage))
            }
            None => self.is_empty(queue) || !self.is_served(queue),
        };
        (!is_right).then_some("somebody takes its pushes")
    }

    /// Whether somebody takes the pushes of a stage's queue; whom others' addresses lead to, they know.
    fn is_taken(&self, stage: &DesiredStage) -> bool {
        let known = self.queues.get(&stage.queue);
        let address = known.and_then(|known| known.address.as_ref());
        if address == Some(&stage.address) {
            return self.has_ready_pod(stage)
                && is_open(ChainView::new(self.desired, self.observed), stage);
        }
        if leads_to(ChainView::new(self.desired, self.observed), stage) == Some(&stage.child) {
            return self.has_ready_pod(stage);
        }
        let mut former = self.observed.deployments.values().filter(|deployment| {
            served_queue(deployment).as_ref() == Some(&stage.queue)
                && deployment.name_any() != stage.child
        });
        former.clone().next().is_none()
            || former.any(|former| Rollout::of(Some(former)).has_ready_pod())
    }

    fn is_empty(&self, queue: &QueuePath) -> bool {
        self.observed.backlogs.get(queue) == Some(&Backlog::Empty)
    }

    fn why_not_set(&self, queue: &QueuePath, settings: &QueueSettings) -> Option<&'static str> {
        let Some(known) = self.queues.get(queue) else {
            return Some("the queue isn't there, and would be revived");
        };
        if settings.max_attempts.is_some_and(|attempts| attempts != -1)
            || settings
                .max_retry_duration
                .is_some_and(|limit| limit.is_some())
        {
            return Some("the queue would give tasks up");
        }
        let target = settings.http_target.as_ref()?;
        let loses_reason =
            known.has_reason && !target.headers.contains_key(queue_headers::PAUSE_HEADER);
        if loses_reason && known.state == QueueState::Paused {
            return Some("a pause of ours would be nobody's");
        }
        let stage = self.stage(queue)?;
        let is_new = target.address != known.address;
        let why = (is_new && !self.has_ready_pod(stage)).then_some("pushes would meet no pod");
        why.or_else(|| self.why_no_way(settings).filter(|_| is_new))
            .or_else(|| self.why_not_sent(stage, target))
    }

    fn why_not_deleted(&self, queue: &QueuePath) -> Option<&'static str> {
        if self.desired.queues().any(|named| named == queue) {
            Some("the spec names it")
        } else if self.desired.deletion_policy != DeletionPolicy::Delete {
            Some("nobody asked for it")
        } else {
            (!self.is_empty(queue) || self.is_served(queue)).then_some("there may be tasks in it")
        }
    }

    fn why_not_gone(&self, name: &str) -> Option<&'static str> {
        if self.desired.stages.iter().any(|stage| stage.child == name) {
            return Some("the spec names its stage");
        }
        let queue = self.deployments.get(name).and_then(served_queue)?;
        let known = self.queues.get(&queue)?;
        let theirs = self
            .observed
            .queues
            .get(&queue)
            .and_then(queue_headers::owner);
        if theirs.is_some_and(|owner| owner != self.desired.queue_owner) {
            return None;
        }
        let is_safe = match self.stage(&queue) {
            Some(stage) => {
                known.address.as_ref() == Some(&stage.address) && self.has_ready_pod(stage)
            }
            None => known.state == QueueState::Paused && self.is_empty(&queue),
        };
        (!is_safe).then_some("its queue would push to nobody")
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::CreateQueue { queue, settings } => {
                // As Cloud Tasks makes a queue of which nothing is said.
                let mut known = SimulatedQueue {
                    has_endless_attempts: false,
                    has_endless_time: true,
                    state: QueueState::Running,
                    has_reason: false,
                    address: None,
                    token: None,
                };
                known.set(settings);
                self.queues.insert(queue.clone(), known);
            }
            Step::UpdateQueue { queue, settings } => {
                if let Some(known) = self.queues.get_mut(queue) {
                    known.set(settings);
                }
            }
            Step::PauseQueue { queue } | Step::ResumeQueue { queue } => {
                if let Some(known) = self.queues.get_mut(queue) {
                    known.state = if matches!(step, Step::PauseQueue { .. }) {
                        QueueState::Paused
                    } else {
                        QueueState::Running
                    };
                }
            }
            Step::DeleteQueue { queue } => {
                self.queues.remove(queue);
            }
            Step::ApplyDeployment(deployment) => {
                let deployment = Deployment::clone(deployment);
                self.deployments.insert(deployment.name_any(), deployment);
            }
            Step::DeleteDeployment { name } => {
                self.deployments.remove(name);
            }
            Step::ApplyGatewayResource { kind, object }
                if *kind == GatewayResourceKind::HttpRoute =>
            {
                self.routes
                    .insert(object.name_any(), SimulatedRoute::of(object));
            }
            Step::DeleteGatewayResource(GatewayResourceName { kind, name })
                if *kind == GatewayResourceKind::HttpRoute =>
            {
                self.routes.remove(name);
            }
            Step::AddFinalizer
            | Step::ApplyService(_)
            | Step::DeleteService { .. }
            | Step::ReleaseDeployment { .. }
            | Step::ReleaseService { .. }
            | Step::ApplyGatewayResource { .. }
            | Step::DeleteGatewayResource(_)
            | Step::ReleaseGatewayResource(_)
            | Step::RemoveFinalizer => {}
        }
    }

    /// The queues of the spec that would still give tasks up after the plan, under either drift policy.
    fn gives_up(&self) -> Vec<String> {
        let queues = self.desired.queues();
        let give_up = queues.filter(|queue| {
            let known = self.queues.get(*queue);
            !known.is_some_and(SimulatedQueue::never_gives_up)
        });
        give_up
            .map(|queue| format!("{} would still give tasks up", queue.id))
            .collect()
    }
}
