//! What no plan may break. Debug builds check each plan that is made, so every test does.
//!
//! The rules are written anew here, from the steps and what was observed, without the planner's: a
//! fault in one of them doesn't pass both.

mod overrides;
mod routes;
mod simulation;
mod tokens;

use std::collections::BTreeSet;

use cloudtasks::{Queue, QueuePath, QueueSettings, QueueState};
use crds::DeletionPolicy;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use crate::model::{
    ChainView, Deletion, DesiredStage, GatewayResourceKind, KnownChain, ObjectKind, ObjectName,
    Observed, Plan, Planned, Rollout, SpecState, Step, queue_headers,
};
use crate::objects::names::{is_ours, served_queue};
use crate::objects::worker_env::{hand_over_targets, variable};
use simulation::{SimulatedQueue, Simulation};

/// What a plan breaks; nothing, if it is sound.
pub fn broken(view: ChainView<'_>, plan: &Plan) -> Vec<String> {
    let mut simulation = Simulation::new(view);
    let steps = plan.steps.iter();
    let mut broken: Vec<String> = steps
        .filter_map(|planned| {
            let why = simulation.why_not(&planned.step);
            simulation.take(&planned.step);
            why.map(|why| format!("{}: {why}", planned.step))
        })
        .collect();
    broken.extend(simulation.losing_queues());
    broken.extend(simulation.pushing_parking());
    broken.extend(pods_before_pushes(view.observed, plan));
    broken.extend(overrides::unrecorded(
        &view.desired.stages,
        view.observed,
        plan,
    ));
    broken
}

/// Fewer replicas come after the lower rate, in a plan that has both.
fn pods_before_pushes(observed: &Observed, plan: &Plan) -> Vec<String> {
    let mut shrunk: Vec<QueuePath> = Vec::new();
    let mut broken = Vec::new();
    for planned in &plan.steps {
        if let Step::ApplyDeployment(deployment) = &planned.step {
            let found = observed.deployments.get(&deployment.name_any());
            let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
            let before = found.map(|found| Rollout::of(Some(found)).wanted);
            let is_fewer = |(wanted, before)| wanted < before;
            if wanted.zip(before).is_some_and(is_fewer) {
                shrunk.extend(served_queue(deployment));
            }
        }
        if let Step::UpdateQueue { queue, settings } = &planned.step {
            let is_lower = |found: &Queue| {
                let rate = settings.max_dispatches_per_second;
                let concurrent = settings.max_concurrent_dispatches;
                rate.is_some_and(|rate| rate < found.max_dispatches_per_second)
                    || concurrent.is_some_and(|it| it < found.max_concurrent_dispatches)
            };
            if shrunk.contains(queue) && observed.queues.get(queue).is_some_and(is_lower) {
                broken.push(format!("{}: its workers are fewer already", planned.step));
            }
        }
    }
    broken
}

/// What the plan of a deletion breaks.
pub fn broken_deletion(
    deletion: Deletion,
    queue_owner: &str,
    observed: &Observed,
    plan: &Plan,
) -> Vec<String> {
    let is_asked = |policy| deletion == Deletion::ByPolicy(policy);
    let is_ours = |queue: &Queue| queue_headers::owner(queue) == Some(queue_owner);
    let ours = observed.queues.values().filter(|queue| is_ours(queue));
    let mut running: BTreeSet<QueuePath> = ours
        .filter(|queue| queue.state != QueueState::Paused)
        .map(|queue| queue.path.clone())
        .collect();
    // One that isn't listed may be running.
    let served = observed.deployments.values().filter_map(served_queue);
    let is_unknown = |queue: &QueuePath| {
        !observed.queues.contains_key(queue) && !observed.absent_queues.contains(queue)
    };
    running.extend(served.filter(is_unknown));
    if deletion == Deletion::WithoutQueues {
        running.clear();
    }
    let mut broken = Vec::new();
    for Planned { step, .. } in &plan.steps {
        let why = match step {
            Step::PauseQueue { queue } => {
                running.remove(queue);
                None
            }
            Step::DeleteQueue { queue } => {
                running.remove(queue);
                let is_asked_for = is_asked(DeletionPolicy::Delete)
                    && observed.queues.get(queue).is_some_and(is_ours);
                (!is_asked_for).then_some("it is another chain's, or deletionPolicy isn't Delete")
            }
            Step::Delete(_) => {
                let is_asked_for = !is_asked(DeletionPolicy::Orphan) && running.is_empty();
                (!is_asked_for).then_some("a queue isn't paused, or deletionPolicy is Orphan")
            }
            Step::Release(_) => {
                (!is_asked(DeletionPolicy::Orphan)).then_some("deletionPolicy isn't Orphan")
            }
            Step::ResumeQueue { .. }
            | Step::CreateQueue { .. }
            | Step::AddFinalizer
            | Step::ApplyService(_)
            | Step::ApplyGatewayResource { .. }
            | Step::ApplyDeployment(_) => Some("the chain is deleted"),
            Step::UpdateQueue { queue, .. } => {
                // Its pause, or its mark on a notifier's queue.
                let found = observed.queues.get(queue);
                let is_marked = |found: &Queue| {
                    is_ours(found) || queue_headers::limits_holder(found) == Some(queue_owner)
                };
                (!found.is_some_and(is_marked)).then_some("it belongs to another chain")
            }
            Step::RemoveFinalizer => None,
        };
        broken.extend(why.map(|why| format!("{step}: {why}")));
    }
    broken
}

