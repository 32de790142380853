//! The table of edits: each is made on a chain with tasks under way, and then taken back.

use cloudtasks::QueueSettings;
use serde_json::{Value, json};

use crate::manifest::Manifest;
use crate::producer::KIND;
use crate::row::{Action, Row};

/// All rows.
pub fn rows() -> Vec<Row> {
    let moving = [ladder(), names(), comings(), isolation()];
    let moving = moving.concat().into_iter();
    [
        limits(),
        workers(),
        others(),
        waits(),
        overrides(),
        overrides_of_deleted(),
        leftovers(),
    ]
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
        Row::new("parking, none", |it| parking(it, "parked")),
        Row::of(
            parking(Manifest::base(), "parked"),
            "another parking queue",
            |it| it.head("queue: parked}", "queue: parked-2}"),
        ),
        Row::new("a route, none", |it| {
            let route = "routes: [{match: {status: '500'}, to: slow}], backoff:";
            it.stage(0, "backoff:", route)
        }),
    ]
}

/// Where tasks of a category go. With one run slot a pod, each second task at a time is isolated.
fn isolation() -> Vec<Row> {
    let to_slow = || isolating("to: slow, ").stage(2, "maxAttempts: 1", "maxAttempts: 2");
    vec![
        Row::new("isolation, none", |it| isolate(it, "")),
        Row::of(to_slow(), "isolation to another stage", |it| {
            it.stage(0, "to: slow", "to: middle")
        }),
        Row::of(
            to_slow(),
            "without the stage to which tasks are isolated",
            |it| it.stage(0, "to: slow", "to: middle").remove(2),
        ),
    ]
}

/// What workers know of outages and times.
fn waits() -> Vec<Row> {
    vec![
        Row::new("a delay, none", |it| {
            it.stage(1, "replicas:", "delay: 1s, replicas:")
        }),
        Row::of(
            Manifest::base().stage(2, "replicas:", "delay: 1s, replicas:"),
            "a longer delay, a shorter one",
            |it| it.stage(2, "delay: 1s", "delay: 2s500ms"),
        ),
        Row::new("a hold and no Retry-After, neither", |it| {
            it.stage(
                0,
                "replicas:",
                "holdOnOutage: 10s, retryAfter: Ignore, replicas:",
            )
        }),
    ]
}

fn parking(manifest: Manifest, queue: &str) -> Manifest {
    let field = format!("parking: {{queue: {queue}}}\n  driftPolicy: Enforce");
    manifest.head("driftPolicy: Enforce", &field)
}

fn isolating(to: &str) -> Manifest {
    isolate(Manifest::base(), to)
}

