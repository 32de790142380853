//! The table of edits: each is made on a chain with tasks under way, and then taken back.

use crate::manifest::Manifest;
use crate::row::{Action, Row};

/// All rows.
pub fn rows() -> Vec<Row> {
    let moving = [ladder(), names(), comings()].concat().into_iter();
    [limits(), workers(), others()]
        .concat()
        .into_iter()
        .chain(moving.map(Row::moving_tasks))
        .collect()
}

/// A row that loses tasks, because it is told to: a count that can't be other than 0 proves nothing.
pub fn losing() -> Row {
    let base = Manifest::base().head("deletionPolicy: Retain", "deletionPolicy: Delete");
    Row::actions("deleted with its queues", base, vec![Action::Delete])
}

/// What a queue or a worker is told about how much and how often.
fn limits() -> Vec<Row> {
    vec![
        Row::new("rate down, up", |it| {
            it.stage(0, "PerSecond: 120", "PerSecond: 50")
        }),
        Row::new("rate up, down", |it| {
            it.stage(1, "PerSecond: 80", "PerSecond: 300")
        }),
        Row::new("concurrency down, up", |it| {
            it.stage(0, "ConcurrentDispatches: 20", "ConcurrentDispatches: 2")
        }),
        Row::new("backoff up, down", |it| {
            it.stage(0, "max: 400ms", "max: 2s, maxDoublings: 3")
        }),
        Row::new("attempts down, up", |it| {
            it.stage(0, "maxAttempts: 2", "maxAttempts: 1")
        }),
        Row::new("attempts up, down", |it| {
            it.stage(1, "maxAttempts: 2", "maxAttempts: 4")
        }),
        Row::new("paused, not paused", |it| {
            it.stage(1, "replicas:", "paused: true, replicas:")
        })
        .holding(),
        Row::new("driftPolicy", |it| {
            it.head("driftPolicy: Enforce", "driftPolicy: Report")
        }),
    ]
}

/// How many pods, and of what.
fn workers() -> Vec<Row> {
    vec![
        Row::new("replicas down, up", |it| {
            it.stage(0, "replicas: 2", "replicas: 1")
        }),
        Row::new("replicas up, down", |it| {
            it.stage(2, "replicas: 1", "replicas: 3")
        }),
        Row::new("no replicas, one", |it| {
            it.stage(1, "replicas: 1", "replicas: 0")
        })
        .holding(),
        Row::new("rate and replicas up, down", |it| {
            it.stage(1, "PerSecond: 80", "PerSecond: 300")
                .stage(1, "replicas: 1", "replicas: 2")
        }),
        Row::new("the handler's image", |it| it.head("shop:1", "shop:2")),
        Row::new("an annotation of the pods", |it| {
            it.head("version: '1'", "version: '2'")
        }),
    ]
}

/// Which stages, and in which order.
fn ladder() -> Vec<Row> {
    vec![
        Row::new("a stage at the end, without", |it| {
            it.insert(3, "last", "incoming-4")
        }),
        Row::new("a stage in the middle, without", |it| {
            it.insert(1, "between", "incoming-4")
        }),
        Row::new("a stage before the first, without", |it| {
            it.insert(0, "zero", "incoming-0")
        }),
        Row::new("without the last, with", |it| it.remove(2)),
        Row::new("without the middle, with", |it| it.remove(1)),
        Row::new("without the first, with", |it| it.remove(0)),
        Row::new("the last two swapped", |it| it.swap(1, 2)),
        Row::new("the first two swapped", |it| it.swap(0, 1)),
        Row::new("a queue with attempts of its own, without", |it| {
            it.insert(0, "adopted", "legacy")
                .stage(0, "replicas:", "paused: false, replicas:")
        })
        .after(Action::Legacy("legacy")),
    ]
}

/// Which stage has which queue.
fn names() -> Vec<Row> {
    vec![
        Row::new("a stage renamed", |it| {
            it.stage(1, "name: middle", "name: center")
        }),
        Row::new("names and queues swapped", |it| {
            it.stage(1, "name: middle", "name: center")
                .stage(1, "queue: incoming-2", "queue: incoming-3")
                .stage(2, "name: slow", "name: late")
                .stage(2, "queue: incoming-3", "queue: incoming-2")
        }),
    ]
}

/// Where ends are told, and shortcuts.
fn others() -> Vec<Row> {
    vec![
        Row::new("the notifier's queue", |it| {
            it.head("queue: ends", "queue: ends-2")
        }),
        Row::new("the notifier's URL", |it| {
            it.head("RECEIVER/ends", "RECEIVER/elsewhere")
        }),
        Row::new("a token, none", |it| with_token(it, "orders")),
        Row::actions(
            "another audience, and back",
            with_token(Manifest::base(), "orders"),
            vec![
                Action::Apply(with_token(Manifest::base(), "parcels")),
                Action::Apply(with_token(Manifest::base(), "orders")),
            ],
        ),
        Row::new("a route, none", |it| {
            let route = "routes: [{match: {status: '500'}, to: slow}], backoff:";
            it.stage(0, "backoff:", route)
        }),
    ]
}

/// The emulator signs it, and publishes its key.
fn with_token(manifest: Manifest, audience: &str) -> Manifest {
    let oidc =
        format!("oidc: {{serviceAccountEmail: pusher@demo.example, audiences: [{audience}]}}");
    manifest.head("drainDelay: 1s", &format!("drainDelay: 1s\n  {oidc}"))
}

/// What goes and comes back, the second edit in the middle of the first.
fn comings() -> Vec<Row> {
    let base = Manifest::base;
    let orphan = || base().head("deletionPolicy: Retain", "deletionPolicy: Orphan");
    let and_back = |begun| vec![Action::Begin(begun, 2), Action::Apply(base())];
    vec![
        Row::actions(
            "the middle goes and comes back",
            base(),
            and_back(base().remove(1)),
        ),
        Row::actions(
            "the first goes and comes back",
            base(),
            and_back(base().remove(0)),
        ),
        Row::actions(
            "deleted with Retain, applied",
            base(),
            vec![Action::Delete, Action::Apply(base())],
        ),
        Row::actions(
            "deleted with Orphan, applied",
            orphan(),
            vec![Action::Delete, Action::Apply(orphan())],
        ),
        Row::actions(
            "deleted in the foreground with Retain, applied",
            base(),
            vec![Action::DeleteInForeground, Action::Apply(base())],
        ),
        Row::actions(
            "deleted in the foreground with Orphan, applied",
            orphan(),
            vec![Action::DeleteInForeground, Action::Apply(orphan())],
        ),
    ]
}
