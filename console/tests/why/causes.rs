//! Each cause, in a chain with traffic.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use console::why::why;
use console::{
    Answers, Cause, EditState, Known, LiveChain, LiveOverride, LiveParking, Pods, QueueNumbers,
    Runs, StageState, Unknown,
};
use crds::PausedBy;

use crate::chains::{at, chain, durations, empty, failure, queue, quiet, seconds, workers};

type Change = fn(&mut LiveChain);

/// A situation: what is found of it first, and on which stage.
struct Case(&'static str, Cause, Option<&'static str>, Change);

const FAST: Option<&str> = Some("fast");
const SLOW: Option<&str> = Some("slow");

const CASES: &[Case] = &[
    Case("the spec is invalid", Cause::EditWaits, None, |it| {
        it.edit = EditState::Waits {
            reason: "InvalidSpec".into(),
            message: "the location is missing: set spec.location".into(),
            since: Some(at(-600)),
        };
    }),
    Case(
        "a Gateway refuses the new route, and the former address works",
        Cause::EditWaits,
        None,
        |it| {
            it.stages.truncate(2);
            it.unreachable = Some("the Gateway refuses the route of push.example.com".into());
        },
    ),
    Case("a queue was deleted", Cause::QueueMissing, SLOW, |it| {
        it.stages[1].state = StageState::Missing;
        let fast = workers(it, 0);
        fast.answers.not_handed_on = 40;
        fast.handed_on = 0;
    }),
    Case(
        "Google disabled a queue",
        Cause::QueueDisabled,
        SLOW,
        |it| {
            it.stages[1].state = StageState::Disabled;
        },
    ),
    Case("the spec pauses a stage", Cause::PausedBySpec, FAST, |it| {
        paused(it, PausedBy::Spec);
    }),
    Case(
        "an override pauses a stage",
        Cause::PausedByOverride,
        FAST,
        |it| {
            paused(it, PausedBy::Override);
            it.stages[0].overrides = vec![overridden("paused")];
        },
    ),
    Case(
        "no pod is ready, and the operator has paused",
        Cause::NoReadyPod,
        FAST,
        |it| {
            paused(it, PausedBy::Operator);
            it.stages[0].pods.ready = 0;
            it.stages[0].worker_numbers = Known::Unknown {
                unknown: Unknown::NoPods,
            };
        },
    ),
    Case(
        "the operator has paused, and pods are ready",
        Cause::PausedByOperator,
        FAST,
        |it| paused(it, PausedBy::Operator),
    ),
    Case("paused with gcloud", Cause::PausedOutside, FAST, |it| {
        paused(it, PausedBy::Outside);
    }),
    Case(
        "the notifier's queue is paused",
        Cause::PausedOutside,
        None,
        |it| {
            it.notifier.paused = true;
        },
    ),
    Case(
        "pushes go elsewhere",
        Cause::PushesNotArriving,
        FAST,
        |it| {
            it.stages[0].worker_numbers = Known::Known(quiet(300.0));
        },
    ),
    Case(
        "the address is private",
        Cause::PushesNotArriving,
        None,
        |it| {
            it.unreachable = Some("queues push to 10.0.0.1, which Google can't reach".into());
        },
    ),
    Case("the audience is wrong", Cause::PushesRefused, FAST, |it| {
        let fast = workers(it, 0);
        fast.refused = [("audience".to_owned(), 900), ("not_a_push".to_owned(), 3)].into();
        fast.answers.unknown = 900;
    }),
    Case(
        "the handler's port is closed",
        Cause::HandlerUnreachable,
        FAST,
        |it| {
            let fast = workers(it, 0);
            fast.runs.unreachable = 2_000;
            fast.answers.no_room = 2_000;
            queue(it, 0).effective_rate = 40.0;
        },
    ),
    Case(
        "the handler fails, and the workers hold",
        Cause::Held,
        FAST,
        |it| {
            fails(it, "status", Some(503), 50);
            holds(it, 2);
        },
    ),
    Case(
        "a tenant's tasks fail, here and on the next stage",
        Cause::Isolating,
        FAST,
        |it| {
            isolates(it, 3, 300);
            let slow = workers(it, 1);
            slow.arrivals.hand_over = 348;
            slow.runs.failed = 900;
            slow.runs.failures = vec![failure("no-credit", Some(402), 900)];
            slow.answers.failed = 600;
            slow.answers.done = 340;
            slow.handed_on = 300;
        },
    ),
    Case(
        "a tenant's tasks take most of the run slots",
        Cause::Isolating,
        FAST,
        |it| {
            it.stages[0].isolates_to = vec!["slow".into(), "last".into()];
            let fast = workers(it, 0);
            fast.isolated.share = 120;
            fast.handed_on += 120;
            fast.answers.done += 120;
        },
    ),
    Case(
        "Cloud Tasks doesn't answer lookups",
        Cause::LookUpFails,
        FAST,
        |it| {
            let fast = workers(it, 0);
            fast.answers.unknown = 300;
            // Two for each push: of the next task, and of the notification. Others are after a run.
            fast.look_ups_failed = 700;
            // These tasks have used up their attempts.
            fast.answers.not_handed_on = 2;
        },
    ),
    Case(
        "the queue of a route refuses tasks",
        Cause::HandOverFails,
        FAST,
        |it| {
            let fast = workers(it, 0);
            fast.answers.unknown = 300;
            fast.creates_failed = 302;
            fast.answers.not_handed_on = 2;
        },
    ),
    Case(
        "the notifier's queue refuses what a verdict ends",
        Cause::NotificationFails,
        Some("last"),
        |it| {
            it.stages[2].worker_numbers = Known::Known(quiet(30.0));
            let last = workers(it, 2);
            last.answers.unknown = 9;
            last.creates_failed = 9;
        },
    ),
    Case(
        "the next queue refuses tasks",
        Cause::HandOverFails,
        FAST,
        |it| {
            let fast = workers(it, 0);
            fast.answers.not_handed_on = 120;
            fast.handed_on = 2;
        },
    ),
    Case(
        "notifications are refused",
        Cause::NotificationFails,
        FAST,
        |it| {
            workers(it, 0).answers.not_notified = 1_900;
        },
    ),
    Case(
        "the handler hangs, and fills its concurrency",
        Cause::HandlerTimesOut,
        FAST,
        |it| {
            fails(it, "timeout", None, 380);
            let fast = workers(it, 0);
            fast.runs.timed_out = std::mem::take(&mut fast.runs.failed);
            fast.runs = Runs {
                p50: Some(seconds(10.0)),
                p95: Some(seconds(10.0)),
                ..std::mem::take(&mut fast.runs)
            };
            fast.answers.no_room = 200;
            late(it, 90.0, 9_000);
            queue(it, 0).in_flight = 200;
            queue(it, 0).effective_rate = 50.0;
            workers(it, 0).runs_in_progress = 200;
        },
    ),
    Case("every run fails", Cause::HandlerFails, FAST, |it| {
        fails(it, "status", Some(500), 5_000);
    }),
    Case("few runs, all fail", Cause::HandlerFails, FAST, |it| {
        fails(it, "connection", None, 12);
        workers(it, 0).window = seconds(300.0);
        workers(it, 0).arrivals.producer = 4;
    }),
    Case("one status fails", Cause::OneFailure, FAST, |it| {
        let fast = workers(it, 0);
        fast.runs.failed = 900;
        fast.runs.failures = vec![
            failure("no-stock", Some(409), 800),
            failure("status", Some(500), 100),
        ];
        fast.answers.failed = 600;
        fast.runs.succeeded = 2_000;
    }),
    Case(
        "half of the runs fail, each in its way",
        Cause::OneFailure,
        FAST,
        |it| {
            let fast = workers(it, 0);
            fast.runs.succeeded = 1_200;
            fast.runs.failed = 1_800;
            let statuses = (400..424).map(|status| failure("status", Some(status), 75));
            fast.runs.failures = statuses.collect();
            fast.answers.failed = 1_200;
        },
    ),
    Case(
        "runs fail in many ways, and the rate is too low",
        Cause::RetriesUseRate,
        FAST,
        |it| {
            late(it, 60.0, 9_000);
            limit(it, 105.0);
            it.stages[0].settings.max_attempts = 20;
            let fast = workers(it, 0);
            fast.arrivals.producer = 800;
            fast.runs.succeeded = 760;
            fast.runs.failed = 1_840;
            fast.runs.failures = vec![
                failure("other", None, 1_700),
                failure("no-stock", Some(409), 140),
            ];
            fast.answers.done = 770;
            fast.answers.failed = 1_830;
        },
    ),
    Case(
        "most tasks need several attempts, and the rate is too low",
        Cause::OneFailure,
        FAST,
        |it| {
            late(it, 60.0, 9_000);
            limit(it, 105.0);
            let fast = workers(it, 0);
            fast.arrivals.producer = 800;
            fast.runs.succeeded = 760;
            fast.runs.failed = 1_840;
            fast.runs.failures = vec![failure("status", Some(400), 1_840)];
            fast.answers.done = 770;
            fast.answers.failed = 1_830;
        },
    ),
    Case(
        "a third of the runs fails with what is new",
        Cause::OneFailure,
        FAST,
        |it| {
            let fast = workers(it, 0);
            fast.runs.failed = 900;
            fast.runs.failures = vec![
                failure("other", None, 800),
                failure("status", Some(500), 100),
            ];
            fast.answers.failed = 600;
            fast.runs.succeeded = 2_000;
        },
    ),
    Case("the handler takes longer", Cause::HandlerSlow, FAST, |it| {
        let fast = workers(it, 0);
        fast.runs.p50 = Some(seconds(1.5));
        fast.runs.p95 = Some(seconds(3.0));
        late(it, 20.0, 2_500);
        queue(it, 0).in_flight = 200;
    }),
    Case("Cloud Tasks throttles", Cause::Throttled, FAST, |it| {
        late(it, 40.0, 4_000);
        dispatches(it, 22);
        queue(it, 0).effective_rate = 25.0;
    }),
    Case("pods are too few", Cause::NoRunSlots, FAST, |it| {
        let fast = workers(it, 0);
        fast.answers.no_room = 800;
        fast.runs_in_progress = 40;
        fast.run_slots = 40;
        queue(it, 0).effective_rate = 60.0;
        late(it, 30.0, 5_000);
    }),
    Case("the rate was always too low", Cause::AtRate, FAST, |it| {
        late(it, 840.0, 18_000);
        limit(it, 105.0);
        workers(it, 0).before = None;
    }),
    Case(
        "a surge begins, and the window is longer",
        Cause::AtRate,
        FAST,
        |it| {
            late(it, 8.0, 4_000);
            limit(it, 180.0);
        },
    ),
    Case("Cloud Tasks shows nothing", Cause::AtRate, FAST, |it| {
        late(it, 40.0, 4_000);
        limit(it, 105.0);
        it.stages[0].queue_numbers = Known::Unknown {
            unknown: Unknown::Unimplemented,
        };
    }),
    Case(
        "the concurrency is too low",
        Cause::AtConcurrency,
        FAST,
        |it| {
            late(it, 60.0, 6_000);
            queue(it, 0).in_flight = 196;
        },
    ),
    Case(
        "a few tasks are tried all the time",
        Cause::RetriesUseRate,
        FAST,
        |it| {
            late(it, 60.0, 9_000);
            limit(it, 105.0);
            it.stages[0].settings.max_attempts = 50;
            let fast = workers(it, 0);
            fast.arrivals.producer = 800;
            fast.runs.succeeded = 760;
            fast.runs.failed = 1_840;
            fast.runs.failures = vec![failure("status", Some(400), 1_840)];
            fast.answers.done = 770;
            fast.answers.failed = 1_830;
        },
    ),
    Case("producers create more", Cause::ProducerSurge, FAST, |it| {
        late(it, 30.0, 20_000);
        limit(it, 300.0);
        dispatches(it, 290);
    }),
    Case(
        "the next stage is slower",
        Cause::NextStageFills,
        SLOW,
        |it| {
            workers(it, 0).handed_on = 500;
            let slow = queue(it, 1);
            slow.tasks = 3_000;
            slow.lag = Some(seconds(140.0));
            slow.effective_rate = 2.6;
            it.stages[1].settings.max_dispatches_per_second = Some(2.6);
            workers(it, 1).lag_p95 = Some(seconds(120.0));
        },
    ),
    Case("the receiver is down", Cause::NotifierBacklog, None, |it| {
        let Known::Known(numbers) = &mut it.notifier.queue_numbers else {
            return;
        };
        numbers.tasks = 12_000;
        numbers.lag = Some(seconds(0.4));
    }),
    Case(
        "tasks are older than giveUpAfter",
        Cause::TasksExpire,
        SLOW,
        |it| {
            workers(it, 1).expiring = 2;
        },
    ),
    Case(
        "the parking queue was deleted while tasks fail",
        Cause::NotParked,
        SLOW,
        |it| {
            parks(it, 0, 0.0);
            workers(it, 1).not_parked = 12;
        },
    ),
    Case(
        "nobody looks at what is parked",
        Cause::ParkedExpire,
        None,
        |it| {
            parks(it, 380, 28.5 * 86_400.0);
        },
    ),
    Case("tasks are parked", Cause::Parked, None, |it| {
        parks(it, 380, 7_200.0);
    }),
    Case("a task is parked", Cause::Parked, None, |it| {
        parks(it, 1, 60.0);
    }),
    Case(
        "a backoff was changed with gcloud",
        Cause::Drifted,
        None,
        |it| {
            it.drift = Some(
                "incoming has backoff 1s, the spec says backoff 5s; driftPolicy is Report".into(),
            );
        },
    ),
    Case(
        "a rate was changed with gcloud",
        Cause::Drifted,
        None,
        |it| {
            it.drift = Some(
                "incoming has rate 105/s, the spec says rate 500/s; driftPolicy is Report".into(),
            );
            late(it, 60.0, 9_000);
            limit(it, 105.0);
        },
    ),
];

