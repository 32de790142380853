//! The names of the worker's environment variables, and their default values. `docs/worker.md`
//! describes them.

use std::time::Duration;

/// The chain, as `namespace/name`.
pub const CHAIN: &str = "CHAIN";
/// The stage's name.
pub const STAGE: &str = "STAGE";
/// The queue that feeds the stage.
pub const QUEUE: &str = "QUEUE";
/// The stage's attempts.
pub const MAX_ATTEMPTS: &str = "MAX_ATTEMPTS";
/// The handler's URL.
pub const HANDLER_URL: &str = "HANDLER_URL";
/// How long one run may take.
pub const HANDLER_TIMEOUT: &str = "HANDLER_TIMEOUT";
/// Whether the handler gets Cloud Tasks' headers.
pub const HANDLER_CLOUD_TASKS_HEADERS: &str = "HANDLER_CLOUD_TASKS_HEADERS";
/// Whether the handler gets the verified token of a push.
pub const HANDLER_TOKEN: &str = "HANDLER_TOKEN";
/// The Host header for the handler.
pub const HANDLER_HOST: &str = "HANDLER_HOST";
/// Headers for the handler with fixed values, as JSON.
pub const HANDLER_HEADERS: &str = "HANDLER_HEADERS";
/// Headers that stay with the task although proxies add headers of that name.
pub const KEEP_HEADERS: &str = "KEEP_HEADERS";
/// The runs at once.
pub const CONCURRENCY: &str = "CONCURRENCY";
/// The next stage's queue.
pub const DOWNSTREAM_QUEUE: &str = "DOWNSTREAM_QUEUE";
/// All queues on which the next task may already exist.
pub const LOOKUP_QUEUES: &str = "LOOKUP_QUEUES";
/// The stage's routes, as JSON.
pub const ROUTES: &str = "ROUTES";
/// The dispatch deadline of each queue that tasks are handed over to.
pub const DISPATCH_DEADLINES: &str = "DISPATCH_DEADLINES";
/// The stage's isolation rules, as JSON.
pub const ISOLATE: &str = "ISOLATE";
/// Whether the admin page tells values of isolated categories. The user sets it.
pub const TELL_CATEGORIES: &str = "TELL_CATEGORIES";
/// How long the worker holds at most whose handler fails for nearly all tasks.
pub const HOLD_ON_OUTAGE: &str = "HOLD_ON_OUTAGE";
/// Whether the handler says when a task comes again.
pub const RETRY_AFTER: &str = "RETRY_AFTER";
/// How long tasks wait in each queue that they are handed over to.
pub const DELAYS: &str = "DELAYS";
/// How long a task may stay without an answer to its pushes.
pub const GIVE_UP_AFTER: &str = "GIVE_UP_AFTER";
/// The outcomes to notify of.
pub const NOTIFY_ON: &str = "NOTIFY_ON";
/// The queue that carries the notifications.
pub const NOTIFIER_QUEUE: &str = "NOTIFIER_QUEUE";
/// The URL that notifications are sent to.
pub const NOTIFIER_URL: &str = "NOTIFIER_URL";
/// The service account of the token that notifications carry.
pub const NOTIFIER_OIDC_SERVICE_ACCOUNT_EMAIL: &str = "NOTIFIER_OIDC_SERVICE_ACCOUNT_EMAIL";
/// The audience of that token.
pub const NOTIFIER_OIDC_AUDIENCE: &str = "NOTIFIER_OIDC_AUDIENCE";
/// Queues that carried the chain's notifications before.
pub const RETIRED_NOTIFIER_QUEUES: &str = "RETIRED_NOTIFIER_QUEUES";
/// The paused queue that keeps tasks which ended without a success.
pub const PARKING_QUEUE: &str = "PARKING_QUEUE";
/// The causes whose tasks are kept there.
pub const PARKING_KEEP: &str = "PARKING_KEEP";
/// Queues that kept the chain's tasks before.
pub const RETIRED_PARKING_QUEUES: &str = "RETIRED_PARKING_QUEUES";
/// The audiences that a push's token may have.
pub const OIDC_AUDIENCES: &str = "OIDC_AUDIENCES";
/// The service accounts that a push's token may be of.
pub const OIDC_SERVICE_ACCOUNT_EMAILS: &str = "OIDC_SERVICE_ACCOUNT_EMAILS";
/// The issuers that may have signed a push's token.
pub const OIDC_ISSUERS: &str = "OIDC_ISSUERS";
/// The URL of the issuer's keys.
pub const OIDC_JWKS_URL: &str = "OIDC_JWKS_URL";
/// What the mover of a redrive is told to do, as JSON. It is the mover's alone, not a worker's.
pub const REDRIVE: &str = "REDRIVE";
/// How long pushes are accepted after SIGTERM.
pub const DRAIN_DELAY: &str = "DRAIN_DELAY";
/// The address for pushes.
pub const LISTEN_ADDR: &str = "LISTEN_ADDR";
/// The address for health and metrics.
pub const ADMIN_ADDR: &str = "ADMIN_ADDR";
/// The emulator's `host:port`.
pub const CLOUD_TASKS_EMULATOR_HOST: &str = "CLOUD_TASKS_EMULATOR_HOST";

/// The variables that only the operator sets in a pod: the two addresses because probes and Services rely
/// on their defaults.
pub const OPERATOR_OWNED: [&str; 36] = [
    ADMIN_ADDR,
    CHAIN,
    CLOUD_TASKS_EMULATOR_HOST,
    CONCURRENCY,
    DELAYS,
    DISPATCH_DEADLINES,
    DOWNSTREAM_QUEUE,
    DRAIN_DELAY,
    GIVE_UP_AFTER,
    HANDLER_CLOUD_TASKS_HEADERS,
    HANDLER_HEADERS,
    HANDLER_HOST,
    HANDLER_TIMEOUT,
    HANDLER_TOKEN,
    HANDLER_URL,
    HOLD_ON_OUTAGE,
    ISOLATE,
    KEEP_HEADERS,
    LISTEN_ADDR,
    LOOKUP_QUEUES,
    MAX_ATTEMPTS,
    NOTIFIER_OIDC_AUDIENCE,
    NOTIFIER_OIDC_SERVICE_ACCOUNT_EMAIL,
    NOTIFIER_QUEUE,
    NOTIFIER_URL,
    NOTIFY_ON,
    OIDC_AUDIENCES,
    OIDC_SERVICE_ACCOUNT_EMAILS,
    PARKING_KEEP,
    PARKING_QUEUE,
    QUEUE,
    RETIRED_NOTIFIER_QUEUES,
    RETIRED_PARKING_QUEUES,
    RETRY_AFTER,
    ROUTES,
    STAGE,
];

/// [`HANDLER_TIMEOUT`] if it is not set.
pub const DEFAULT_HANDLER_TIMEOUT: Duration = Duration::from_mins(1);
/// [`GIVE_UP_AFTER`] if it is not set.
pub const DEFAULT_GIVE_UP_AFTER: Duration = Duration::from_hours(480);
/// [`CONCURRENCY`] if it is not set.
pub const DEFAULT_CONCURRENCY: u32 = 100;
/// [`RETRY_AFTER`] if the handler says when a task comes again: also if it is not set.
pub const FOLLOW_RETRY_AFTER: &str = "Follow";
/// [`RETRY_AFTER`] if it doesn't.
pub const IGNORE_RETRY_AFTER: &str = "Ignore";
/// In [`ROUTES`], in place of a queue: the task ends as Failed.
pub const ROUTE_TO_FAIL: &str = "fail";
