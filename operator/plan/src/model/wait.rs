//! What a plan holds back until something else has happened.

use std::fmt;
use std::time::Duration;

use cloudtasks::{QueueId, QueueSettings};

use super::backlog::Backlog;
use super::settings_text::SettingsText;

/// What is held back, and when to read again.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    /// What is held back, and what for.
    pub reason: WaitReason,
    /// When to read again, where no event reports that it has happened.
    pub recheck_in: Option<Duration>,
}

impl Wait {
    /// How soon to read pods again: no event reports their ends.
    pub(crate) const RECHECK: Duration = Duration::from_secs(2);
    /// How soon to count a queue's tasks again.
    pub(crate) const DRAIN_RECHECK: Duration = Duration::from_secs(10);

    /// One that is checked again soon.
    pub(crate) fn soon(reason: WaitReason) -> Self {
        Self {
            reason,
            recheck_in: Some(Self::RECHECK),
        }
    }
}

/// What is held back, and what for. Stages, Deployments and routes are given by name.
#[derive(Debug, Clone, PartialEq)]
pub enum WaitReason {
    /// A queue's new address, to this stage.
    Address(QueueId, String, AddressObstacle),
    /// A queue's new token, or its end (`false`), until the workers of this stage accept that.
    Token(QueueId, String, bool),
    /// A queue's higher limits, until this stage has so many ready workers, or after so long.
    Raise(QueueId, Box<QueueSettings>, String, i32, Duration),
    /// The resume of a queue that the operator paused, until its stage takes pushes.
    Resume(QueueId, String, ResumeObstacle),
    /// What the workers of this stage require, until their queue has sent it for so long. `true`: they
    /// require a token already.
    RequiredToken(String, QueueId, bool, Duration),
    /// The hand-overs of this stage's workers.
    HandOvers(String, HandOverObstacle),
    /// The end of a renamed stage's Deployment, until its queue has pushed to others for so long.
    FormerWorkers(String, QueueId, Duration),
    /// The end of a removed stage: others may hand tasks over to its queue.
    Fed(QueueId),
    /// The end of a removed stage: its queue has tasks, so many if they could be counted.
    Drains(QueueId, Option<Backlog>),
    /// The end of a removed stage: its queue was empty before it was paused.
    LastCount(QueueId),
    /// The load balancer's lower timeouts for this stage.
    LoadBalancer(String),
    /// The end of this route, until all queues have pushed elsewhere for so long.
    Route(String, Duration),
}

/// What a wait holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// What the spec says of a queue.
    Queue,
    /// What it says of a stage's workers.
    Workers,
    /// The end of what the spec no longer names.
    Removal,
}

/// Why a queue can't push to its stage yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressObstacle {
    /// The stage's workers are not ready.
    WorkersNotReady,
    /// Its tasks could come back.
    TasksCouldReturn,
    /// Its workers would refuse the token.
    TokenNotAccepted,
    /// Its route isn't accepted.
    RouteNotAccepted,
}

/// Why a queue can't be resumed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeObstacle {
    /// No worker of the stage is ready.
    NoReadyWorker,
    /// The stage's route isn't accepted.
    RouteNotAccepted,
}

/// Why workers can't hand over as the spec says yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandOverObstacle {
    /// No worker of this stage is ready.
    StageNotReady(String),
    /// Their tasks could come back.
    TasksCouldReturn,
}

impl WaitReason {
    /// What is held back.
    pub fn concern(&self) -> Concern {
        match self {
            Self::Address(..) | Self::Token(..) | Self::Raise(..) | Self::Resume(..) => {
                Concern::Queue
            }
            Self::RequiredToken(..) | Self::HandOvers(..) => Concern::Workers,
            Self::FormerWorkers(..)
            | Self::Fed(_)
            | Self::Drains(..)
            | Self::LastCount(_)
            | Self::LoadBalancer(_)
            | Self::Route(..) => Concern::Removal,
        }
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(queue, stage, obstacle) => {
                write!(f, "queue {queue} pushes to stage {stage} once {obstacle}")
            }
            Self::Token(queue, stage, is_sent) => {
                let what = if *is_sent {
                    "sends the spec's token"
                } else {
                    "stops sending a token"
                };
                write!(
                    f,
                    "queue {queue} {what} once every worker of stage {stage} accepts that"
                )
            }
            Self::Raise(queue, limits, stage, replicas, patience) => write!(
                f,
                "queue {queue} gets {} once stage {stage} has {replicas} ready workers, after {} s at the latest",
                SettingsText(limits),
                patience.as_secs()
            ),
            Self::Resume(queue, stage, ResumeObstacle::NoReadyWorker) => write!(
                f,
                "queue {queue} is resumed once a worker of stage {stage} is ready"
            ),
            Self::Resume(queue, stage, ResumeObstacle::RouteNotAccepted) => write!(
                f,
                "queue {queue} is resumed once the route of stage {stage} is accepted"
            ),
            Self::RequiredToken(stage, queue, is_required, delay) => {
                let what = if *is_required {
                    "accept only the spec's token"
                } else {
                    "require a token"
                };
                write!(
                    f,
                    "workers of stage {stage} {what} once queue {queue} has sent it for {} s",
                    delay.as_secs()
                )
            }
            Self::HandOvers(stage, obstacle) => write!(
                f,
                "stage {stage} hands tasks over as the spec says once {obstacle}"
            ),
            Self::FormerWorkers(deployment, queue, delay) => write!(
                f,
                "the former workers {deployment} of queue {queue} are deleted {} s after it starts to push to the new ones",
                delay.as_secs()
            ),
            Self::Fed(queue) => write!(f, "other workers may still hand tasks over to {queue}"),
            Self::Drains(queue, Some(backlog)) => write!(f, "{queue} drains: {backlog} left"),
            Self::Drains(queue, None) => {
                write!(f, "{queue} drains: its tasks could not be counted")
            }
            Self::LastCount(queue) => write!(
                f,
                "{queue} is counted once more before its workers are deleted"
            ),
            Self::LoadBalancer(stage) => write!(
                f,
                "the load balancer's timeouts for stage {stage} are lowered once its former pods have ended"
            ),
            Self::Route(route, delay) => write!(
                f,
                "route {route} is deleted {} s after the last queue starts to push elsewhere",
                delay.as_secs()
            ),
        }
    }
}

impl fmt::Display for AddressObstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WorkersNotReady => "its workers are ready",
            Self::TasksCouldReturn => NO_FORMER_WORKER,
            Self::TokenNotAccepted => "its workers accept the queue's token",
            Self::RouteNotAccepted => "its Gateway has accepted its route",
        })
    }
}

impl fmt::Display for HandOverObstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StageNotReady(stage) => write!(f, "a worker of stage {stage} is ready"),
            Self::TasksCouldReturn => f.write_str(NO_FORMER_WORKER),
        }
    }
}

const NO_FORMER_WORKER: &str = "no former worker is left that could hand its tasks back";