fn paused(chain: &mut LiveChain, by: PausedBy) {
    chain.stages[0].state = StageState::Paused {
        by,
        message: None,
        since: Some(at(-300)),
    };
    late(chain, 300.0, 30_000);
    queue(chain, 0).executed_last_minute = 0;
}

/// All runs of the first stage fail in one way.
pub fn fails(chain: &mut LiveChain, reason: &str, status: Option<u16>, runs: u64) {
    let fast = workers(chain, 0);
    fast.runs = Runs {
        failed: runs,
        failures: vec![failure(reason, status, runs)],
        ..durations(0.03, 0.12)
    };
    fast.answers = Answers {
        done: runs / 3,
        failed: runs * 2 / 3,
        ..Answers::default()
    };
    fast.handed_on = runs / 3;
}

/// So many pods of the first stage hold.
pub fn holds(chain: &mut LiveChain, pods: u32) {
    late(chain, 120.0, 12_000);
    chain.stages[0].settings.hold_on_outage = Some(seconds(1_800.0));
    let fast = workers(chain, 0);
    fast.pods_holding = pods;
    fast.answers = Answers {
        held: 2_000,
        ..Answers::default()
    };
    fast.handed_on = 0;
    queue(chain, 0).effective_rate = 60.0;
}

/// So many categories of the first stage are isolated, and so many of its tasks have left for that.
pub fn isolates(chain: &mut LiveChain, categories: u32, tasks: u64) {
    chain.stages[0].isolates_to = vec!["slow".into()];
    let fast = workers(chain, 0);
    fast.isolated_categories = categories;
    fast.isolated.failures = tasks;
    fast.arrivals.producer += tasks;
    fast.answers.done += tasks;
    fast.handed_on += tasks;
}