fn isolate(manifest: Manifest, to: &str) -> Manifest {
    let rule = format!("{{by: {{header: {KIND}}}, {to}maxShare: 1%, failures: {{}}}}");
    let fields = format!("concurrency: 1, isolate: [{rule}], replicas:");
    manifest.stage(0, "replicas:", &fields)
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

/// Settings that overrides replace for a time, without an edit of the chain.
fn overrides() -> Vec<Row> {
    let base = Manifest::base;
    let slow = || base().stage(0, "PerSecond: 120", "PerSecond: 60");
    let one_way = |name, fields: Value, base| {
        let there = vec![Action::Override("inc-1", fields)];
        Row::both_ways(name, base, there, vec![Action::Undo("inc-1")])
    };
    vec![
        one_way("override: throttled, undone", throttle(50), base()),
        one_way(
            "override: paused, undone",
            json!({"stages": ["*"], "paused": true}),
            base(),
        )
        .holding(),
        one_way(
            "override: rate and replicas, undone",
            json!({"stages": ["fast"], "rateLimits": {"maxDispatchesPerSecond": 50}, "replicas": 1}),
            base(),
        ),
        one_way(
            "override: what the chain doesn't set, undone",
            json!({"stages": ["fast"], "rateLimits": {"maxConcurrentDispatches": 3}}),
            unlimited(),
        )
        .after(by_hand()),
        Row::both_ways(
            "override: a newer one, both undone",
            unlimited(),
            vec![
                by_hand(),
                Action::Override("inc-1", throttle(50)),
                Action::Override(
                    "inc-2",
                    json!({"stages": ["*"], "rateLimits": {
                        "maxDispatchesPerSecond": 45, "maxConcurrentDispatches": 5,
                    }}),
                ),
            ],
            vec![Action::Undo("inc-2"), Action::Undo("inc-1")],
        ),
        Row::both_ways(
            "override: the older one ends first",
            base(),
            vec![
                Action::Override("inc-1", json!({"stages": ["fast"], "paused": true})),
                Action::Override("inc-2", throttle(60)),
            ],
            vec![Action::Undo("inc-1"), Action::Undo("inc-2")],
        )
        .holding(),
        Row::both_ways(
            "override: an edit beneath it, undone",
            base(),
            vec![
                Action::Override("inc-1", throttle(50)),
                Action::Apply(slow()),
            ],
            vec![Action::Undo("inc-1"), Action::Apply(base())],
        ),
        Row::both_ways(
            "override: its setting leaves the chain, undone",
            base(),
            vec![
                Action::Override("inc-1", throttle(50)),
                Action::Apply(base().stage(0, "maxDispatchesPerSecond: 120, ", "")),
            ],
            vec![Action::Undo("inc-1"), Action::Apply(base())],
        ),
        Row::both_ways(
            "override: a pause over one of the chain",
            base(),
            vec![
                Action::Override("inc-1", json!({"stages": ["middle"], "paused": true})),
                Action::Apply(base().stage(1, "replicas:", "paused: true, replicas:")),
            ],
            vec![Action::Undo("inc-1"), Action::Apply(base())],
        )
        .holding(),
    ]
}

/// What becomes of overrides whose chain is deleted, and comes back.
fn overrides_of_deleted() -> Vec<Row> {
    let drain = || Manifest::base().head("deletionPolicy: Retain", "deletionPolicy: Drain");
    let both = || {
        json!({"stages": ["*"], "rateLimits": {
            "maxDispatchesPerSecond": 45, "maxConcurrentDispatches": 5,
        }})
    };
    vec![
        Row::actions(
            "override: deleted with Retain, applied, undone",
            unlimited(),
            vec![
                by_hand(),
                Action::Override("inc-1", both()),
                Action::Delete,
                Action::Apply(unlimited()),
                Action::Undo("inc-1"),
            ],
        ),
        Row::actions(
            "override: deleted with Retain, undone, applied",
            unlimited(),
            vec![
                by_hand(),
                Action::Override("inc-1", both()),
                Action::Delete,
                Action::Undo("inc-1"),
                Action::Apply(unlimited()),
            ],
        ),
        Row::actions(
            "override: paused, deleted with Retain, undone, applied",
            Manifest::base(),
            vec![
                Action::Override("inc-1", json!({"stages": ["*"], "paused": true})),
                Action::Delete,
                Action::Undo("inc-1"),
                Action::Apply(Manifest::base()),
            ],
        ),
        Row::actions(
            "override: deleted with Drain",
            drain(),
            vec![Action::Override("inc-1", both()), Action::Delete],
        )
        .needing_memory(),
    ]
}

/// What must not be left behind: marks on queues, and queues that run without workers.
fn leftovers() -> Vec<Row> {
    let limited = || {
        let limits = "rateLimits: {maxDispatchesPerSecond: 200}, url: 'http:";
        Manifest::base().head("url: 'http:", limits)
    };
    let orphan = || limited().head("deletionPolicy: Retain", "deletionPolicy: Orphan");
    let moved = |it: Manifest| it.head("queue: ends", "queue: ends-2");
    vec![
        Row::of(limited(), "the notifier's queue with limits", |it| {
            it.head("queue: ends", "queue: ends-2")
        }),
        Row::actions(
            "deleted with Orphan and a notifier's limits, applied",
            orphan(),
            vec![Action::Delete, Action::Apply(orphan())],
        ),
        Row::actions(
            "deleted with Orphan and a notifier's limits, moved",
            orphan(),
            vec![Action::Delete, Action::Apply(moved(orphan()))],
        ),
        Row::actions(
            "unparsable, without workers, deleted, applied",
            Manifest::base(),
            vec![
                Action::Garble,
                Action::DeleteWorkers,
                Action::Delete,
                Action::Apply(Manifest::base()),
            ],
        ),
    ]
}

fn throttle(rate: u32) -> Value {
    json!({"stages": ["fast"], "rateLimits": {"maxDispatchesPerSecond": rate}})
}

/// A chain that leaves the first queue's concurrency to others.
fn unlimited() -> Manifest {
    Manifest::base().stage(0, ", maxConcurrentDispatches: 20", "")
}

/// The other who sets it.
fn by_hand() -> Action {
    let settings = QueueSettings {
        max_concurrent_dispatches: Some(17),
        ..QueueSettings::default()
    };
    Action::ByHand("incoming", settings)
}
