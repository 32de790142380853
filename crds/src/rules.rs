//! Validation rules in CEL, for what the schema can't express. The API server and `executor-chain
//! dev` evaluate them. Each message says what is wrong and how to fix it.
//!
//! Use only the CEL of Kubernetes 1.29. The API server rejects a rule whose estimated cost is too
//! high: bound lists and strings, and avoid nested loops.
//!
//! The API server evaluates all rules of a spec at each write of a status too, and makes a map of all of an
//! object's fields for each field that a rule reads. So attach a rule to the field that it is about, and read
//! a list's fields once.

/// One validation rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The schema that the rule is attached to: a path of property names; `[]` is a list's item.
    pub at: &'static str,
    /// The expression that must hold.
    pub rule: &'static str,
    /// What the user sees if it doesn't hold.
    pub message: &'static str,
}

/// For the metadata that is added to the operator's.
const OWN_METADATA: &str = "(!has(self.labels) || self.labels.all(k, !k.startsWith('executor-chain.dev/') && !(k in ['app.kubernetes.io/name', 'app.kubernetes.io/managed-by']))) && (!has(self.annotations) || self.annotations.all(k, !k.startsWith('executor-chain.dev/')))";

/// All rules of a chain, from the root down.
pub const RULES: &[Rule] = &[
    Rule {
        at: "",
        rule: "self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')",
        message: "metadata.name must be valid as a Service name: use at most 63 lowercase letters, digits, and hyphens, begin with a letter, and don't end with a hyphen",
    },
    Rule {
        at: "spec",
        rule: "has(self.project) == has(oldSelf.project) && (!has(self.project) || self.project == oldSelf.project)",
        message: "project is immutable, since the chain's queues hold tasks: create a chain in the other project, then delete this one when its queues are empty",
    },
    Rule {
        at: "spec",
        rule: "has(self.location) == has(oldSelf.location) && (!has(self.location) || self.location == oldSelf.location)",
        message: "location is immutable, since the chain's queues hold tasks: create a chain in the other location, then delete this one when its queues are empty",
    },
    Rule {
        at: "spec",
        rule: "self.httpTarget == 'Managed'",
        message: "httpTarget must be Managed: this version doesn't support Unmanaged",
    },
    Rule {
        at: "spec.oidc",
        rule: "self.serviceAccountEmail.matches('^[^@, ]+@[^@, ]+[.][^@, ]+$')",
        message: "oidc.serviceAccountEmail must be the email address of one service account, such as pusher@my-project.iam.gserviceaccount.com",
    },
    Rule {
        at: "spec.oidc",
        rule: "self.audiences.all(a, a.matches('^[^, ]+$'))",
        message: "oidc.audiences has an entry that is empty or contains a comma or a space: use words or URLs, such as orders",
    },
    Rule {
        at: "spec.oidc",
        rule: "self.audiences.all(a, self.audiences.exists_one(b, b == a))",
        message: "oidc.audiences has a duplicate: list each once, the queues' audience first",
    },
    Rule {
        at: "spec",
        rule: "[self.stages.map(s, s.queue)].all(q, q.all(n, q.indexOf(n) == q.lastIndexOf(n)))",
        message: "two stages use the same queue: give each stage its own queue",
    },
    Rule {
        at: "spec",
        rule: "!(self.notifier.queue in self.stages.map(s, s.queue))",
        message: "notifier.queue is also a stage's queue: give the notifier its own queue",
    },
    Rule {
        at: "spec",
        rule: "!has(self.parking) || (self.parking.queue != self.notifier.queue && !(self.parking.queue in self.stages.map(s, s.queue)))",
        message: "parking.queue is also a stage's queue or the notifier's, and a parking queue is always paused: give parking its own queue",
    },
    Rule {
        at: "spec.parking",
        rule: "!has(self.keep) || self.keep.size() > 0",
        message: "parking.keep is empty, so no task would be parked: list causes, such as Exhausted, or omit keep to park all tasks that end without a success",
    },
    Rule {
        at: "spec",
        rule: "[self.stages.map(s, s.name + ' ' + s.queue)].all(queues, oldSelf.stages.all(o, (o.name + ' ' + o.queue) in queues || !(o.name in self.stages.map(s, s.name))))",
        message: "a stage's queue is immutable, since it holds tasks: add a stage with the new queue and remove the old stage",
    },
    Rule {
        at: "spec",
        rule: "self.stages.all(s, !has(s.routes) || [self.stages.map(t, t.name)].all(n, s.routes.all(r, r.to == 'fail' || n.indexOf(r.to) > n.indexOf(s.name))))",
        message: "routes[].to must be fail, or the name of a stage that comes later in this chain",
    },
    Rule {
        at: "spec",
        rule: "[has(self.template) && has(self.template.spec) && has(self.template.spec.containers) && self.template.spec.containers.size() > 0].all(shared, self.stages.all(s, (shared && !has(s.template)) || (has(s.template) && has(s.template.spec) && has(s.template.spec.containers) && s.template.spec.containers.size() > 0) || (has(s.handler) && has(s.handler.url))))",
        message: "a stage has no handler: give the stage or the chain a template with a container, or set handler.url",
    },
    Rule {
        at: "spec.push",
        rule: "has(self.url) != has(self.gateway)",
        message: "push must set exactly one of url (your own ingress) and gateway (the operator creates the routes)",
    },
    Rule {
        at: "spec.push",
        rule: "!has(self.url) || self.url.matches('^https?://([A-Za-z0-9.-]|[{](namespace|chain|stage)[}])+(:[0-9]{1,5})?$')",
        message: "push.url must be only scheme, host, and port, such as https://{stage}-{chain}-{namespace}.push.example.com: remove the rest, since tasks keep their own path and query",
    },
    Rule {
        at: "spec",
        rule: "!has(self.push) || !has(self.push.url) || self.stages.size() == 1 || self.push.url.contains('{stage}')",
        message: "push.url must contain {stage} if the chain has several stages: otherwise pushes reach the workers of another stage, which refuse them",
    },
    Rule {
        at: "spec.push.gateway",
        rule: "self.hostname.matches('^([a-z0-9.-]|[{](namespace|chain|stage)[}])+$')",
        message: "push.gateway.hostname must be only a lowercase hostname, such as {stage}-{chain}-{namespace}.push.example.com: remove scheme, port, path, and wildcard",
    },
    Rule {
        at: "spec",
        rule: "!has(self.push) || !has(self.push.gateway) || self.stages.size() == 1 || self.push.gateway.hostname.contains('{stage}')",
        message: "push.gateway.hostname must contain {stage} if the chain has several stages: otherwise pushes reach the workers of another stage, which refuse them",
    },
    Rule {
        at: "spec.stages[].name",
        rule: "self != 'fail'",
        message: "a stage can't be named fail, which routes use to end a task as Failed: choose another name",
    },
    Rule {
        at: "spec.stages[].giveUpAfter",
        rule: "duration(self) > duration('0s') && duration(self) < duration('744h')",
        message: "giveUpAfter must be above 0s and below 744h: Cloud Tasks deletes a task silently after 31 days",
    },
    Rule {
        at: "spec.template.spec",
        rule: "(!has(self.containers) || self.containers.all(c, c.name != 'worker')) && (!has(self.initContainers) || self.initContainers.all(c, c.name != 'worker'))",
        message: "a container of the chain's template is named worker, the name of the worker's own container: choose another name",
    },
    Rule {
        at: "spec.stages[].template.spec",
        rule: "(!has(self.containers) || self.containers.all(c, c.name != 'worker')) && (!has(self.initContainers) || self.initContainers.all(c, c.name != 'worker'))",
        message: "a container of the stage's template is named worker, the name of the worker's own container: choose another name",
    },
    Rule {
        at: "spec.template.metadata",
        rule: OWN_METADATA,
        message: "the metadata of the chain's template has a label or an annotation that the operator sets (executor-chain.dev/…, app.kubernetes.io/name, app.kubernetes.io/managed-by): remove it, or choose another name",
    },
    Rule {
        at: "spec.stages[].template.metadata",
        rule: OWN_METADATA,
        message: "the metadata of the stage's template has a label or an annotation that the operator sets (executor-chain.dev/…, app.kubernetes.io/name, app.kubernetes.io/managed-by): remove it, or choose another name",
    },
    Rule {
        at: "spec.workerTemplate.deploymentMetadata",
        rule: OWN_METADATA,
        message: "workerTemplate.deploymentMetadata has a label or an annotation that the operator sets (executor-chain.dev/…, app.kubernetes.io/name, app.kubernetes.io/managed-by): remove it, or choose another name",
    },
    Rule {
        at: "spec.workerTemplate.serviceMetadata",
        rule: OWN_METADATA,
        message: "workerTemplate.serviceMetadata has a label or an annotation that the operator sets (executor-chain.dev/…, app.kubernetes.io/name, app.kubernetes.io/managed-by): remove it, or choose another name",
    },
    Rule {
        at: "spec.workerTemplate",
        rule: "!has(self.env) || self.env.all(e, !(e.name in ['ADMIN_ADDR', 'CHAIN', 'CLOUD_TASKS_EMULATOR_HOST', 'CONCURRENCY', 'DELAYS', 'DISPATCH_DEADLINES', 'DOWNSTREAM_QUEUE', 'DRAIN_DELAY', 'GIVE_UP_AFTER', 'HANDLER_CLOUD_TASKS_HEADERS', 'HANDLER_HEADERS', 'HANDLER_HOST', 'HANDLER_TIMEOUT', 'HANDLER_TOKEN', 'HANDLER_URL', 'HOLD_ON_OUTAGE', 'ISOLATE', 'KEEP_HEADERS', 'LISTEN_ADDR', 'LOOKUP_QUEUES', 'MAX_ATTEMPTS', 'NOTIFIER_OIDC_AUDIENCE', 'NOTIFIER_OIDC_SERVICE_ACCOUNT_EMAIL', 'NOTIFIER_QUEUE', 'NOTIFIER_URL', 'NOTIFY_ON', 'OIDC_AUDIENCES', 'OIDC_SERVICE_ACCOUNT_EMAILS', 'PARKING_KEEP', 'PARKING_QUEUE', 'QUEUE', 'RETIRED_NOTIFIER_QUEUES', 'RETIRED_PARKING_QUEUES', 'RETRY_AFTER', 'ROUTES', 'STAGE']))",
        message: "workerTemplate.env has a variable that the operator sets from another field of the spec, such as QUEUE or CONCURRENCY: remove the variable, and set that field",
    },
    Rule {
        at: "spec.stages[].backoff",
        rule: "(!has(self.min) || duration(self.min) > duration('0s')) && (!has(self.max) || duration(self.max) > duration('0s'))",
        message: "backoff.min and backoff.max must be above 0s, since Cloud Tasks reads 0s as its default: omit a field that you don't want to set",
    },
    Rule {
        at: "spec.stages[].backoff",
        rule: "!has(self.min) || !has(self.max) || duration(self.min) <= duration(self.max)",
        message: "backoff.min is greater than backoff.max: lower min or raise max",
    },
    Rule {
        at: "spec.stages[].backoff",
        rule: "(!has(self.min) || duration(self.min) < duration('24h')) && (!has(self.max) || duration(self.max) < duration('24h'))",
        message: "backoff.min and backoff.max must be below 24h: after 24h, Cloud Tasks forgets the names of finished tasks, and a task could be handed over twice",
    },
    Rule {
        at: "spec.stages[].handler",
        rule: "!has(self.timeout) || (duration(self.timeout) > duration('0s') && duration(self.timeout) < duration('30m'))",
        message: "handler.timeout must be above 0s and below 30m: Cloud Tasks waits at most 30 minutes for an answer",
    },
    Rule {
        at: "spec.stages[].handler",
        rule: "!has(self.url) || (!has(self.port) && !has(self.path))",
        message: "handler.url can't be combined with handler.port and handler.path: remove them, and write port and path into the URL",
    },
    Rule {
        at: "spec.stages[].handler",
        rule: "!has(self.port) || !(self.port in [9480, 9481])",
        message: "handler.port can't be 9480 or 9481, which the worker uses: choose another port",
    },
    Rule {
        at: "spec.stages[].handler",
        rule: "!has(self.headers) || self.headers.all(h, !h.name.matches('(?i)^(executor-.*|x-(cloudtasks|appengine)-(failfast|queuename|tasketa|taskexecutioncount|taskname|taskpreviousresponse|taskretrycount|taskretryreason)|accept-encoding|connection|content-length|expect|host|keep-alive|proxy-authenticate|proxy-authorization|proxy-connection|te|trailer|transfer-encoding|upgrade)$'))",
        message: "handler.headers has a name that Cloud Tasks, the worker, or the connection sets: remove it. For Host, set handler.host",
    },
    Rule {
        at: "spec",
        rule: "!has(self.keepHeaders) || self.keepHeaders.all(h, !h.matches('(?i)^(executor-.*|x-(cloudtasks|appengine)-(failfast|queuename|tasketa|taskexecutioncount|taskname|taskpreviousresponse|taskretrycount|taskretryreason)|accept-encoding|connection|content-length|expect|host|keep-alive|proxy-authenticate|proxy-authorization|proxy-connection|te|trailer|transfer-encoding|upgrade)$'))",
        message: "keepHeaders has a name that Cloud Tasks, the worker, or the connection sets: remove it, since each stage sets it anew",
    },
    Rule {
        at: "spec",
        rule: "has(self.oidc) || self.stages.all(s, !has(s.handler) || !has(s.handler.token) || s.handler.token != 'Pass')",
        message: "handler.token Pass requires spec.oidc, since the worker passes only verified tokens: set spec.oidc, or remove handler.token",
    },
    Rule {
        at: "spec.notifier",
        rule: "!has(self.oidc) || (self.oidc.serviceAccountEmail.matches('^[^@, ]+@[^@, ]+[.][^@, ]+$') && self.oidc.audience.matches('^[^, ]+$'))",
        message: "notifier.oidc must have the email address of one service account, and an audience without commas and spaces, such as the receiver's URL",
    },
    Rule {
        at: "spec.stages[].routes[].match",
        rule: "[has(self.reason), has(self.status), has(self.header)].exists_one(set, set)",
        message: "routes[].match must set exactly one of reason, status, and header: write one route for each",
    },
    Rule {
        at: "spec",
        rule: "self.stages.size() == 0 || [self.stages[self.stages.size() - 1]].all(s, !has(s.isolate) || s.isolate.size() == 0)",
        message: "the last stage has isolate, and no stage comes after it: remove isolate, or add a stage after it",
    },
    Rule {
        at: "spec",
        rule: "self.stages.all(s, !has(s.isolate) || [self.stages.map(t, t.name)].all(n, s.isolate.all(r, !has(r.to) || n.indexOf(r.to) > n.indexOf(s.name))))",
        message: "isolate[].to must be the name of a stage that comes later in this chain: correct it, or omit it for the next stage",
    },
    Rule {
        at: "spec.stages[].isolate[]",
        rule: "has(self.maxShare) || has(self.failures)",
        message: "an isolate rule has neither maxShare nor failures, so it isolates nothing: set one of them, such as failures: {}",
    },
    Rule {
        at: "spec.stages[].isolate[].by",
        rule: "!self.header.matches('(?i)^(executor-.*|x-(cloudtasks|appengine)-(failfast|queuename|tasketa|taskexecutioncount|taskname|taskpreviousresponse|taskretrycount|taskretryreason)|accept-encoding|connection|content-length|expect|host|keep-alive|proxy-authenticate|proxy-authorization|proxy-connection|te|trailer|transfer-encoding|upgrade)$')",
        message: "isolate[].by.header is a header that Cloud Tasks, the worker, or the connection sets: use a header that your producers set, such as X-Tenant",
    },
    Rule {
        at: "spec.stages[].isolate",
        rule: "self.all(r, self.exists_one(t, t.by.header.lowerAscii() == r.by.header.lowerAscii()))",
        message: "two isolate rules of a stage have the same header: merge them into one rule, which may have both maxShare and failures",
    },
    Rule {
        at: "spec.stages[].isolate[].maxShare",
        rule: "self.matches('^([1-9][0-9]?|100)%$')",
        message: "isolate[].maxShare must be a whole percentage from 1% to 100%: write it with the percent sign, such as 25%",
    },
    Rule {
        at: "spec.stages[].isolate[].failures",
        rule: "self.atLeast <= self.of",
        message: "failures.atLeast is greater than failures.of (16 if omitted; atLeast is then 12): lower atLeast or raise of",
    },
    Rule {
        at: "spec.stages[].holdOnOutage",
        rule: "duration(self) >= duration('10s') && duration(self) <= duration('24h')",
        message: "holdOnOutage must be from 10s to 24h: omit it if pods shouldn't hold",
    },
    Rule {
        at: "spec.stages[].delay",
        rule: "duration(self) > duration('0s') && duration(self) <= duration('24h')",
        message: "delay must be above 0s and at most 24h: omit it if tasks shouldn't wait",
    },
    Rule {
        at: "spec",
        rule: "self.stages.size() == 0 || !has(self.stages[0].delay)",
        message: "the first stage has a delay, but its tasks come from producers: remove the delay, and let the producers set scheduleTime on their tasks",
    },
];