/// So many tasks are parked, the first for so many seconds.
pub fn parks(chain: &mut LiveChain, tasks: u64, age: f64) {
    let has_some = tasks > 0;
    chain.parking = Some(LiveParking {
        queue: "orders-parked".into(),
        queue_numbers: Known::Known(QueueNumbers {
            tasks,
            first_due: has_some.then(|| at(0) - seconds(age)),
            lag: Some(seconds(age)),
            ..empty(500.0)
        }),
    });
}

/// Pushes of the first stage are so late, and so many tasks wait.
pub fn late(chain: &mut LiveChain, late: f64, waiting: u64) {
    workers(chain, 0).lag_p95 = Some(seconds(late));
    let numbers = queue(chain, 0);
    numbers.lag = Some(seconds(late * 1.2));
    numbers.tasks = waiting;
}

/// The first stage may dispatch so much.
pub fn limit(chain: &mut LiveChain, limit: f64) {
    chain.stages[0].settings.max_dispatches_per_second = Some(limit);
    queue(chain, 0).effective_rate = limit;
}

/// The first stage dispatches so much a second.
fn dispatches(chain: &mut LiveChain, rate: u64) {
    queue(chain, 0).executed_last_minute = rate * 60;
    let fast = workers(chain, 0);
    let all = rate * 25;
    fast.runs.succeeded = all * 95 / 100;
    fast.runs.failed = all * 5 / 100;
    fast.runs.failures = vec![failure("status", Some(500), fast.runs.failed)];
    fast.arrivals.producer = all * 95 / 100;
    fast.answers.done = all * 95 / 100;
    fast.answers.failed = all * 5 / 100;
}

