//! The steps of a plan, and how they read.

use std::fmt;
use std::time::Duration;

use cloudtasks::{Address, HttpTarget, OidcToken, QueuePath, QueueSettings, Scheme};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::core::DynamicObject;

use crate::attached::{Kind, Name};
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
    /// Make or change what is attached to a stage's Service.
    Attach {
        /// Of which kind it is.
        kind: Kind,
        /// All of it.
        object: Box<DynamicObject>,
    },
    /// Remove what was attached to a Service.
    Detach(Name),
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
    /// Take the chain's ownership off what is attached to a Service.
    ReleaseAttached(Name),
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

/// What is held back until something else has come about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// What is held back.
    pub concerns: Concern,
    /// What is held back, and what for.
    pub sentence: String,
    /// When to look again, where nothing tells that it has come about.
    pub look_in: Option<Duration>,
}

/// What a wait holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// What the spec says of a queue.
    Queue,
    /// What it says of a stage's workers.
    Workers,
    /// The end of what the spec names no more.
    Removal,
}

impl Wait {
    /// How soon to look again at pods: their ends are not told, and what is told of the rest may be
    /// newer than what is read then.
    pub(crate) const LOOK: Duration = Duration::from_secs(2);
    /// How soon to count a queue's tasks again.
    pub(crate) const DRAIN_LOOK: Duration = Duration::from_secs(10);

    /// One that is looked at again soon.
    pub(crate) fn again(concerns: Concern, sentence: String) -> Self {
        Self {
            concerns,
            sentence,
            look_in: Some(Self::LOOK),
        }
    }
}

/// Steps in the order in which they have to be done: the first that fails stops the rest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// What is to be done now.
    pub steps: Vec<Planned>,
    /// What is held back.
    pub waits: Vec<Wait>,
    /// When something may be to do that nobody has edited.
    next: Option<Duration>,
}

impl Plan {
    pub(crate) fn push(&mut self, step: Step, reason: &'static str) {
        self.steps.push(Planned { step, reason });
    }

    pub(crate) fn wait(&mut self, wait: Wait) {
        self.waits.push(wait);
    }

    /// Something may be to do after so long, if nothing changes until then.
    pub(crate) fn look_after(&mut self, time: Duration) {
        self.next = Some(self.next.map_or(time, |next| next.min(time)));
    }

    /// When to look again, if nothing is heard until then; `None`: there is nothing to wait for.
    pub fn look_in(&self) -> Option<Duration> {
        let waits = self.waits.iter().filter_map(|wait| wait.look_in);
        waits.chain(self.next).min()
    }

    /// What is held back of a kind.
    pub(crate) fn waits_for(&self, concerns: Concern) -> Vec<String> {
        let waits = self.waits.iter().filter(|wait| wait.concerns == concerns);
        waits.map(|wait| wait.sentence.clone()).collect()
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
            | Step::Attach { .. }
            | Step::Detach(_)
            | Step::ReleaseAttached(_)
            | Step::DeleteDeployment { .. }
            | Step::DeleteService { .. }
            | Step::ReleaseDeployment { .. }
            | Step::ReleaseService { .. }
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
            writeln!(f, "wait: {}", wait.sentence)?;
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
            Self::Attach { kind, object } => write!(f, "apply {kind} {}", object.name_any()),
            Self::Detach(name) => write!(f, "delete {name}"),
            Self::ReleaseAttached(name) => write!(f, "release {name}"),
            Self::DeleteDeployment { name } => write!(f, "delete deployment {name}"),
            Self::DeleteService { name } => write!(f, "delete service {name}"),
            Self::ReleaseDeployment { name } => write!(f, "release deployment {name}"),
            Self::ReleaseService { name } => write!(f, "release service {name}"),
            Self::RemoveFinalizer => f.write_str("remove finalizer"),
        }
    }
}

pub(crate) fn settings_text(settings: &QueueSettings) -> String {
    Settings(settings).to_string()
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
        token,
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
    let text = token.as_ref().map_or_else(
        || address.clone(),
        |OidcToken {
             service_account_email,
             audience,
         }| format!("{address}, with a token of {service_account_email} for {audience}"),
    );
    headers.iter().fold(text, |text, (key, value)| {
        // Others may keep a secret there.
        let value = if queue::OUR_HEADERS.contains(&key.as_str()) {
            value
        } else {
            "…"
        };
        format!("{text}, {key} {value}")
    })
}
