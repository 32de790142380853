//! What a plan holds back until something else has happened: an obstacle says what that is.

use std::time::Duration;

use cloudtasks::{QueueId, QueueSettings};

use super::backlog::Backlog;
use super::queue_settings_text::SettingsText;

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
        Self::until(reason, Self::RECHECK)
    }

    /// One that is checked again after this time.
    pub(crate) fn until(reason: WaitReason, time: Duration) -> Self {
        let recheck_in = Some(time);
        Self { reason, recheck_in }
    }
}

/// What is held back, and what for. Stages, Deployments and routes are given by name.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WaitReason {
    /// A queue's new address, to this stage.
    #[error("queue {0} pushes to stage {1} once {2}")]
    Address(QueueId, String, AddressObstacle),
    /// A queue's new token, or its end (`false`), until the workers of this stage accept that.
    #[error(
        "queue {0} {what} once {which} worker of stage {1} {does}",
        what = if *.2 { "sends the spec's token" } else { "stops sending a token" },
        which = if *.2 { "every" } else { "no" },
        does = if *.2 { "accepts it" } else { "requires one" }
    )]
    Token(QueueId, String, bool),
    /// A queue's higher limits, until this stage has so many ready workers, or after so long.
    #[error(
        "queue {0} gets {limits} once stage {2} has {3} ready workers, after {time} s at the latest",
        limits = SettingsText(.1), time = .4.as_secs()
    )]
    Raise(QueueId, Box<QueueSettings>, String, i32, Duration),
    /// The resume of a queue that the operator paused, until its stage takes pushes.
    #[error("queue {0} is resumed once {obstacle}", obstacle = .2.text(.1))]
    Resume(QueueId, String, ResumeObstacle),
    /// What the workers of this stage require, until their queue has sent it for so long. `true`: they
    /// require a token already.
    #[error(
        "workers of stage {0} {what} once queue {1} has sent it for {time} s",
        what = if *.2 { "accept only the spec's token" } else { "require a token" },
        time = .3.as_secs()
    )]
    RequiredToken(String, QueueId, bool, Duration),
    /// The hand-overs of this stage's workers.
    #[error("stage {0} hands tasks over as the spec says once {1}")]
    HandOvers(String, HandOverObstacle),
    /// The end of a renamed stage's Deployment, until its queue has pushed to others for so long.
    #[error("the former workers {0} are deleted {time} s after queue {1} starts to push to the new workers", time = .2.as_secs())]
    FormerWorkers(String, QueueId, Duration),
    /// The end of a removed stage: others may hand tasks over to its queue.
    #[error("queue {0} drains once no other worker can hand tasks over to it")]
    Fed(QueueId),
    /// The end of a removed stage: its queue has tasks, so many if they could be counted.
    #[error("{0} drains: {left}", left = left(*.1))]
    Drains(QueueId, Option<Backlog>),
    /// The end of a removed stage: its queue isn't listed, and may exist.
    #[error(
        "Cloud Tasks doesn't list queue {0}: its workers stay until Cloud Tasks confirms that the queue doesn't exist"
    )]
    Unlisted(QueueId),
    /// The end of a removed stage: its queue may be anybody's.
    #[error(
        "queue {0} has no header executor-owner: its workers stay until you set the header to this chain, or delete the workers"
    )]
    Unmarked(QueueId),
    /// The end of a removed stage: its queue was empty before it was paused.
    #[error("the tasks of queue {0} are counted once more before its workers are deleted")]
    LastCount(QueueId),
    /// The load balancer's lower timeouts for this stage.
    #[error(
        "the load balancer's timeouts for stage {0} are lowered once its former pods have ended"
    )]
    LoadBalancer(String),
    /// The end of this route, until all queues have pushed elsewhere for so long.
    #[error("route {0} is deleted {time} s after the last queue starts to push elsewhere", time = .1.as_secs())]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressObstacle {
    /// The stage's workers are not ready.
    #[error("its workers are ready")]
    WorkersNotReady,
    /// Its tasks could come back.
    #[error("{NO_FORMER_WORKER}")]
    TasksCouldReturn,
    /// Its workers would refuse the token.
    #[error("its workers accept the queue's token")]
    TokenNotAccepted,
    /// Its route isn't accepted.
    #[error("its Gateway has accepted its route")]
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandOverObstacle {
    /// No worker of this stage is ready.
    #[error("a worker of stage {0} is ready")]
    StageNotReady(String),
    /// Their tasks could come back.
    #[error("{NO_FORMER_WORKER}")]
    TasksCouldReturn,
}

impl ResumeObstacle {
    fn text(self, stage: &str) -> String {
        match self {
            Self::NoReadyWorker => format!("a worker of stage {stage} is ready"),
            Self::RouteNotAccepted => format!("the route of stage {stage} is accepted"),
        }
    }
}

fn left(backlog: Option<Backlog>) -> String {
    backlog.map_or_else(
        || "its tasks could not be counted".to_owned(),
        |backlog| format!("{backlog} left"),
    )
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
            | Self::Unlisted(_)
            | Self::Unmarked(_)
            | Self::LastCount(_)
            | Self::LoadBalancer(_)
            | Self::Route(..) => Concern::Removal,
        }
    }
}

const NO_FORMER_WORKER: &str = "no former worker can hand tasks back to it";