#[test]
fn each_cause_is_found_first() {
    let mut transcript = String::new();
    for Case(name, cause, stage, change) in CASES {
        let mut chain = chain();
        change(&mut chain);
        chain.findings = why(&chain);
        let first = chain.findings.first();
        let found = first.map(|it| (it.cause, it.stage.as_deref()));
        assert_eq!(
            found,
            Some((*cause, *stage)),
            "{name}: {:#?}",
            chain.findings
        );
        let _ = writeln!(transcript, "## {name}\n{}", console::text::why(&chain));
    }
    insta::assert_snapshot!(transcript);
}

#[test]
fn each_cause_has_a_situation() {
    let found: BTreeSet<Cause> = CASES.iter().map(|case| case.1).collect();
    let all: BTreeSet<Cause> = Cause::ALL.iter().copied().collect();
    assert_eq!(found, all);
}

#[test]
fn own_findings_are_ignored() {
    let mut chain = chain();
    chain.drift = Some("incoming was deleted".into());
    chain.findings = why(&chain);
    assert_eq!(why(&chain), chain.findings);
    assert_eq!(chain.findings.len(), 1);
}

#[test]
fn every_command_names_the_chain_and_its_namespace() {
    for Case(name, _, _, change) in CASES {
        let mut chain = chain();
        change(&mut chain);
        for finding in why(&chain) {
            let command = &finding.command;
            assert!(command.starts_with("kubectl "), "{name}: {command}");
            assert!(command.contains(" -n shop"), "{name}: {command}");
            let is_named = command.contains("orders") || command.contains("chain undo inc-42 ");
            assert!(is_named, "{name}: {command}");
        }
    }
}