impl Simulation<'_> {
    /// Why a step must not be carried out, if so.
    fn why_not(&self, step: &Step) -> Option<&'static str> {
        let why = (!self.is_own(step)).then_some("it belongs to another owner");
        why.or_else(|| self.why_not_safe(step))
    }

    /// Whether what a step changes or deletes is not another chain's, and not made by hand.
    fn is_own(&self, step: &Step) -> bool {
        let metadata = match step {
            Step::UpdateQueue { queue, .. }
            | Step::PauseQueue { queue }
            | Step::ResumeQueue { queue }
            | Step::DeleteQueue { queue } => return self.may_be_ours(queue),
            Step::Delete(object) => self.observed.metadata(object),
            Step::AddFinalizer
            | Step::CreateQueue { .. }
            | Step::ApplyService(_)
            | Step::ApplyDeployment(_)
            | Step::ApplyGatewayResource { .. }
            | Step::Release(_)
            | Step::RemoveFinalizer => None,
        };
        metadata.is_none_or(|metadata| is_ours(metadata, self.desired.owner.as_ref()))
    }

    fn why_not_safe(&self, step: &Step) -> Option<&'static str> {
        match step {
            Step::ApplyDeployment(deployment) => self
                .why_not_handed_over(deployment)
                .or_else(|| self.why_not_required(deployment)),
            Step::CreateQueue { settings, .. } => {
                let is_unlimited = settings.max_attempts == Some(-1);
                let why = (!is_unlimited).then_some("a new queue would delete tasks");
                why.or_else(|| self.why_no_route(settings))
            }
            Step::UpdateQueue { queue, settings } => self.why_not_set(queue, settings),
            Step::PauseQueue { queue } => self.why_not_paused(queue),
            Step::ResumeQueue { queue } if self.is_parking(queue) => {
                Some("it keeps parked tasks, and never pushes")
            }
            Step::ResumeQueue { queue } => {
                let is_safe = self.stage(queue).map_or_else(
                    || self.workers_of(queue).any(has_ready_pod),
                    |stage| stage.paused == Some(false) || self.is_taken(stage),
                );
                (!is_safe).then_some("pushes would reach no pod")
            }
            Step::DeleteQueue { queue } => self.why_not_deleted(queue),
            Step::Delete(ObjectName { kind, name }) => match kind {
                ObjectKind::Deployment => self.why_not_gone(name),
                ObjectKind::Service => {
                    let mut routes = self.routes.values();
                    let has_route = routes.any(|route| route.service == *name);
                    let why = has_route.then_some("a route would lead to a missing Service");
                    why.or_else(|| self.why_not_gone(name))
                }
                ObjectKind::Gateway(GatewayResourceKind::HttpRoute) => self.why_not_unrouted(name),
                ObjectKind::Gateway(
                    GatewayResourceKind::BackendPolicy | GatewayResourceKind::HealthCheckPolicy,
                ) => None,
            },
            Step::AddFinalizer | Step::ApplyService(_) | Step::ApplyGatewayResource { .. } => None,
            Step::Release(_) | Step::RemoveFinalizer => Some("the chain isn't deleted"),
        }
    }

    /// A hand-over needs a queue that exists, that never deletes tasks, and that is served.
    fn why_not_handed_over(&self, deployment: &Deployment) -> Option<&'static str> {
        let notifier = variable(deployment, "NOTIFIER_QUEUE").and_then(|it| it.parse().ok());
        let queues = hand_over_targets(deployment);
        let keeps_tasks = |queue: &QueuePath| {
            let known = self.queues.get(queue);
            known.is_some_and(SimulatedQueue::keeps_tasks)
        };
        if !queues.iter().chain(&notifier).all(keeps_tasks) {
            return Some("tasks would go to a queue that doesn't exist, or that deletes tasks");
        }
        let parking = variable(deployment, "PARKING_QUEUE").and_then(|it| it.parse().ok());
        let keeps_parked_tasks = |queue: QueuePath| {
            let known = self.queues.get(&queue);
            known.is_some_and(SimulatedQueue::keeps_parked_tasks)
        };
        if !parking.is_none_or(keeps_parked_tasks) {
            return Some(
                "tasks would be parked in a queue that doesn't exist, or doesn't keep them",
            );
        }
        if !queues.iter().all(|queue| self.is_served(queue)) {
            return Some("tasks would go to a queue that no worker serves");
        }
        // Workers that run are given no hand-over that can't be made at once.
        let found = self.observed.deployments.get(&deployment.name_any())?;
        let before = hand_over_targets(found);
        let is_ready = |queue: &QueuePath| {
            let stage = self.stage(queue);
            let is_ready =
                |stage: &DesiredStage| stage.paused == Some(true) || self.has_ready_pod(stage);
            before.contains(queue) || stage.is_some_and(is_ready)
        };
        (!queues.iter().all(is_ready)).then_some("tasks would go to a stage without a ready pod")
    }

    /// A pause needs a reason on the queue, and a cause: the spec, or nobody who takes the pushes.
    fn why_not_paused(&self, queue: &QueuePath) -> Option<&'static str> {
        let known = self.queues.get(queue);
        if !known.is_some_and(|known| known.has_reason) {
            return Some("the queue doesn't say why it is paused");
        }
        let is_right = match self.stage(queue) {
            _ if self.is_parking(queue) => true,
            Some(stage) => {
                stage.paused == Some(true) || (stage.paused.is_none() && !self.is_taken(stage))
            }
            None => self.is_empty(queue) || !self.is_served(queue),
        };
        (!is_right).then_some("workers run its tasks")
    }

    /// Whether a pod takes the pushes of a stage's queue; where addresses outside lead is not known.
    fn is_taken(&self, stage: &DesiredStage) -> bool {
        let address = |known: &SimulatedQueue| known.address.clone();
        let now = self.queues.get(&stage.queue).and_then(address);
        if now.as_ref() == Some(&stage.address) {
            return self.has_ready_pod(stage) && self.is_routed(stage);
        }
        let service = now.and_then(|address| self.service_behind(&address.host));
        if service.as_ref() == Some(&stage.child) {
            return self.has_ready_pod(stage);
        }
        let workers = self.workers_of(&stage.queue);
        let mut former = workers.filter(|it| it.name_any() != stage.child).peekable();
        former.peek().is_none() || former.any(has_ready_pod)
    }

    fn why_not_set(&self, queue: &QueuePath, settings: &QueueSettings) -> Option<&'static str> {
        let Some(known) = self.queues.get(queue) else {
            return Some("the queue doesn't exist, and an update would create it");
        };
        let has_limit = settings.max_retry_duration.is_some_and(|it| it.is_some());
        if settings.max_attempts.is_some_and(|it| it != -1) || has_limit {
            return Some("the queue would delete tasks");
        }
        if self.takes_limits(queue, settings) {
            return Some("another chain sets its limits");
        }
        let target = settings.http_target.as_ref()?;
        let loses_reason =
            known.has_reason && !target.headers.contains_key(queue_headers::PAUSE_HEADER);
        if loses_reason && known.state == QueueState::Paused {
            return Some("the queue would no longer say why it is paused");
        }
        if known.is_parking && !target.headers.contains_key(queue_headers::PARKING_HEADER) {
            return Some("the queue would no longer say that it keeps parked tasks");
        }
        let stage = self.stage(queue)?;
        if target.address != known.address {
            if !self.has_ready_pod(stage) {
                return Some("pushes would reach no pod");
            }
            let why = self.why_no_route(settings);
            let is_own = target.address.as_ref() == Some(&stage.address);
            let is_refused = is_own && !self.is_routed(stage);
            let why = why.or(is_refused.then_some("its Gateway hasn't accepted its route"));
            if why.is_some() {
                return why;
            }
        }
        self.why_not_sent(stage, target)
    }

    /// Whether settings replace the limits, or the mark, of another chain that sets the limits of a
    /// notifier's queue.
    fn takes_limits(&self, queue: &QueuePath, settings: &QueueSettings) -> bool {
        let ours = &self.desired.queue_owner;
        let found = self.observed.queues.get(queue);
        let Some(mark) = found.and_then(queue_headers::limits_holder) else {
            return false;
        };
        let namespace = |mark: &str| mark.rsplit('/').nth(1).map(str::to_owned);
        let counts = match self.observed.chains.get(mark) {
            None => true,
            Some(KnownChain::Gone) => false,
            Some(KnownChain::Exists(its)) => {
                let leaves_them = !its.sets_limits && self.desired.notifier.rate_limits.is_some();
                if its.queue == *queue {
                    !(leaves_them && namespace(mark) == namespace(ours))
                } else {
                    its.spec != SpecState::Served
                }
            }
        };
        let sets = settings.max_dispatches_per_second.is_some()
            || settings.max_concurrent_dispatches.is_some();
        let target = settings.http_target.as_ref();
        let mark_after = target.map(|it| it.headers.get(queue_headers::NOTIFIER_HEADER));
        let replaces = mark_after.is_some_and(|after| after.map(String::as_str) != Some(mark));
        mark != ours && counts && (sets || replaces)
    }

    fn why_not_deleted(&self, queue: &QueuePath) -> Option<&'static str> {
        if self.desired.queues().any(|named| named == queue) {
            Some("the spec names it")
        } else if self.is_parking(queue) {
            Some("it keeps parked tasks, and the chain isn't deleted")
        } else if self.desired.deletion_policy != DeletionPolicy::Delete {
            Some("deletionPolicy isn't Delete")
        } else {
            (!self.is_empty(queue) || self.is_served(queue)).then_some("there may be tasks in it")
        }
    }

    fn why_not_gone(&self, name: &str) -> Option<&'static str> {
        if self.desired.stages.iter().any(|stage| stage.child == name) {
            return Some("the spec names its stage");
        }
        let queue = self.deployments.get(name).and_then(served_queue)?;
        let Some(known) = self.queues.get(&queue) else {
            let is_absent = self.observed.absent_queues.contains(&queue);
            return (!is_absent).then_some("its queue is merely missing from a list");
        };
        if self.is_others(&queue) {
            return None;
        }
        let is_safe = match self.stage(&queue) {
            Some(stage) => {
                known.address.as_ref() == Some(&stage.address) && self.has_ready_pod(stage)
            }
            None => known.state == QueueState::Paused && self.is_empty(&queue),
        };
        (!is_safe).then_some("its queue would push to no worker")
    }

    /// The parking queues of the chain that would push after the plan.
    fn pushing_parking(&self) -> Vec<String> {
        let queues = self.queues.iter();
        let pushing = queues.filter(|(queue, known)| {
            self.is_parking(queue) && self.may_be_ours(queue) && !known.keeps_parked_tasks()
        });
        pushing
            .map(|(queue, _)| format!("{} would push parked tasks", queue.id))
            .collect()
    }

    /// The queues of the spec that would still delete tasks after the plan, under either drift policy.
    fn losing_queues(&self) -> Vec<String> {
        let queues = self.desired.queues();
        let losing = queues.filter(|queue| {
            let known = self.queues.get(*queue);
            !known.is_some_and(SimulatedQueue::keeps_tasks)
        });
        losing
            .map(|queue| format!("{} would still delete tasks", queue.id))
            .collect()
    }
}

fn has_ready_pod(deployment: &Deployment) -> bool {
    Rollout::of(Some(deployment)).has_ready_pod()
}