/// All rules of an override, from the root down.
pub const OVERRIDE_RULES: &[Rule] = &[
    Rule {
        at: "spec",
        rule: "has(self.rateLimits) || has(self.backoff) || has(self.paused) || has(self.replicas)",
        message: "the override changes nothing: set at least one of rateLimits, backoff, paused, and replicas",
    },
    Rule {
        at: "spec",
        rule: "has(self.rateLimits) == has(oldSelf.rateLimits) && (!has(self.rateLimits) || self.rateLimits == oldSelf.rateLimits) && has(self.backoff) == has(oldSelf.backoff) && (!has(self.backoff) || self.backoff == oldSelf.backoff) && has(self.paused) == has(oldSelf.paused) && (!has(self.paused) || self.paused == oldSelf.paused) && has(self.replicas) == has(oldSelf.replicas) && (!has(self.replicas) || self.replicas == oldSelf.replicas) && (!has(self.restore) || (has(oldSelf.restore) && self.restore == oldSelf.restore)) && has(self.by) == has(oldSelf.by) && (!has(self.by) || self.by == oldSelf.by)",
        message: "an existing override allows only changes of ended and endedBy, and the removal of restore: create another override, then end this one",
    },
    Rule {
        at: "spec",
        rule: "(has(self.ended) && self.ended) || ((!has(oldSelf.ended) || !oldSelf.ended) && !has(self.endedBy))",
        message: "an override that has ended can't be started again: create another override. To set endedBy, also set ended: true",
    },
    Rule {
        at: "spec.chain",
        rule: "self == oldSelf",
        message: "the chain of an override can't be changed, since overrides are kept as a record: create another override for the other chain",
    },
    Rule {
        at: "spec.stages",
        rule: "self == oldSelf",
        message: "the stages of an override can't be changed, since overrides are kept as a record: create another override for the other stages",
    },
    Rule {
        at: "spec.stages",
        rule: "self.size() == 1 || !('*' in self)",
        message: "stages has * and other names: list only *, which means all stages, or only names",
    },
    Rule {
        at: "spec.reason",
        rule: "self == oldSelf",
        message: "the reason of an override can't be changed, since overrides are kept as a record: create another override with the new reason",
    },
    Rule {
        at: "spec.reason",
        rule: "self.matches('[^ \\t\\n]')",
        message: "reason is blank: say why in a few words, such as INC-42 payment provider down",
    },
    Rule {
        at: "spec.for",
        rule: "self == oldSelf",
        message: "for can't be changed, since others rely on the end of the override: create another override that begins now, and end this one",
    },
    Rule {
        at: "spec.for",
        rule: "duration(self) >= duration('1m') && duration(self) <= duration('168h')",
        message: "for must be from 1m to 168h (7 days): to change a setting for longer, edit the chain",
    },
    Rule {
        at: "spec.restore.over",
        rule: "duration(self) >= duration('10s') && duration(self) <= duration('24h')",
        message: "restore.over must be from 10s to 24h: omit restore to raise the rate at once",
    },
    Rule {
        at: "spec.backoff",
        rule: "(!has(self.min) || (duration(self.min) > duration('0s') && duration(self.min) < duration('24h'))) && (!has(self.max) || (duration(self.max) > duration('0s') && duration(self.max) < duration('24h')))",
        message: "backoff.min and backoff.max must be above 0s and below 24h: omit a field that you don't want to change",
    },
    Rule {
        at: "spec.backoff",
        rule: "!has(self.min) || !has(self.max) || duration(self.min) <= duration(self.max)",
        message: "backoff.min is greater than backoff.max: lower min or raise max",
    },
    Rule {
        at: "spec.backoff",
        rule: "has(self.min) || has(self.max) || has(self.maxDoublings)",
        message: "backoff has no field: set min, max, or maxDoublings, or omit backoff",
    },
    Rule {
        at: "spec.rateLimits",
        rule: "has(self.maxDispatchesPerSecond) || has(self.maxConcurrentDispatches)",
        message: "rateLimits has no field: set maxDispatchesPerSecond or maxConcurrentDispatches, or omit rateLimits. To stop a stage, set paused: true",
    },
];

