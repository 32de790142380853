//! Condition types and reasons. They are constants, so that a test can hold each against the
//! documentation, and a user can look one up.

/// The chain serves: its queues are as the spec says and its workers are ready. Derived from the
/// others.
pub const READY: &str = "Ready";
/// Every queue is there with what the spec sets.
pub const QUEUES_READY: &str = "QueuesReady";
/// Every stage has its pods ready, with the newest values.
pub const WORKERS_READY: &str = "WorkersReady";
/// Somebody else changed a queue that was as the spec says.
pub const DRIFTED: &str = "Drifted";
/// A queue is paused, by the spec or by somebody else.
pub const PAUSED: &str = "Paused";
/// A queue may have more dispatches under way than its workers have places.
pub const UNDERSIZED: &str = "Undersized";
/// Cloud Tasks can reach the workers, as far as that can be seen from here.
pub const PUSHES_REACHABLE: &str = "PushesReachable";
/// A removed stage still has tasks or workers, or a deleted chain finishes its tasks.
pub const DRAINING: &str = "Draining";

/// Pushes come by an address that others can reach too, and need no token.
pub const PUSHES_UNAUTHENTICATED: &str = "PushesUnauthenticated";
/// Workers have refused pushes for their token.
pub const PUSHES_REFUSED: &str = "PushesRefused";

/// All is as the spec says.
pub const AS_SPECIFIED: &str = "AsSpecified";
/// Something is still being made or rolled out.
pub const PROGRESSING: &str = "Progressing";
/// Pods are not ready, or not all of them.
pub const PODS_NOT_READY: &str = "PodsNotReady";
/// A queue is missing.
pub const QUEUE_MISSING: &str = "QueueMissing";
/// Google has disabled a queue: it takes tasks and dispatches none.
pub const QUEUE_DISABLED: &str = "QueueDisabled";
/// A queue is paused because the spec says so.
pub const PAUSED_BY_SPEC: &str = "PausedBySpec";
/// A queue is paused by the operator, which resumes it when a worker of its stage is ready.
pub const PAUSED_BY_OPERATOR: &str = "PausedByOperator";
/// A queue is paused and the spec doesn't say so.
pub const PAUSED_OUTSIDE: &str = "PausedOutside";
/// Others have changed or deleted a queue.
pub const QUEUE_CHANGED: &str = "QueueChanged";
/// Every queue is as it was set.
pub const NO_DRIFT: &str = "NoDrift";
/// Nothing is paused.
pub const NOT_PAUSED: &str = "NotPaused";
/// No removed stage is left.
pub const NOTHING_DRAINS: &str = "NothingDrains";
/// A stage was removed from the spec, or renamed; what is left of it goes when nothing needs it.
pub const STAGE_REMOVED: &str = "StageRemoved";
/// The chain is deleted, and its policy is to finish its tasks first.
pub const CHAIN_FINISHES: &str = "ChainFinishes";
/// Every stage has a place for each dispatch that its queue may have under way.
pub const ENOUGH_PLACES: &str = "EnoughPlaces";
/// A stage has fewer.
pub const TOO_FEW_PLACES: &str = "TooFewPlaces";
/// The spec demands no token.
pub const NO_TOKEN_DEMANDED: &str = "NoTokenDemanded";
/// The spec demands one, and some workers don't yet.
pub const TOKEN_NOT_DEMANDED_YET: &str = "TokenNotDemandedYet";
/// Every worker demands a token.
pub const TOKENS_DEMANDED: &str = "TokensDemanded";
/// Pushes come to an address that only the cluster can reach.
pub const PUSHES_INTERNAL: &str = "PushesInternal";
/// Workers have refused pushes for their token lately.
pub const TOKENS_REFUSED: &str = "TokensRefused";
/// They have refused none.
pub const NONE_REFUSED: &str = "NoneRefused";
/// No ready worker of a stage could be asked.
pub const WORKERS_NOT_ASKED: &str = "WorkersNotAsked";
/// Pushes go to the stages' Services inside the cluster.
pub const CLUSTER_ADDRESS: &str = "ClusterAddress";
/// Pushes go to a host that is in no public network.
pub const PRIVATE_ADDRESS: &str = "PrivateAddress";
/// Pushes go to the user's own ingress, which isn't looked at.
pub const OWN_INGRESS: &str = "OwnIngress";
/// The Gateway has accepted the route of each stage.
pub const ROUTES_ACCEPTED: &str = "RoutesAccepted";
/// A stage's route isn't there yet, or no Gateway has said anything of it.
pub const ROUTE_PENDING: &str = "RoutePending";
/// The Gateway refuses a stage's route.
pub const ROUTE_NOT_ACCEPTED: &str = "RouteNotAccepted";
/// The cluster has no Gateway API.
pub const GATEWAY_API_MISSING: &str = "GatewayApiMissing";
/// The spec can't be served although its schema is right.
pub const INVALID_SPEC: &str = "InvalidSpec";
/// The project or the location isn't there.
pub const PROJECT_NOT_FOUND: &str = "ProjectNotFound";
/// The operator's credentials don't allow it.
pub const PERMISSION_DENIED: &str = "PermissionDenied";
/// A quota of Cloud Tasks is used up.
pub const QUOTA_EXCEEDED: &str = "QuotaExceeded";
/// A queue was deleted recently, so that its name is blocked.
pub const QUEUE_NAME_BLOCKED: &str = "QueueNameBlocked";
/// Cloud Tasks refuses a setting.
pub const QUEUE_REFUSED: &str = "QueueRefused";
/// Another chain manages the queue.
pub const QUEUE_OWNED_BY_ANOTHER: &str = "QueueOwnedByAnother";
/// A Deployment or Service of that name exists and isn't this chain's.
pub const NAME_TAKEN: &str = "NameTaken";
/// Cloud Tasks can't be reached.
pub const CLOUD_TASKS_AWAY: &str = "CloudTasksAway";
/// The API server refused or failed a write.
pub const KUBERNETES_ERROR: &str = "KubernetesError";

/// Every reason that a condition can have.
pub const REASONS: &[&str] = &[
    AS_SPECIFIED,
    PROGRESSING,
    PODS_NOT_READY,
    QUEUE_MISSING,
    QUEUE_DISABLED,
    PAUSED_BY_SPEC,
    PAUSED_BY_OPERATOR,
    PAUSED_OUTSIDE,
    QUEUE_CHANGED,
    NO_DRIFT,
    NOT_PAUSED,
    NOTHING_DRAINS,
    STAGE_REMOVED,
    CHAIN_FINISHES,
    ENOUGH_PLACES,
    TOO_FEW_PLACES,
    NO_TOKEN_DEMANDED,
    TOKEN_NOT_DEMANDED_YET,
    TOKENS_DEMANDED,
    PUSHES_INTERNAL,
    TOKENS_REFUSED,
    NONE_REFUSED,
    WORKERS_NOT_ASKED,
    CLUSTER_ADDRESS,
    PRIVATE_ADDRESS,
    OWN_INGRESS,
    ROUTES_ACCEPTED,
    ROUTE_PENDING,
    ROUTE_NOT_ACCEPTED,
    GATEWAY_API_MISSING,
    INVALID_SPEC,
    PROJECT_NOT_FOUND,
    PERMISSION_DENIED,
    QUOTA_EXCEEDED,
    QUEUE_NAME_BLOCKED,
    QUEUE_REFUSED,
    QUEUE_OWNED_BY_ANOTHER,
    NAME_TAKEN,
    CLOUD_TASKS_AWAY,
    KUBERNETES_ERROR,
];
