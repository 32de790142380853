//! Rules A1 to A6, row by row. N is 3.

use std::time::Duration;

use crate::chain::{delivery, policy, put_off, queue};
use decide::Answer::{Done, HandOverPending, Held, NoCapacity, NotificationPending, Unknown};
use decide::{
    Answer, ArrivalDecision, ArrivalInputs, Creation, Delivery, Finish, IsolationIndex, NotifyOn,
    Outcome, RequiredInput, RetryAfter, RouteTarget, RunSlot, StagePolicy, SuccessorLookup,
    TaskAge, TaskReason, on_arrival,
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

fn decide_about(delivery: &Delivery, policy: &StagePolicy, world: World) -> (String, Then) {
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
                    Creation::Later(_) => panic!("a task is put off after a run only"),
                    Creation::Parked(_) => panic!("this chain has no parking"),
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
    let (held, isolated) = (room(RunSlot::Held), room(ISOLATED));
    let too_old = |room| World {
        age: OLD,
        room,
        ..QUIET
    };
    let of_age = |age| World { age, ..QUIET };
    let aged = |created, dispatched| of_age(age(created, dispatched));
    let (old, ageless) = (of_age(OLD), of_age(TaskAge::Unknown));
    let next =
        |reason, attempts, answer_on_failure| HandOver("next", reason, attempts, answer_on_failure);
    let exhausted = |attempts| next(TaskReason::EXHAUSTED, attempts, HandOverPending);
    let expired = |attempts| next(TaskReason::EXPIRED, attempts, Unknown);
    let elsewhere = |attempts| HandOver("elsewhere", TaskReason::ISOLATED, attempts, Unknown);
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
        ("A1: before a hold", 1, 0, Some(597), held, "", told(1)),
        ("A1: before isolation", 1, 0, Some(597), isolated, "", told(1)),
        ("A2: before a hold", 1, 0, Some(503), World { room: RunSlot::Held, ..found }, "e", Says(Done)),
        ("A2: before isolation", 1, 0, Some(500), World { room: ISOLATED, ..found }, "e", Says(Done)),
        ("A2: can't ask, before a hold", 1, 0, Some(503), World { room: RunSlot::Held, ..unknown }, "e", Says(Unknown)),
        ("A2: can't ask, before isolation", 1, 0, Some(500), World { room: ISOLATED, ..unknown }, "e", Says(Unknown)),
        ("A3: before a hold", 3, 2, Some(596), held, "e", exhausted(3)),
        ("A3: before isolation", 3, 2, Some(596), isolated, "e", exhausted(3)),
        ("A3: after an edit, before a hold", 3, 3, Some(477), held, "", exhausted(3)),
        ("A3: after an edit, before isolation", 3, 3, Some(477), isolated, "", exhausted(3)),
        ("A4: too old to be held", 10, 0, Some(0), too_old(RunSlot::Held), "ear", expired(0)),
        ("A4: too old to be isolated", 10, 0, Some(0), too_old(ISOLATED), "ear", expired(0)),
        ("A4: held so far, and held", 12, 2, Some(503), too_old(RunSlot::Held), "ear", Says(Held)),
        ("A4: held so far, and isolated", 12, 2, Some(503), too_old(ISOLATED), "ear", expired(2)),
        ("A4: held so far, and held, twice too old", 12, 2, Some(503),
            World { age: age(201, 201), ..held }, "ear", expired(2)),
        ("A4: held so far, Google deletes it soon", 10, 0, Some(503),
            World { age: age(2_635_201, 1), ..held }, "ear", expired(0)),
        ("hold: the first dispatch", 0, 0, None, held, "r", Says(Held)),
        ("hold: after an attempt", 1, 1, Some(477), held, "r", Says(Held)),
        ("hold: after a hold", 3, 1, Some(503), held, "er", Says(Held)),
        ("hold: young enough", 10, 0, Some(503), held, "ear", Says(Held)),
        ("isolation: the first dispatch", 0, 0, None, isolated, "r", elsewhere(0)),
        ("isolation: with attempts", 2, 2, Some(477), isolated, "r", elsewhere(2)),
        ("isolation: failed before", 1, 0, Some(500), isolated, "er", elsewhere(0)),
        ("isolation: young enough", 10, 0, Some(503), isolated, "ear", elsewhere(0)),
    ];
    for (name, r, e, p, world, questions, then) in rows {
        let (asked, got) = decide(r, e, p, &isolating(), world);
        assert_eq!((asked.as_str(), got), (questions, then), "{name}");
    }
}

const ISOLATED: RunSlot = RunSlot::Isolated(IsolationIndex(0));

/// N is 3, and what is isolated goes to the queue "slow".
fn isolating() -> StagePolicy {
    let rules =
        r#"[{"header": "X-Tenant", "to": "projects/p/locations/l/queues/slow", "maxShare": 25}]"#;
    StagePolicy {
        isolation: serde_json::from_str(rules).unwrap(),
        ..policy(3)
    }
}

#[test]
fn what_an_unknown_rule_isolates_goes_to_the_next_stage() {
    let isolated = World {
        room: RunSlot::Isolated(IsolationIndex(1)),
        ..QUIET
    };
    let (_, then) = decide(0, 0, None, &isolating(), isolated);
    let next = Then::HandOver("next", TaskReason::ISOLATED, 0, Unknown);
    assert_eq!(then, next);
}