/// The rules of a redrive.
pub const REDRIVE_RULES: &[Rule] = &[
    Rule {
        at: "spec",
        rule: "has(self.where) != (has(self.all) && self.all)",
        message: "set exactly one of where and all: where to move some of the parked tasks, or all: true to move all of them",
    },
    Rule {
        at: "spec.where",
        rule: "has(self.reason) || has(self.cause) || has(self.stage) || has(self.status) || has(self.task) || has(self.redrive) || has(self.parkedAfter) || has(self.parkedBefore)",
        message: "where is empty: set at least one of reason, cause, stage, status, task, redrive, parkedAfter, and parkedBefore, or replace where with all: true to move all parked tasks",
    },
    Rule {
        at: "spec",
        rule: "(has(self.stopped) && self.stopped) || ((!has(oldSelf.stopped) || !oldSelf.stopped) && !has(self.stoppedBy))",
        message: "a redrive that was stopped can't be started again: create another redrive. To set stoppedBy, also set stopped: true",
    },
    Rule {
        at: "spec.chain",
        rule: "self == oldSelf",
        message: "the chain of a redrive can't be changed, since redrives are kept as a record: create another redrive for the other chain",
    },
    Rule {
        at: "spec.reason",
        rule: "self == oldSelf",
        message: "the reason of a redrive can't be changed, since redrives are kept as a record: create another redrive with the new reason",
    },
    Rule {
        at: "spec.reason",
        rule: "self.matches('[^ \\t\\n]')",
        message: "reason is blank: say why in a few words, such as INC-42 is fixed",
    },
    Rule {
        at: "spec",
        rule: "has(self.where) == has(oldSelf.where) && (!has(self.where) || self.where == oldSelf.where) && (has(self.all) && self.all) == (has(oldSelf.all) && oldSelf.all) && has(self.by) == has(oldSelf.by) && (!has(self.by) || self.by == oldSelf.by) && has(self.canary) == has(oldSelf.canary) && (!has(self.canary) || self.canary == oldSelf.canary) && self.to == oldSelf.to",
        message: "an existing redrive allows only changes of rate, stopped, and stoppedBy: stop this redrive, and create another",
    },
    Rule {
        at: "spec.canary",
        rule: "duration(self.within) >= duration('1s') && duration(self.within) <= duration('24h')",
        message: "canary.within, the time limit for the canary's tasks, must be from 1s to 24h: write a duration such as 2m",
    },
];

