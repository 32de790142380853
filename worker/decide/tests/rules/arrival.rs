//! Rules A1 to A6, row by row. N is 3.

use std::time::Duration;

use crate::chain::{delivery, policy, queue};
use decide::Answer::{Done, HandOverPending, NoCapacity, NotificationPending, Unknown};
use decide::{
    Answer, ArrivalDecision, ArrivalInputs, Creation, Finish, NotifyOn, Outcome, RequiredInput,
    RouteTarget, RunSlot, StagePolicy, SuccessorLookup, TaskAge, TaskReason, on_arrival,
};

/// What the caller finds out, if asked.
#[derive(Clone, Copy)]
struct World {
    ends: SuccessorLookup,
    age: TaskAge,
    room: RunSlot,
}

const QUIET: World = World {
    ends: SuccessorLookup::NotFound,
    age: age(1, 1),
    room: RunSlot::Acquired,
};
const OLD: TaskAge = age(101, 101);

const fn age(created: u64, dispatched: u64) -> TaskAge {
    TaskAge::Known {
        created: Duration::from_secs(created),
        dispatched: Duration::from_secs(dispatched),
    }
}

#[derive(Debug, PartialEq)]
enum Then {
    Run,
    LastTry,
    Answer(Answer),
    HandOver(&'static str, TaskReason, u32, Answer),
    End(Outcome, TaskReason, u32, Answer),
}

/// Asks as the worker does, and notes the questions.
fn decide(r: u32, e: u32, p: Option<u16>, policy: &StagePolicy, world: World) -> (String, Then) {
    decide_about(&delivery(r, e, p), policy, world)
}

fn decide_about(delivery: &decide::Delivery, policy: &StagePolicy, world: World) -> (String, Then) {
    let mut inputs = ArrivalInputs::default();
    let mut asked = String::new();
    loop {
        match on_arrival(delivery, policy, &inputs) {
            ArrivalDecision::Needs(RequiredInput::Successor) => {
                asked.push('e');
                assert!(
                    inputs.successor.replace(world.ends).is_none(),
                    "asked twice"
                );
            }
            ArrivalDecision::Needs(RequiredInput::TaskAge) => {
                asked.push('a');
                assert!(inputs.age.replace(world.age).is_none(), "asked twice");
            }
            ArrivalDecision::Needs(RequiredInput::RunSlot) => {
                asked.push('r');
                assert!(inputs.run_slot.replace(world.room).is_none(), "asked twice");
            }
            ArrivalDecision::Run => return (asked, Then::Run),
            ArrivalDecision::LastTry => return (asked, Then::LastTry),
            ArrivalDecision::Finish(Finish::Answer(answer)) => {
                return (asked, Then::Answer(answer));
            }
            ArrivalDecision::Finish(Finish::Create(pending)) => {
                assert!(!pending.folded);
                let then = match pending.creation {
                    Creation::NextTask(to) => {
                        let to = if to == queue("incoming-2") {
                            "next"
                        } else {
                            "elsewhere"
                        };
                        Then::HandOver(
                            to,
                            pending.reason,
                            pending.attempts,
                            pending.answer_on_failure,
                        )
                    }
                    Creation::Notification(outcome) => Then::End(
                        outcome,
                        pending.reason,
                        pending.attempts,
                        pending.answer_on_failure,
                    ),
                };
                return (asked, then);
            }
        }
    }
}

#[test]
fn every_case_of_the_arrival_rules_is_decided() {
    use Then::{Answer as Says, End, HandOver, LastTry, Run};
    let ends = |ends| World { ends, ..QUIET };
    let (found, unknown) = (ends(SuccessorLookup::Found), ends(SuccessorLookup::Unknown));
    let room = |room| World { room, ..QUIET };
    let (full, twin) = (room(RunSlot::NoneFree), room(RunSlot::TaskInFlight));
    let of_age = |age| World { age, ..QUIET };
    let aged = |created, dispatched| of_age(age(created, dispatched));
    let (old, ageless) = (of_age(OLD), of_age(TaskAge::Unknown));
    let next =
        |reason, attempts, answer_on_failure| HandOver("next", reason, attempts, answer_on_failure);
    let exhausted = |attempts| next(TaskReason::EXHAUSTED, attempts, HandOverPending);
    let expired = |attempts| next(TaskReason::EXPIRED, attempts, Unknown);
    let told = |attempts| {
        End(
            Outcome::Succeeded,
            TaskReason::SUCCEEDED,
            attempts,
            NotificationPending,
        )
    };

    #[rustfmt::skip]
    let rows = [
        // (name, R, E, P, world, questions, what then)
        ("A1: has succeeded, no run and no question", 1, 0, Some(597), full, "", told(1)),
        ("A1: before A2", 4, 1, Some(597), found, "", told(2)),
        ("A1: before A3", 9, 3, Some(597), QUIET, "", told(4)),
        ("A2: the first dispatch asks nothing", 0, 0, None, QUIET, "r", Run),
        ("A2: all answered, the last one failed", 2, 2, Some(477), QUIET, "r", Run),
        ("A2: an answer that isn't ours", 2, 2, Some(404), QUIET, "er", Run),
        ("A2: one unanswered", 2, 1, Some(477), QUIET, "er", Run),
        ("A2: unreachable before", 1, 0, Some(0), QUIET, "er", Run),
        ("A2: finished before", 1, 0, Some(504), found, "e", Says(Done)),
        ("A2: before A3", 3, 2, Some(596), found, "e", Says(Done)),
        ("A2: before A5", 1, 0, Some(504), World { room: RunSlot::NoneFree, ..found }, "e", Says(Done)),
        ("A2: can't ask", 1, 0, Some(504), unknown, "e", Says(Unknown)),
        ("A2: can't ask, A3 would apply", 3, 2, Some(596), unknown, "e", Says(HandOverPending)),
        ("A2: can't ask, A3 would apply", 4, 3, Some(477), unknown, "e", Says(HandOverPending)),
        ("A3: not handed over", 3, 2, Some(596), QUIET, "e", exhausted(3)),
        ("A3: not handed over, in the first attempt", 1, 0, Some(596), QUIET, "e", exhausted(1)),
        ("A3: used up after an edit", 3, 3, Some(477), QUIET, "", exhausted(3)),
        ("A3: more than used up", 7, 5, Some(477), QUIET, "e", exhausted(5)),
        ("A3: needs no room", 3, 3, Some(477), full, "", exhausted(3)),
        ("A3: a proxy's 404s are not attempts", 3, 3, Some(404), QUIET, "er", Run),
        ("A3: nor is one after our own", 4, 4, Some(429), QUIET, "er", Run),
        ("A4: not asked below 10", 9, 0, Some(503), old, "er", Run),
        ("A4: too old", 10, 0, Some(0), old, "ear", expired(0)),
        ("A4: too old, with attempts", 12, 2, Some(502), old, "ear", expired(2)),
        ("A4: needs no room", 10, 0, Some(0), World { age: OLD, ..full }, "ear", expired(0)),
        ("A4: runs here", 10, 0, Some(0), World { age: OLD, ..twin }, "ear", Says(NoCapacity)),
        ("A4: no handler so far", 12, 2, Some(503), old, "ear", LastTry),
        ("A4: no handler so far, no room", 12, 2, Some(503), World { age: OLD, ..full }, "ear", Says(NoCapacity)),
        ("A4: no handler so far, runs here", 12, 2, Some(503), World { age: OLD, ..twin }, "ear", Says(NoCapacity)),
        ("A4: twice too old", 12, 2, Some(503), aged(201, 201), "ear", expired(2)),
        ("A4: failed at its last try", 12, 2, Some(477), old, "ear", expired(2)),
        ("A4: created long before it was due", 10, 0, Some(0), aged(2_000_000, 1), "ear", Run),
        ("A4: Google deletes it soon", 10, 0, Some(0), aged(2_635_201, 1), "ear", expired(0)),
        ("A4: Google deletes it soon, no handler so far", 10, 0, Some(503), aged(2_635_201, 1), "ear", expired(0)),
        ("A4: young enough", 10, 0, Some(0), QUIET, "ear", Run),
        ("A4: age unknown", 10, 0, Some(0), ageless, "ear", Run),
        ("A4: A3 has the first word", 12, 2, Some(596), old, "e", exhausted(3)),
        ("A5: full", 0, 0, None, full, "r", Says(NoCapacity)),
        ("A5: runs here", 1, 0, Some(504), twin, "er", Says(NoCapacity)),
        ("A6: refused before", 200, 0, Some(503), QUIET, "ear", Run),
    ];
    for (name, r, e, p, world, questions, then) in rows {
        let (asked, got) = decide(r, e, p, &policy(3), world);
        assert_eq!((asked.as_str(), got), (questions, then), "{name}");
    }
}

#[test]
fn the_last_stage_ends_tasks_instead_of_handing_them_over() {
    let last = StagePolicy {
        downstream: None,
        ..policy(3)
    };
    for (r, e, p, reason, attempts, answer_on_failure) in [
        (3, 2, Some(596), TaskReason::EXHAUSTED, 3, HandOverPending),
        (3, 3, Some(477), TaskReason::EXHAUSTED, 3, HandOverPending),
        (10, 0, Some(0), TaskReason::EXPIRED, 0, Unknown),
    ] {
        let (_, then) = decide(r, e, p, &last, World { age: OLD, ..QUIET });
        assert_eq!(
            then,
            Then::End(Outcome::Failed, reason, attempts, answer_on_failure)
        );
    }
}

#[test]
fn an_outcome_that_notify_on_leaves_out_creates_no_notification() {
    let mut silent = StagePolicy {
        downstream: None,
        ..policy(3)
    };
    for on in [
        Some(NotifyOn {
            succeeded: false,
            failed: false,
        }),
        None,
    ] {
        match on {
            Some(on) => silent.notifier.as_mut().unwrap().on = on,
            None => silent.notifier = None,
        }
        for p in [596, 597] {
            assert_eq!(decide(3, 2, Some(p), &silent, QUIET).1, Then::Answer(Done));
        }
    }
}

#[test]
fn a_task_that_is_handed_over_in_a_loop_ends() {
    let mut circling = delivery(3, 3, Some(477));
    circling.ledger.hop = 63;
    let (_, then) = decide_about(&circling, &policy(3), QUIET);
    assert_eq!(
        then,
        Then::HandOver("next", TaskReason::EXHAUSTED, 3, HandOverPending)
    );
    circling.ledger.hop = 64;
    let (_, then) = decide_about(&circling, &policy(3), QUIET);
    assert_eq!(
        then,
        Then::End(Outcome::Failed, TaskReason::LOOP, 3, HandOverPending)
    );
}

#[test]
fn a_route_by_header_applies_after_the_lookup_and_before_the_run() {
    let routed = |r, e, p, to: RouteTarget| {
        let mut delivery = delivery(r, e, p);
        delivery.header_route = Some(to);
        delivery
    };
    let full = World {
        room: RunSlot::NoneFree,
        ..QUIET
    };
    let elsewhere = || RouteTarget::Queue(queue("slow"));
    let on_its_way = Then::HandOver("elsewhere", TaskReason::ROUTED, 0, Unknown);
    let failed = Then::End(Outcome::Failed, TaskReason::ROUTED, 0, Unknown);
    let found = World {
        ends: SuccessorLookup::Found,
        ..QUIET
    };
    for (r, e, p, to, world, questions, then) in [
        (0, 0, None, elsewhere(), full, "", on_its_way),
        (0, 0, None, RouteTarget::Fail, full, "", failed),
        (1, 0, Some(500), elsewhere(), found, "e", Then::Answer(Done)),
        // Used up before the route was there: the 596 must not be forgotten.
        (
            1,
            0,
            Some(596),
            elsewhere(),
            QUIET,
            "e",
            Then::HandOver("next", TaskReason::EXHAUSTED, 1, HandOverPending),
        ),
    ] {
        let (asked, got) = decide_about(&routed(r, e, p, to), &policy(3), world);
        assert_eq!((asked.as_str(), got), (questions, then));
    }
}

#[test]
fn successor_tasks_are_looked_up_on_every_queue_that_may_have_them() {
    let mut policy = policy(3);
    policy.routes = serde_json::from_str(
        r#"[{"match": {"reason": "timeout"}, "to": "projects/p/locations/l/queues/slow"}]"#,
    )
    .unwrap();
    let ledger = delivery(1, 0, None).ledger;
    let names = policy.successor_tasks(&ledger);
    let next = |id: &str| queue(id).task(ledger.root.task(1));
    let end = |id: &str| queue(id).task(ledger.root.notification());
    for name in [
        next("incoming-2"),
        next("retired"),
        next("slow"),
        end("notifier"),
        end("old-notifier"),
    ] {
        assert!(names.contains(&name), "{name}");
    }
    // On the first queue, where the task began, a producer may have used the name.
    assert_eq!(names.len(), 5);

    // A task that began elsewhere may have come from there, after the stages were reordered.
    policy.lookup_queues.swap(0, 1);
    assert!(policy.successor_tasks(&ledger).contains(&next("incoming")));
}

#[test]
fn a_ledger_of_a_newer_version_waits_for_a_newer_worker_and_not_forever() {
    use Then::{Answer as Says, End};
    let expired = TaskReason::EXPIRED;
    let old = World { age: OLD, ..QUIET };
    let found = SuccessorLookup::Found;
    for (r, e, p, world, questions, then) in [
        (0, 0, None, QUIET, "", Says(Unknown)),
        (9, 0, Some(500), old, "", Says(Unknown)),
        (9, 0, Some(597), old, "", Says(NotificationPending)),
        (10, 0, Some(500), QUIET, "a", Says(Unknown)),
        (
            10,
            0,
            Some(500),
            World {
                age: TaskAge::Unknown,
                ..QUIET
            },
            "a",
            Says(Unknown),
        ),
        (10, 0, Some(596), QUIET, "a", Says(HandOverPending)),
        (
            10,
            0,
            Some(500),
            World { ends: found, ..old },
            "ae",
            Says(Done),
        ),
        (
            10,
            0,
            Some(500),
            World {
                ends: SuccessorLookup::Unknown,
                ..old
            },
            "ae",
            Says(Unknown),
        ),
        (
            10,
            0,
            Some(500),
            old,
            "ae",
            End(Outcome::Failed, expired.clone(), 0, Unknown),
        ),
        (
            13,
            3,
            Some(477),
            old,
            "ae",
            End(Outcome::Failed, expired.clone(), 3, Unknown),
        ),
        (
            13,
            2,
            Some(596),
            old,
            "ae",
            End(Outcome::Failed, expired.clone(), 2, HandOverPending),
        ),
        (
            10,
            0,
            Some(597),
            old,
            "ae",
            End(Outcome::Succeeded, expired.clone(), 0, NotificationPending),
        ),
    ] {
        let mut delivery = delivery(r, e, p);
        delivery.ledger_error = Some(decide::LedgerError::NewerVersion(2));
        let (asked, got) = decide_about(&delivery, &policy(3), world);
        assert_eq!(
            (asked.as_str(), got),
            (questions, then),
            "R={r} E={e} P={p:?}"
        );
    }
}
