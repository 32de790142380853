//! The steps of a plan, and how they read.

use std::fmt;
use std::time::Duration;

use cloudtasks::{QueuePath, QueueSettings};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::core::DynamicObject;

use super::gateway_resource::GatewayResourceKind;
use super::object_name::ObjectName;
use super::queue_settings_text::SettingsText;
use super::wait::{Concern, Wait};

/// One write to Cloud Tasks or Kubernetes. Each is idempotent.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Keep the chain until its deletion policy is carried out.
    AddFinalizer,
    /// Make a queue.
    CreateQueue {
        /// Which.
        queue: QueuePath,
        /// Everything that the spec sets.
        settings: Box<QueueSettings>,
    },
    /// Set only what differs.
    UpdateQueue {
        /// Which.
        queue: QueuePath,
        /// What differs.
        settings: Box<QueueSettings>,
    },
    /// Stop a queue's dispatches.
    PauseQueue {
        /// Which.
        queue: QueuePath,
    },
    /// Start them again.
    ResumeQueue {
        /// Which.
        queue: QueuePath,
    },
    /// Delete a queue and the tasks in it. Its name stays blocked for days.
    DeleteQueue {
        /// Which.
        queue: QueuePath,
    },
    /// Make or change a stage's Service.
    ApplyService(Box<Service>),
    /// Make or change a stage's Deployment.
    ApplyDeployment(Box<Deployment>),
    /// Make or change what is attached to a stage's Service.
    ApplyGatewayResource {
        /// Of which kind it is.
        kind: GatewayResourceKind,
        /// All of it.
        object: Box<DynamicObject>,
    },
    /// Delete an object of the chain.
    Delete(ObjectName),
    /// Remove the chain's ownership of an object, which then stays when the chain is deleted.
    Release(ObjectName),
    /// Let the API server delete the chain.
    RemoveFinalizer,
}

/// A step and its reason.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// What to do.
    pub step: Step,
    /// Why.
    pub reason: &'static str,
}

/// Ordered steps: the first that fails stops the rest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// What is to be done now.
    pub steps: Vec<Planned>,
    /// What is held back.
    pub waits: Vec<Wait>,
    /// When there may be something to do without an event.
    next: Option<Duration>,
}

impl Plan {
    pub(crate) fn push(&mut self, step: Step, reason: &'static str) {
        self.steps.push(Planned { step, reason });
    }

    pub(crate) fn wait(&mut self, wait: Wait) {
        self.waits.push(wait);
    }

    /// There may be something to do after so long, without an event.
    pub(crate) fn recheck_after(&mut self, time: Duration) {
        self.next = Some(self.next.map_or(time, |next| next.min(time)));
    }

    /// Whether the first step adds the finalizer: it is then carried out alone.
    pub fn begins_with_finalizer(&self) -> bool {
        let first = self.steps.first();
        first.is_some_and(|it| it.step == Step::AddFinalizer)
    }

    /// When to plan again without an event; `None`: there is nothing to wait for.
    pub fn recheck_in(&self) -> Option<Duration> {
        let waits = self.waits.iter().filter_map(|wait| wait.recheck_in);
        waits.chain(self.next).min()
    }

    /// What is held back of a kind.
    pub(crate) fn waits_for(&self, concern: Concern) -> Vec<String> {
        let reasons = self.waits.iter().map(|wait| &wait.reason);
        let reasons = reasons.filter(|reason| reason.concern() == concern);
        reasons.map(ToString::to_string).collect()
    }

    /// The steps that concern a queue, as text.
    pub(crate) fn queue_steps(&self) -> Vec<String> {
        let concerns_a_queue = |step: &Step| match step {
            Step::CreateQueue { .. }
            | Step::UpdateQueue { .. }
            | Step::PauseQueue { .. }
            | Step::ResumeQueue { .. }
            | Step::DeleteQueue { .. } => true,
            Step::AddFinalizer
            | Step::ApplyService(_)
            | Step::ApplyDeployment(_)
            | Step::ApplyGatewayResource { .. }
            | Step::Delete(_)
            | Step::Release(_)
            | Step::RemoveFinalizer => false,
        };
        let steps = self.steps.iter().map(|planned| &planned.step);
        steps
            .filter(|step| concerns_a_queue(step))
            .map(ToString::to_string)
            .collect()
    }

    /// Whether there is nothing to do now.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Planned { step, reason } in &self.steps {
            writeln!(f, "{step}: {reason}")?;
        }
        for wait in &self.waits {
            writeln!(f, "wait: {}", wait.reason)?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddFinalizer => f.write_str("add finalizer"),
            Self::CreateQueue { queue, settings } => {
                write!(f, "create queue {} ({})", queue.id, SettingsText(settings))
            }
            Self::UpdateQueue { queue, settings } => {
                write!(f, "update queue {} ({})", queue.id, SettingsText(settings))
            }
            Self::PauseQueue { queue } => write!(f, "pause queue {}", queue.id),
            Self::ResumeQueue { queue } => write!(f, "resume queue {}", queue.id),
            Self::DeleteQueue { queue } => write!(f, "delete queue {}", queue.id),
            Self::ApplyService(service) => write!(f, "apply service {}", service.name_any()),
            Self::ApplyDeployment(deployment) => {
                write!(f, "apply deployment {}", deployment.name_any())
            }
            Self::ApplyGatewayResource { kind, object } => {
                write!(f, "apply {kind} {}", object.name_any())
            }
            Self::Delete(object) => write!(f, "delete {object}"),
            Self::Release(object) => write!(f, "release {object}"),
            Self::RemoveFinalizer => f.write_str("remove finalizer"),
        }
    }
}