/// The rules of a discard.
pub const DISCARD_RULES: &[Rule] = &[
    Rule {
        at: "spec",
        rule: "has(self.where) != (has(self.all) && self.all)",
        message: "set exactly one of where and all: where to delete some of the parked tasks, or all: true to delete all of them",
    },
    Rule {
        at: "spec.where",
        rule: "has(self.reason) || has(self.cause) || has(self.stage) || has(self.status) || has(self.task) || has(self.redrive) || has(self.parkedAfter) || has(self.parkedBefore)",
        message: "where is empty: set at least one of reason, cause, stage, status, task, redrive, parkedAfter, and parkedBefore, or replace where with all: true to delete all parked tasks",
    },
    Rule {
        at: "spec",
        rule: "(has(self.stopped) && self.stopped) || ((!has(oldSelf.stopped) || !oldSelf.stopped) && !has(self.stoppedBy))",
        message: "a discard that was stopped can't be started again: create another discard. To set stoppedBy, also set stopped: true",
    },
    Rule {
        at: "spec.chain",
        rule: "self == oldSelf",
        message: "the chain of a discard can't be changed, since discards are kept as a record: create another discard for the other chain",
    },
    Rule {
        at: "spec.reason",
        rule: "self == oldSelf",
        message: "the reason of a discard can't be changed, since discards are kept as a record: create another discard with the new reason",
    },
    Rule {
        at: "spec.reason",
        rule: "self.matches('[^ \\t\\n]')",
        message: "reason is blank: say why in a few words, such as INC-42 is fixed",
    },
    Rule {
        at: "spec",
        rule: "has(self.where) == has(oldSelf.where) && (!has(self.where) || self.where == oldSelf.where) && (has(self.all) && self.all) == (has(oldSelf.all) && oldSelf.all) && has(self.by) == has(oldSelf.by) && (!has(self.by) || self.by == oldSelf.by)",
        message: "an existing discard allows only changes of stopped and stoppedBy: stop this discard, and create another",
    },
];
