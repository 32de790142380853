//! What must hold of every plan, whatever made it. Debug builds check each plan that is made, so
//! every test does; the rules are written anew here, from the steps alone.

use std::collections::BTreeMap;

use cloudtasks::{Address, Queue, QueuePath, QueueSettings, QueueState};
use crds::DeletionPolicy;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use crate::backlog::Backlog;
use crate::desired::{Desired, DesiredStage};
use crate::environment::variable;
use crate::hand_overs::targets;
use crate::observed::{Observed, serves};
use crate::queue;
use crate::rollout::Rollout;
use crate::step::{Plan, Step};

/// What a plan breaks; nothing, if it is sound.
pub fn broken(desired: &Desired, observed: &Observed, plan: &Plan) -> Vec<String> {
    let mut world = World::new(desired, observed);
    let steps = plan.steps.iter();
    let mut broken: Vec<String> = steps
        .filter_map(|planned| {
            let why = world.why_not(&planned.step);
            world.take(&planned.step);
            why.map(|why| format!("{}: {why}", planned.step))
        })
        .collect();
    broken.extend(world.gives_up());
    broken
}

/// Queues and Deployments, as far as the steps before have changed them.
struct World<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    queues: BTreeMap<QueuePath, Known>,
    deployments: BTreeMap<String, Deployment>,
}

struct Known {
    has_endless_attempts: bool,
    has_endless_time: bool,
    state: QueueState,
    has_reason: bool,
    address: Option<Address>,
}

impl Known {
    fn of(queue: &Queue) -> Self {
        let target = queue.http_target.as_ref();
        Self {
            has_endless_attempts: queue.max_attempts == -1,
            has_endless_time: queue.max_retry_duration.is_none(),
            state: queue.state,
            has_reason: queue::pause_reason(queue).is_some(),
            address: target.and_then(|target| target.address.clone()),
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
            self.has_reason = target.headers.contains_key(queue::PAUSE_HEADER);
            self.address.clone_from(&target.address);
        }
    }
}

impl<'a> World<'a> {
    fn new(desired: &'a Desired, observed: &'a Observed) -> Self {
        let queues = observed.queues.values();
        Self {
            desired,
            observed,
            queues: queues
                .map(|queue| (queue.path.clone(), Known::of(queue)))
                .collect(),
            deployments: observed.deployments.clone(),
        }
    }

    fn stage(&self, queue: &QueuePath) -> Option<&DesiredStage> {
        let mut stages = self.desired.stages.iter();
        stages.find(|stage| stage.queue == *queue)
    }

    fn is_served(&self, queue: &QueuePath) -> bool {
        let mut deployments = self.deployments.values();
        deployments.any(|deployment| serves(deployment).as_ref() == Some(queue))
    }

    fn has_ready_workers(&self, queue: &QueuePath) -> bool {
        let mut deployments = self.observed.deployments.values();
        deployments.any(|deployment| {
            serves(deployment).as_ref() == Some(queue)
                && Rollout::of(Some(deployment)).has_ready_pod()
        })
    }

    fn has_ready_pod(&self, stage: &DesiredStage) -> bool {
        Rollout::of(self.observed.deployments.get(&stage.child)).has_ready_pod()
    }