#[test]
fn a_patch_is_json_for_its_stage() {
    let mut chain = chain();
    let mut command = |by| {
        chain.stages[2].state = StageState::Paused {
            by,
            message: None,
            since: None,
        };
        why(&chain).remove(0).command
    };
    let command_of_spec = command(PausedBy::Spec);
    let patch = command_of_spec.split('\'').nth(1).unwrap();
    let patch: serde_json::Value = serde_json::from_str(patch).unwrap();
    assert_eq!(patch[0]["value"], "last");
    assert_eq!(patch[1]["path"], "/spec/stages/2/paused");
    chain.stages[2].overrides = vec![overridden("paused")];
    let mut command = |by| {
        chain.stages[2].state = StageState::Paused {
            by,
            message: None,
            since: None,
        };
        why(&chain).remove(0).command
    };
    assert_eq!(
        command(PausedBy::Override),
        "kubectl chain undo inc-42 -n shop"
    );
    // It was paused for a reason, which the command must not undo.
    assert_eq!(
        command(PausedBy::Outside),
        "kubectl describe chain orders -n shop"
    );
}

fn overridden(field: &str) -> LiveOverride {
    LiveOverride {
        name: "inc-42".into(),
        until: "2026-11-29T18:30:00Z".parse().unwrap(),
        fields: vec![field.into()],
        settings: "15/s, overridden with 5/s".into(),
        comparison: None,
    }
}

/// Who raises the limit of the spec changes nothing while an override is in force.
#[test]
fn a_limit_that_an_override_sets_is_lifted_by_its_end() {
    let mut chain = chain();
    late(&mut chain, 840.0, 18_000);
    limit(&mut chain, 105.0);
    workers(&mut chain, 0).before = None;
    let at_rate = |chain: &LiveChain| {
        let mut found = why(chain).into_iter();
        found
            .find(|it| it.cause == Cause::AtRate)
            .expect("it is at its rate")
    };
    assert_eq!(at_rate(&chain).command, "kubectl edit chain orders -n shop");
    chain.stages[0].overrides = vec![overridden("maxDispatchesPerSecond")];
    let found = at_rate(&chain);
    assert_eq!(found.command, "kubectl chain undo inc-42 -n shop");
    assert!(
        found
            .message
            .contains("set by the override inc-42 until 2026-11-29T18:30:00Z"),
        "{}",
        found.message
    );
}

/// A stage that is paused has no other limits, and its workers no pods.
#[test]
fn what_follows_from_a_cause_comes_after_it() {
    let mut chain = chain();
    paused(&mut chain, PausedBy::Operator);
    chain.stages[0].pods = Pods {
        ready: 0,
        desired: 2,
    };
    let causes: Vec<Cause> = why(&chain).iter().map(|it| it.cause).collect();
    assert_eq!(causes, [Cause::NoReadyPod, Cause::PausedByOperator]);
}