#[test]
fn a_route_by_header_comes_before_a_hold_and_isolation() {
    let mut routed = delivery(0, 0, None);
    routed.header_route = Some(RouteTarget::Fail);
    for room in [RunSlot::Held, ISOLATED] {
        let (asked, then) = decide_about(&routed, &isolating(), World { room, ..QUIET });
        let failed = Then::End(Outcome::Failed, TaskReason::ROUTED, 0, Unknown);
        assert_eq!((asked.as_str(), then), ("", failed));
    }
}

/// The attempts of before count, and R and E of this name decide what is asked.
#[test]
fn a_task_that_was_put_off_goes_on_where_it_was() {
    use Then::{Answer as Says, HandOver, Run};
    let (full, held) = (RunSlot::NoneFree, RunSlot::Held);
    let exhausted = |attempts| HandOver("next", TaskReason::EXHAUSTED, attempts, HandOverPending);
    #[rustfmt::skip]
    let rows = [
        // (name, attempts before, dispatches before, R, E, P, run slot, questions, what then)
        ("comes again", 1, 1, 0, 0, None, RunSlot::Acquired, "r", Run),
        ("comes again, and waits", 1, 1, 0, 0, None, held, "r", Says(Held)),
        ("has failed here", 1, 1, 1, 1, Some(477), RunSlot::Acquired, "r", Run),
        ("A3: used up", 2, 2, 1, 1, Some(477), full, "", exhausted(3)),
        ("A3: not handed over", 2, 2, 1, 0, Some(596), full, "e", exhausted(3)),
        ("A1", 1, 1, 1, 0, Some(597), full, "",
            Then::End(Outcome::Succeeded, TaskReason::SUCCEEDED, 2, NotificationPending)),
        ("A3: a proxy's 404s before it was put off are not attempts", 3, 4, 0, 0, None, RunSlot::Acquired, "r", Run),
        ("A3: nor are those after it", 2, 2, 1, 1, Some(404), RunSlot::Acquired, "er", Run),
        ("A4: dispatches of before are no reason to ask", 0, 20, 0, 0, None, RunSlot::Acquired, "r", Run),
        ("isolation", 2, 2, 0, 0, None, ISOLATED, "r", HandOver("elsewhere", TaskReason::ISOLATED, 2, Unknown)),
    ];
    for (name, attempts, dispatches, r, e, p, room, questions, then) in rows {
        let task = put_off(attempts, dispatches, delivery(r, e, p));
        let (asked, got) = decide_about(&task, &isolating(), World { room, ..QUIET });
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
    let isolated = World {
        room: ISOLATED,
        ..QUIET
    };
    circling.previous_response = None;
    let (_, then) = decide_about(&circling, &isolating(), isolated);
    assert_eq!(
        then,
        Then::End(Outcome::Failed, TaskReason::LOOP, 3, Unknown)
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
    // The task itself, put off, whose name no hand-over has.
    assert!(names.contains(&queue("incoming").task(ledger.later_task())));
    // On the first queue, where the task began, a producer may have used the name.
    assert_eq!(names.len(), 6);
    let isolating = StagePolicy {
        isolation: isolating().isolation,
        ..crate::chain::policy(3)
    };
    assert!(isolating.successor_tasks(&ledger).contains(&next("slow")));
    // A worker may have put it off before an edit.
    let ignoring = StagePolicy {
        retry_after: RetryAfter::Ignore,
        ..policy.clone()
    };
    assert_eq!(ignoring.successor_tasks(&ledger), names);
    let later = put_off(1, 1, delivery(0, 0, None)).ledger;
    let again = queue("incoming").task(later.later_task());
    assert_ne!(later.later_task(), ledger.later_task());
    assert!(policy.successor_tasks(&later).contains(&again));

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
        delivery.ledger_error = Some(decide::LedgerError::NewerVersion(3));
        let (asked, got) = decide_about(&delivery, &policy(3), world);
        assert_eq!(
            (asked.as_str(), got),
            (questions, then),
            "R={r} E={e} P={p:?}"
        );
    }
}

#[test]
fn a_task_that_only_waits_needs_no_lookups_while_the_worker_holds() {
    let inputs = ArrivalInputs {
        must_wait: true,
        ..ArrivalInputs::default()
    };
    let held = ArrivalDecision::Finish(Finish::Answer(Held));
    let needs_successor = ArrivalDecision::Needs(RequiredInput::Successor);
    for (r, e, p, then) in [
        (1, 0, 503, held.clone()),
        (29, 0, 503, held.clone()),
        (2, 1, 503, held),
        // Now and then it is looked up, so that what is done, or too old, ends.
        (10, 0, 503, needs_successor.clone()),
        (31, 1, 503, needs_successor.clone()),
        // Another answer may have a meaning.
        (1, 0, 500, needs_successor.clone()),
        (1, 0, 596, needs_successor),
        (2, 2, 477, ArrivalDecision::Needs(RequiredInput::RunSlot)),
    ] {
        let delivery = delivery(r, e, Some(p));
        assert_eq!(
            on_arrival(&delivery, &policy(9), &inputs),
            then,
            "{r} {e} {p}"
        );
    }
}