    /// Why a step must not be done, if so.
    fn why_not(&self, step: &Step) -> Option<&'static str> {
        match step {
            Step::ApplyDeployment(deployment) => self.why_not_told(deployment),
            Step::CreateQueue { settings, .. } => {
                let is_endless = settings.max_attempts == Some(-1);
                (!is_endless).then_some("a new queue would give tasks up")
            }
            Step::UpdateQueue { queue, settings } => self.why_not_set(queue, settings),
            Step::PauseQueue { queue } => {
                let known = self.queues.get(queue);
                let has_reason = known.is_some_and(|known| known.has_reason);
                (!has_reason).then_some("nobody would know whose pause it is")
            }
            Step::ResumeQueue { queue } => match self.stage(queue) {
                Some(stage) => {
                    let asked = stage.paused == Some(false);
                    (!asked && !self.has_ready_pod(stage)).then_some("pushes would meet no pod")
                }
                None => (!self.has_ready_workers(queue)).then_some("pushes would meet no pod"),
            },
            Step::DeleteQueue { queue } => self.why_not_deleted(queue),
            Step::DeleteDeployment { name } => self.why_not_gone(name),
            Step::AddFinalizer | Step::ApplyService(_) | Step::DeleteService { .. } => None,
            Step::ReleaseDeployment { .. }
            | Step::ReleaseService { .. }
            | Step::RemoveFinalizer => Some("the chain isn't deleted"),
        }
    }

    /// A hand-over needs a queue that is there, that never gives up, and that somebody serves.
    fn why_not_told(&self, deployment: &Deployment) -> Option<&'static str> {
        let notifier = variable(deployment, "NOTIFIER_QUEUE").and_then(|it| it.parse().ok());
        let queues = targets(deployment);
        let is_there = |queue: &QueuePath| {
            let known = self.queues.get(queue);
            known.is_some_and(Known::never_gives_up)
        };
        if !queues.iter().chain(&notifier).all(is_there) {
            return Some("tasks would go to a queue that isn't there, or gives tasks up");
        }
        let is_stage = |queue: &QueuePath| self.stage(queue).is_some() && self.is_served(queue);
        (!queues.iter().all(is_stage)).then_some("tasks would go to a queue that nobody serves")
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
        let stage = self.stage(queue)?;
        (target.address != known.address && !self.has_ready_pod(stage))
            .then_some("pushes would meet no pod")
    }

    fn why_not_deleted(&self, queue: &QueuePath) -> Option<&'static str> {
        let is_empty = self.observed.backlogs.get(queue) == Some(&Backlog::Empty);
        if self.desired.queues().any(|named| named == queue) {
            Some("the spec names it")
        } else if self.desired.deletion_policy != DeletionPolicy::Delete {
            Some("nobody asked for it")
        } else {
            (!is_empty || self.is_served(queue)).then_some("there may be tasks in it")
        }
    }

    fn why_not_gone(&self, name: &str) -> Option<&'static str> {
        if self.desired.stages.iter().any(|stage| stage.child == name) {
            return Some("the spec names its stage");
        }
        let queue = self.deployments.get(name).and_then(serves)?;
        let known = self.queues.get(&queue)?;
        let theirs = self.observed.queues.get(&queue).and_then(queue::owner);
        if theirs.is_some_and(|owner| owner != self.desired.queue_owner) {
            return None;
        }
        let is_safe = match self.stage(&queue) {
            Some(stage) => {
                known.address.as_ref() == Some(&stage.address) && self.has_ready_pod(stage)
            }
            None => known.state == QueueState::Paused,
        };
        (!is_safe).then_some("its queue would push to nobody")
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::CreateQueue { queue, settings } => {
                // As Cloud Tasks makes a queue of which nothing is said.
                let mut known = Known {
                    has_endless_attempts: false,
                    has_endless_time: true,
                    state: QueueState::Running,
                    has_reason: false,
                    address: None,
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
            Step::AddFinalizer
            | Step::ApplyService(_)
            | Step::DeleteService { .. }
            | Step::ReleaseDeployment { .. }
            | Step::ReleaseService { .. }
            | Step::RemoveFinalizer => {}
        }
    }

    /// The queues of the spec that would still give tasks up after the plan, under either drift policy.
    fn gives_up(&self) -> Vec<String> {
        let queues = self.desired.queues();
        let give_up = queues.filter(|queue| {
            let known = self.queues.get(*queue);
            !known.is_some_and(Known::never_gives_up)
        });
        give_up
            .map(|queue| format!("{} would still give tasks up", queue.id))
            .collect()
    }
}
