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
    /// The operator has paused a queue until a worker is ready and can be reached.
    PausedByOperator,
    /// A queue was paused outside the operator.
    PausedOutside,
    /// No pod of a stage is ready.
    NoReadyPod,
    /// Cloud Tasks dispatches tasks, but no push arrives at the workers.
    PushesNotArriving,
    /// Workers refuse pushes because of their token.
    PushesRefused,
    /// Workers run only probes (they hold), because nearly all runs of the handler fail. Tasks wait, and no attempt is counted.
    Held,
    /// The handler accepts no connection.
    HandlerUnreachable,
    /// Workers can't look up tasks in Cloud Tasks. They answer 500 without a run.
    LookUpFails,
    /// Hand-overs fail, because workers can't create the next task.
    HandOverFails,
    /// Workers can't create notifications.
    NotificationFails,
    /// A stage isolates categories of tasks that fail or use too many run slots.
    Isolating,
    /// The handler runs into its time-out.
    HandlerTimesOut,
    /// Every run of the handler fails.
    HandlerFails,
    /// Many runs fail, usually with one reason or one status.
    OneFailure,
    /// The handler is slower than in the hour before.
    HandlerSlow,
    /// Cloud Tasks allows fewer dispatches than the queue's limit.
    Throttled,
    /// Workers have no free run slot. They answer 503.
    NoRunSlots,
    /// A queue dispatches at its rate limit, and more tasks are due.
    AtRate,
    /// A queue has reached its limit of concurrent dispatches, and more tasks are due.
    AtConcurrency,
    /// Retries use most of the rate.
    RetriesUseRate,
    /// Producers create many more tasks than in the hour before.
    ProducerSurge,
    /// A stage gets hand-overs faster than it takes them.
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
    /// Tasks that ended without a success are parked.
    Parked,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
