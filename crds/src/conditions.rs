//! Condition types and reasons: enums, so that the compiler names every place that a new one needs.

/// An enum whose variants have the API's names.
macro_rules! words {
    (
        $(#[$about:meta])*
        pub enum $name:ident {
            $($(#[doc = $doc:literal])+ $word:ident,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $doc])+ $word,)+
        }

        impl $name {
            /// All values.
            pub const ALL: &'static [Self] = &[$(Self::$word),+];

            /// The name in the API.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word),)+
                }
            }

            /// What it means.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$word => concat!($($doc),+),)+
                }
            }

            /// The variant with this name in the API.
            pub fn named(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;

words! {
    /// The type of a condition.
    pub enum ConditionType {
        /// no error blocks the chain, and PushesReachable, QueuesReady, and WorkersReady are not
        /// False.
        Ready,
        /// every queue exists and has the settings of the spec.
        QueuesReady,
        /// all pods of every stage are ready and up to date.
        WorkersReady,
        /// Cloud Tasks can reach the workers, as far as the operator can observe.
        PushesReachable,
        /// a queue was changed or deleted outside the operator.
        Drifted,
        /// a stage's queue or the notifier's queue is paused, by anyone.
        Paused,
        /// a ChainOverride replaces a setting of a stage for a limited time.
        Overridden,
        /// a removed stage has tasks or workers left, or a deleted chain finishes its tasks.
        Draining,
        /// a queue may have more dispatches in flight than its workers can run. Or a stage may
        /// isolate tasks faster than the target queue dispatches them.
        Undersized,
        /// pushes arrive at a public address, and a worker accepts them without a token.
        PushesUnauthenticated,
        /// workers have refused pushes because of their token in the last 10 minutes.
        PushesRefused,
        /// a stage isolates categories of tasks because they fail. Only chains with
        /// isolate[].failures have this condition.
        Isolating,
        /// pods of a stage hold because their handler fails for nearly all tasks. Only chains with
        /// holdOnOutage have this condition.
        Held,
        /// tasks that ended as Failed are parked, or a former parking queue still exists. Only
        /// chains that have or had a parking queue have this condition.
        Parked,
    }
}

words! {
    /// The reason of a condition.
    pub enum Reason {
        /// Everything is as the spec says.
        AsSpecified,
        /// A change is being made or rolled out.
        Progressing,
        /// Some pods are not ready.
        PodsNotReady,
        /// Kubernetes refuses to create pods because of a quota, a policy, or a webhook.
        PodsRefused,
        /// A queue doesn't exist.
        QueueMissing,
        /// Google has disabled a queue. The queue accepts tasks and dispatches none.
        QueueDisabled,
        /// A queue is paused because the spec says so.
        PausedBySpec,
        /// A queue is paused because a ChainOverride says so.
        PausedByOverride,
        /// The operator paused a queue, and resumes it when a worker of its stage is ready.
        PausedByOperator,
        /// A queue was paused outside the operator.
        PausedOutside,
        /// A queue was changed or deleted outside the operator.
        QueueChanged,
        /// No queue was changed outside the operator.
        NoDrift,
        /// No queue is paused.
        NotPaused,
        /// A ChainOverride replaces settings of a stage.
        OverrideInForce,
        /// No ChainOverride replaces a setting.
        NotOverridden,
        /// Of removed stages, only empty and paused queues remain.
        NothingDrains,
        /// A stage was removed from the spec or renamed, and still has tasks or workers.
        StageRemoved,
        /// The chain is being deleted, and finishes its tasks first.
        ChainFinishes,
        /// The workers of every stage can run as many tasks as its queue has dispatches in flight.
        EnoughPlaces,
        /// The queue of a stage can have more dispatches in flight than its workers can run.
        TooFewPlaces,
        /// A stage may isolate tasks faster than the queue that they go to dispatches.
        IsolationTargetTooSlow,
        /// The spec requires no token.
        NoTokenDemanded,
        /// The spec requires a token, but some workers don't require it yet.
        TokenNotDemandedYet,
        /// Every worker requires a token.
        TokensDemanded,
        /// Pushes come to an address inside the cluster.
        PushesInternal,
        /// Workers refused pushes because of their token in the last minutes.
        TokensRefused,
        /// No worker has refused a push because of its token.
        NoneRefused,
        /// No ready worker of a stage answered the operator.
        WorkersNotAsked,
        /// Some categories of tasks fail, and the other tasks don't.
        CategoriesFail,
        /// No category of tasks is isolated because it fails.
        NotIsolating,
        /// Nearly all runs of a stage's handler fail.
        HandlerFails,
        /// No worker holds.
        NotHeld,
        /// The parking queue keeps tasks that ended without a success.
        TasksParked,
        /// No task is parked.
        NothingParked,
        /// A former parking queue still exists, which the spec no longer names.
        ParkingRemoved,
        /// Cloud Tasks did not say how many tasks are parked.
        ParkedUnknown,
        /// Queues push to the stages' Services inside the cluster.
        ClusterAddress,
        /// Queues push to a host of a private network.
        PrivateAddress,
        /// Queues push to the user's own ingress, which the operator doesn't check.
        OwnIngress,
        /// The Gateway has accepted the route of each stage.
        RoutesAccepted,
        /// A route doesn't exist yet, or its Gateway has reported nothing about it.
        RoutePending,
        /// The Gateway refuses a route, or fails to serve it.
        RouteNotAccepted,
        /// The cluster has no Gateway API.
        GatewayApiMissing,
        /// The API server accepted the spec, but the operator can't serve it.
        InvalidSpec,
        /// The operator's tenants don't allow what the spec names.
        NotAllowed,
        /// The project or the location doesn't exist.
        ProjectNotFound,
        /// The operator's credentials don't allow a call.
        PermissionDenied,
        /// A quota of Cloud Tasks is exhausted.
        QuotaExceeded,
        /// A queue was deleted recently, so its name is blocked.
        QueueNameBlocked,
        /// Cloud Tasks refuses a setting.
        QueueRefused,
        /// Another chain manages the queue.
        QueueOwnedByAnother,
        /// An object with a name that this chain needs exists, and doesn't belong to this chain.
        NameTaken,
        /// Cloud Tasks can't be reached.
        CloudTasksAway,
        /// The API server refused a call or failed.
        KubernetesError,
    }
}

/// What `kubectl explain` prints for the conditions.
pub(crate) fn description() -> String {
    let types = ConditionType::ALL.iter();
    let types: Vec<String> = types
        .map(|it| format!("{it}: {}", it.meaning().trim()))
        .collect();
    format!(
        "conditions is the state of the chain. Each condition is True in this case. {}",
        types.join(" ")
    )
}
