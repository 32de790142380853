//! The steps of a plan, and how they read.

use std::fmt;

use cloudtasks::{Address, HttpTarget, QueuePath, QueueSettings, Scheme};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use crate::queue;

/// One write, to Cloud Tasks or to Kubernetes. Each may be repeated without harm.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Keep the chain until its deletion policy is carried out.
    AddFinalizer,
    /// Make a queue.
    CreateQueue {
        /// Which.
        queue: QueuePath,
        /// All that the spec sets.
        settings: Box<QueueSettings>,
    },
    /// Set what differs, and nothing else.
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
    /// Remove a stage's Deployment.
    DeleteDeployment {
        /// Its name.
        name: String,
    },
    /// Remove a stage's Service.
    DeleteService {
        /// Its name.
        name: String,
    },
    /// Take the chain's ownership off a Deployment, which then stays when the chain goes.
    ReleaseDeployment {
        /// Its name.
        name: String,
    },
    /// Take the chain's ownership off a Service.
    ReleaseService {
        /// Its name.
        name: String,
    },
    /// Let the chain go.
    RemoveFinalizer,
}

/// A step with the reason that it is there for.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// What to do.
    pub step: Step,
    /// Why.
    pub reason: &'static str,
}

/// Steps in the order in which they have to be done: the first that fails stops the rest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan(pub Vec<Planned>);

impl Plan {
    pub(crate) fn push(&mut self, step: Step, reason: &'static str) {
        self.0.push(Planned { step, reason });
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
            | Step::DeleteDeployment { .. }
            | Step::DeleteService { .. }
            | Step::ReleaseDeployment { .. }
            | Step::ReleaseService { .. }
            | Step::RemoveFinalizer => false,
        };
        let steps = self.0.iter().map(|planned| &planned.step);
        steps
            .filter(|step| concerns_a_queue(step))
            .map(ToString::to_string)
            .collect()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Planned { step, reason } in &self.0 {
            writeln!(f, "{step}: {reason}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddFinalizer => f.write_str("add finalizer"),
            Self::CreateQueue { queue, settings } => {
                write!(f, "create queue {} ({})", queue.id, Settings(settings))
            }
            Self::UpdateQueue { queue, settings } => {
                write!(f, "update queue {} ({})", queue.id, Settings(settings))
            }
            Self::PauseQueue { queue } => write!(f, "pause queue {}", queue.id),
            Self::ResumeQueue { queue } => write!(f, "resume queue {}", queue.id),
            Self::DeleteQueue { queue } => write!(f, "delete queue {}", queue.id),
            Self::ApplyService(service) => write!(f, "apply service {}", service.name_any()),
            Self::ApplyDeployment(deployment) => {
                write!(f, "apply deployment {}", deployment.name_any())
            }
            Self::DeleteDeployment { name } => write!(f, "delete deployment {name}"),
            Self::DeleteService { name } => write!(f, "delete service {name}"),
            Self::ReleaseDeployment { name } => write!(f, "release deployment {name}"),
            Self::ReleaseService { name } => write!(f, "release service {name}"),
            Self::RemoveFinalizer => f.write_str("remove finalizer"),
        }
    }
}

/// Settings as text: those that are set.
pub(crate) struct Settings<'a>(pub &'a QueueSettings);

impl fmt::Display for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QueueSettings {
            max_dispatches_per_second,
            max_concurrent_dispatches,
            max_attempts,
            max_retry_duration,
            min_backoff,
            max_backoff,
            max_doublings,
            http_target,
        } = self.0;
        let parts = [
            max_dispatches_per_second.map(|rate| format!("rate {rate}/s")),
            max_concurrent_dispatches.map(|dispatches| format!("concurrent {dispatches}")),
            max_attempts.map(|attempts| match attempts {
                -1 => "attempts without end".to_owned(),
                attempts => format!("attempts {attempts}"),
            }),
            max_retry_duration.map(|limit| match limit {
                None => "no retry limit".to_owned(),
                Some(limit) => format!("retry limit {limit:?}"),
            }),
            min_backoff.map(|time| format!("backoff from {time:?}")),
            max_backoff.map(|time| format!("backoff to {time:?}")),
            max_doublings.map(|doublings| format!("doublings {doublings}")),
            http_target.as_ref().map(target),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}

fn target(target: &HttpTarget) -> String {
    let HttpTarget {
        address,
        headers,
        rest: _,
    } = target;
    let address = address.as_ref().map_or_else(
        || "each task's own address".to_owned(),
        |Address { scheme, host, port }| {
            let scheme = match scheme {
                Scheme::Http => "http",
                Scheme::Https => "https",
            };
            format!("to {scheme}://{host}:{port}")
        },
    );
    headers.iter().fold(address, |text, (key, value)| {
        // Others may keep a secret there.
        let value = if queue::OUR_HEADERS.contains(&key.as_str()) {
            value
        } else {
            "…"
        };
        format!("{text}, {key} {value}")
    })
}
