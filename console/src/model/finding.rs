//! What is wrong with a chain.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One cause of trouble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The cause.
    pub cause: Cause,
    /// The stage. `None` if it is the whole chain, or its notifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Since when it has been found, without a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// One sentence, with its numbers.
    pub message: String,
    /// What to do: one command, or one that shows more.
    pub command: String,
}

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// A cause of trouble.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Cause {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Cause {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As JSON has it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }

            /// What it means.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+),)+
                }
            }
        }
    };
}

causes! {
    /// An edit of the spec is not in force.
    EditWaits,
    /// A queue doesn't exist.
    QueueMissing,
    /// Google has disabled a queue.
    QueueDisabled,
    /// The spec pauses a queue.
    PausedBySpec,
    /// An override pauses a queue.
    PausedByOverride,
    /// The operator has paused a queue, until a worker is ready.
    PausedByOperator,
    /// A queue was paused outside the operator.
    PausedOutside,
    /// No pod of a stage is ready.
    NoReadyPod,
    /// Tasks are due and dispatched, and no push arrives at the workers.
    PushesNotArriving,
    /// Workers refuse pushes for their token.
    PushesRefused,
    /// Nearly all runs of the handler fail, so the workers hold: tasks wait, and lose no attempt.
    Held,
    /// The handler accepts no connection.
    HandlerUnreachable,
    /// Workers can't look tasks up in Cloud Tasks, and don't run them (500).
    LookUpFails,
    /// Hand-overs fail: the next task can't be created (596, or 500 after a route, a verdict, or isolation).
    HandOverFails,
    /// Notifications fail: they can't be created (597).
    NotificationFails,
    /// Some categories of tasks fail or hang where others don't, and leave the stage.
    Isolating,
    /// The handler runs into its time-out.
    HandlerTimesOut,
    /// Every run of the handler fails.
    HandlerFails,
    /// Runs fail with one reason or one status.
    OneFailure,
    /// The handler is slower than in the hour before.
    HandlerSlow,
    /// Cloud Tasks allows fewer dispatches than the queue's limit.
    Throttled,
    /// Workers have no free slot for a run (503).
    NoRunSlots,
    /// A stage dispatches at its own rate, and has more due.
    AtRate,
    /// A stage dispatches at its own concurrency, and has more due.
    AtConcurrency,
    /// Retries use most of the rate.
    RetriesUseRate,
    /// Producers create many more tasks than in the hour before.
    ProducerSurge,
    /// Hand-overs fill the next stage.
    NextStageFills,
    /// Notifications wait in the notifier's queue.
    NotifierBacklog,
    /// Tasks expire within a day.
    TasksExpire,
    /// Tasks that ended without a success are not parked.
    NotParked,
    /// A queue was changed outside the operator.
    Drifted,
    /// Parked tasks expire within three days.
    ParkedExpire,
    /// Tasks that ended without a success are parked, and wait for you.
    Parked,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
