//! What the schema can't say: rules in CEL, evaluated by the API server and by `executor-chain
//! dev`. Each comes with the sentence that the user gets, which says how to mend it.
//!
//! Write for the CEL of Kubernetes 1.29, and mind the cost that the API server estimates before it
//! accepts a rule: lists and strings need bounds, and nested loops multiply.

/// A rule at one place of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Where `self` is: a path of property names from the root; `[]` is a list's item.
    pub at: &'static str,
    /// The expression that must hold.
    pub rule: &'static str,
    /// The sentence when it doesn't.
    pub message: &'static str,
}

/// All rules, from the root down.
pub const RULES: &[Rule] = &[
    Rule {
        at: "",
        rule: "self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')",
        message: "metadata.name names Services too: use at most 63 lower-case letters, digits and hyphens, begin with a letter and don't end with a hyphen",
    },
    Rule {
        at: "spec",
        rule: "has(self.project) == has(oldSelf.project) && (!has(self.project) || self.project == oldSelf.project)",
        message: "project can't be changed, since the tasks under way live in it: make a new chain in the other project and delete this one when its queues are empty",
    },
    Rule {
        at: "spec",
        rule: "has(self.location) == has(oldSelf.location) && (!has(self.location) || self.location == oldSelf.location)",
        message: "location can't be changed, since the tasks under way live in it: make a new chain in the other location and delete this one when its queues are empty",
    },
    Rule {
        at: "spec",
        rule: "self.httpTarget == 'Managed'",
        message: "httpTarget must be Managed: this version can't yet leave the queues' addresses alone",
    },
    Rule {
        at: "spec.oidc",
        rule: "self.serviceAccountEmail.matches('^[^@, ]+@[^@, ]+[.][^@, ]+$')",
        message: "oidc.serviceAccountEmail must be a service account's address, such as pusher@my-project.iam.gserviceaccount.com",
    },
    Rule {
        at: "spec.oidc",
        rule: "self.audiences.all(a, a.matches('^[^, ]+$'))",
        message: "an audience in oidc.audiences is empty, or has a comma or a space in it: write words or URLs, such as orders",
    },
    Rule {
        at: "spec.oidc",
        rule: "self.audiences.all(a, self.audiences.exists_one(b, b == a))",
        message: "an audience stands twice in oidc.audiences: name each once, first the one that the queues send",
    },
    Rule {
        at: "spec",
        rule: "self.stages.all(s, self.stages.exists_one(t, t.queue == s.queue))",
        message: "two stages have one queue: give each stage a queue of its own",
    },
    Rule {
        at: "spec",
        rule: "self.stages.all(s, s.queue != self.notifier.queue)",
        message: "the notifier's queue is a stage's queue too: give the notifier a queue of its own",
    },
    Rule {
        at: "spec",
        rule: "oldSelf.stages.all(o, self.stages.all(s, s.name != o.name || s.queue == o.queue))",
        message: "a stage's queue can't be changed, since tasks wait in it: add a new stage with the new queue and remove the old stage",
    },
    Rule {
        at: "spec",
        rule: "[self.stages.map(t, t.name)].all(n, self.stages.all(s, !has(s.routes) || s.routes.all(r, r.to == 'fail' || n.indexOf(r.to) > n.indexOf(s.name))))",
        message: "a route must lead to a later stage of this chain, or to fail: tasks only climb",
    },
    Rule {
        at: "spec",
        rule: "self.stages.all(s, (has(s.handler) && has(s.handler.url)) || (has(s.template) ? has(s.template.spec) && has(s.template.spec.containers) && s.template.spec.containers.size() > 0 : has(self.template) && has(self.template.spec) && has(self.template.spec.containers) && self.template.spec.containers.size() > 0))",
        message: "a stage has nothing that runs its tasks: give it (or the chain) a template with a container, or set handler.url",
    },
    Rule {
        at: "spec.push",
        rule: "has(self.url) != has(self.gateway)",
        message: "push takes exactly one of url, which your own ingress serves, and gateway, under which the operator makes the routes",
    },
    Rule {
        at: "spec.push",
        rule: "!has(self.url) || self.url.matches('^https?://([A-Za-z0-9.-]|[{](namespace|chain|stage)[}])+(:[0-9]{1,5})?$')",
        message: "push.url is scheme, host and port alone, such as https://{stage}-{chain}-{namespace}.push.example.com: a task keeps its own path and query",
    },
    Rule {
        at: "spec",
        rule: "self.stages.size() == 1 || !has(self.push) || !has(self.push.url) || self.push.url.contains('{stage}')",
        message: "push.url must contain {stage}: with one address for all of them, tasks would reach the workers of another stage, which can't judge them",
    },
    Rule {
        at: "spec.push.gateway",
        rule: "self.hostname.matches('^([a-z0-9.-]|[{](namespace|chain|stage)[}])+$')",
        message: "push.gateway.hostname is a host in lower case, such as {stage}-{chain}-{namespace}.push.example.com: no scheme, port, path or wildcard, since each stage gets a host of its own",
    },
    Rule {
        at: "spec",
        rule: "self.stages.size() == 1 || !has(self.push) || !has(self.push.gateway) || self.push.gateway.hostname.contains('{stage}')",
        message: "push.gateway.hostname must contain {stage}: with one host for all of them, tasks would reach the workers of another stage, which can't judge them",
    },
    Rule {
        at: "spec.stages[]",
        rule: "self.name != 'fail'",
        message: "a stage can't be called fail, since routes use that word for the end: choose another name",
    },
    Rule {
        at: "spec.stages[]",
        rule: "!has(self.giveUpAfter) || (duration(self.giveUpAfter) > duration('0s') && duration(self.giveUpAfter) < duration('744h'))",
        message: "giveUpAfter must be above 0s and below 744h: Cloud Tasks drops a task after 31 days, unsaid",
    },
    Rule {
        at: "spec.template.spec",
        rule: "(!has(self.containers) || self.containers.all(c, c.name != 'worker')) && (!has(self.initContainers) || self.initContainers.all(c, c.name != 'worker'))",
        message: "a container of the chain's template is called worker, as the worker's own is: give it another name",
    },
    Rule {
        at: "spec.stages[].template.spec",
        rule: "(!has(self.containers) || self.containers.all(c, c.name != 'worker')) && (!has(self.initContainers) || self.initContainers.all(c, c.name != 'worker'))",
        message: "a container of the stage's template is called worker, as the worker's own is: give it another name",
    },
    Rule {
        at: "spec.stages[].backoff",
        rule: "(!has(self.min) || duration(self.min) > duration('0s')) && (!has(self.max) || duration(self.max) > duration('0s'))",
        message: "backoff.min and backoff.max must be above 0s, which Cloud Tasks would take for its default: leave out what you don't want to set",
    },
    Rule {
        at: "spec.stages[].backoff",
        rule: "!has(self.min) || !has(self.max) || duration(self.min) <= duration(self.max)",
        message: "backoff.min is above backoff.max: lower min or raise max",
    },
    Rule {
        at: "spec.stages[].backoff",
        rule: "(!has(self.min) || duration(self.min) < duration('24h')) && (!has(self.max) || duration(self.max) < duration('24h'))",
        message: "backoff.min and backoff.max must be below 24h: Cloud Tasks forgets the names of ended tasks after that, and a task could be handed on twice",
    },
    Rule {
        at: "spec.stages[].handler",
        rule: "!has(self.timeout) || (duration(self.timeout) > duration('0s') && duration(self.timeout) < duration('30m'))",
        message: "handler.timeout must be above 0s and below 30m: Cloud Tasks waits at most 30 minutes for an answer",
    },
    Rule {
        at: "spec.stages[].handler",
        rule: "!has(self.url) || (!has(self.port) && !has(self.path))",
        message: "handler.url says where the handler is: leave out port and path, or write them into the url",
    },
    Rule {
        at: "spec.stages[].handler",
        rule: "!has(self.port) || !(self.port in [9480, 9481])",
        message: "ports 9480 and 9481 are the worker's own: let the handler listen on another one",
    },
    Rule {
        at: "spec.stages[].routes[].match",
        rule: "[has(self.reason), has(self.status), has(self.header)].exists_one(set, set)",
        message: "a route matches by exactly one of reason, status and header: write one route for each",
    },
];
