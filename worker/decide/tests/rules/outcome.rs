//! Rules B1 to B5, row by row. N is 3.

use std::time::Duration;

use crate::chain::{delivery, policy, put_off, queue};
use decide::Answer::{
    Done, Failed, HandOverPending, Held, NoCapacity, NotificationPending, Unknown,
};
use decide::{
    AfterRun, Answer, CreateResult, Creation, Delivery, FailedAttempt, Finish, NotifyOn, Outcome,
    PendingCreate, RetryAfter, RunResult, Sign, StagePolicy, TaskReason, Verdict, after_create,
    after_last_try, after_run, sign_of,
};

fn pending(
    creation: Creation,
    reason: &TaskReason,
    attempts: u32,
    answer_on_failure: Answer,
) -> Finish {
    Finish::Create(PendingCreate {
        creation,
        reason: reason.clone(),
        attempts,
        folded: false,
        may_stay: false,
        answer_on_failure,
    })
}

const HEARD: AfterRun = AfterRun {
    caller_gone: false,
    holding: false,
};
const GONE: AfterRun = AfterRun {
    caller_gone: true,
    ..HEARD
};
const HOLDING: AfterRun = AfterRun {
    holding: true,
    ..HEARD
};
const GONE_AND_HOLDING: AfterRun = AfterRun {
    caller_gone: true,
    ..HOLDING
};

fn next(id: &str) -> Creation {
    Creation::NextTask(queue(id))
}

const END: Creation = Creation::Notification(Outcome::Failed);

#[test]
fn every_case_after_a_run_is_decided() {
    let mut policy = policy(3);
    policy.routes = serde_json::from_str(
        r#"[{"match": {"reason": "big"}, "to": "projects/p/locations/l/queues/slow"},
            {"match": {"status": "4xx"}, "to": "fail"}]"#,
    )
    .unwrap();
    let failed = |status, verdict, reason: &str| {
        RunResult::Failed(FailedAttempt {
            status,
            verdict,
            reason: reason.parse().unwrap(),
            retry_after: None,
        })
    };
    let plain = || failed(Some(500), None, "status");
    let timeout = || failed(None, None, "timeout");
    let (status, late, big) = (
        TaskReason::STATUS,
        TaskReason::TIMEOUT,
        "big".parse().unwrap(),
    );
    let says = |verdict| failed(Some(500), Some(verdict), "status");

    #[rustfmt::skip]
    let rows = [
        // (name, R, E, run, caller gone, what then)
        ("B1", 0, 0, RunResult::Succeeded { status: 204 }, false,
            pending(Creation::Notification(Outcome::Succeeded), &TaskReason::SUCCEEDED, 1, NotificationPending)),
        ("B1: budget used up", 5, 4, RunResult::Succeeded { status: 200 }, true,
            pending(Creation::Notification(Outcome::Succeeded), &TaskReason::SUCCEEDED, 5, NotificationPending)),
        ("never sent", 2, 2, RunResult::Unreachable, false, Finish::Answer(NoCapacity)),
        ("never sent, caller gone", 9, 2, RunResult::Unreachable, true, Finish::Answer(NoCapacity)),
        ("B2: first", 0, 0, plain(), false, Finish::Answer(Failed)),
        ("B2: second", 1, 1, timeout(), false, Finish::Answer(Failed)),
        ("B2: dispatches that nobody answered cost nothing", 200, 1, plain(), false, Finish::Answer(Failed)),
        ("B2: retry is the same", 0, 0, says(Verdict::Retry), false, Finish::Answer(Failed)),
        ("B3: third", 2, 2, plain(), false, pending(next("incoming-2"), &status, 3, HandOverPending)),
        ("B3: N was lowered", 7, 7, timeout(), false, pending(next("incoming-2"), &late, 8, HandOverPending)),
        ("B3: retry can't stretch it", 2, 2, says(Verdict::Retry), false,
            pending(next("incoming-2"), &status, 3, HandOverPending)),
        ("B3: hung up too early", 1, 0, timeout(), true, Finish::Answer(Failed)),
        ("B3: hung up each time", 2, 0, timeout(), true, pending(next("incoming-2"), &late, 1, HandOverPending)),
        ("B3: waits still", 2, 0, timeout(), false, Finish::Answer(Failed)),
        ("B4: escalate", 0, 0, says(Verdict::Escalate), false, pending(next("incoming-2"), &status, 1, Unknown)),
        ("B4: fail", 0, 0, says(Verdict::Fail), false, pending(END, &status, 1, Unknown)),
        ("B4: with the budget used up too", 2, 2, says(Verdict::Fail), false, pending(END, &status, 3, Unknown)),
        ("B4: route by reason", 0, 0, failed(Some(500), None, "big"), false, pending(next("slow"), &big, 1, Unknown)),
        ("B4: route by status", 0, 0, failed(Some(418), None, "status"), false, pending(END, &status, 1, Unknown)),
        ("B4: the first route wins", 0, 0, failed(Some(418), None, "big"), false, pending(next("slow"), &big, 1, Unknown)),
        ("B4: a route says where a verdict leads", 0, 0, failed(Some(500), Some(Verdict::Escalate), "big"), false,
            pending(next("slow"), &big, 1, Unknown)),
    ];
    for (name, r, e, run, gone, then) in rows {
        let finish = after_run(
            &delivery(r, e, None),
            &policy,
            &run,
            if gone { GONE } else { HEARD },
        );
        assert_eq!(finish, then, "{name}");
    }
}

#[test]
fn the_last_stage_ends_tasks_instead_of_handing_them_over() {
    let last = StagePolicy {
        downstream: None,
        ..policy(1)
    };
    let failure = |verdict| {
        RunResult::Failed(FailedAttempt {
            status: Some(500),
            verdict,
            reason: TaskReason::STATUS,
            retry_after: None,
        })
    };
    for (verdict, answer_on_failure) in
        [(None, HandOverPending), (Some(Verdict::Escalate), Unknown)]
    {
        let then = after_run(&delivery(0, 0, None), &last, &failure(verdict), HEARD);
        let end = pending(END, &TaskReason::STATUS, 1, answer_on_failure);
        assert_eq!(then, end);
    }
}

#[test]
fn an_outcome_that_notify_on_leaves_out_creates_no_notification() {
    let mut silent = policy(3);
    silent.notifier.as_mut().unwrap().on = NotifyOn {
        succeeded: false,
        failed: true,
    };
    let success = RunResult::Succeeded { status: 200 };
    let finish = after_run(&delivery(0, 0, None), &silent, &success, HEARD);
    assert_eq!(finish, Finish::Answer(Done));
}

#[test]
fn the_result_of_a_create_decides_the_answer() {
    let (delivery, policy) = (delivery(2, 2, Some(477)), policy(3));
    let pending = |creation, folded| PendingCreate {
        creation,
        reason: TaskReason::STATUS,
        attempts: 3,
        folded,
        may_stay: false,
        answer_on_failure: HandOverPending,
    };
    let after =
        |creation, folded, end| after_create(&delivery, &policy, pending(creation, folded), end);
    for creation in [next("incoming-2"), END] {
        let is = |end| after(creation.clone(), false, end);
        assert_eq!(is(CreateResult::Exists), Finish::Answer(Done));
        assert_eq!(is(CreateResult::Deleted), Finish::Answer(Done));
        assert_eq!(is(CreateResult::Unknown), Finish::Answer(HandOverPending));
        for missing in [CreateResult::NotCreated, CreateResult::NoQueue] {
            assert_eq!(is(missing), Finish::Answer(HandOverPending));
        }
        // B5: once more, without what can be left out.
        let folded = Finish::Create(pending(creation.clone(), true));
        assert_eq!(is(CreateResult::Refused), folded);
    }
    assert_eq!(
        after(next("incoming-2"), true, CreateResult::Refused),
        Finish::Create(PendingCreate {
            reason: TaskReason::UNPASSABLE,
            ..pending(END, false)
        })
    );
    let finish = after(END, true, CreateResult::Refused);
    assert_eq!(finish, Finish::Answer(HandOverPending));
    // A task that leaves for the sake of others stays if it can't.
    let isolated = |folded| PendingCreate {
        may_stay: true,
        ..pending(next("incoming-2"), folded)
    };
    let refused =
        |folded| after_create(&delivery, &policy, isolated(folded), CreateResult::Refused);
    assert_eq!(refused(false), Finish::Create(isolated(true)));
    assert_eq!(refused(true), Finish::Answer(NoCapacity));
}

#[test]
fn the_last_try_of_a_task_gives_it_up_only_if_the_handler_is_not_reached() {
    let (delivery, policy) = (delivery(12, 0, Some(503)), policy(3));
    let after = |run| after_last_try(&delivery, &policy, &run, HEARD);
    assert_eq!(
        after(RunResult::Unreachable),
        pending(next("incoming-2"), &TaskReason::EXPIRED, 0, Unknown)
    );
    for run in [
        RunResult::Succeeded { status: 200 },
        RunResult::Failed(FailedAttempt {
            status: Some(500),
            verdict: None,
            reason: TaskReason::STATUS,
            retry_after: None,
        }),
    ] {
        assert_eq!(
            after(run.clone()),
            after_run(&delivery, &policy, &run, HEARD)
        );
    }
}

/// A run that failed with 429, and what the handler said.
fn busy(verdict: Option<Verdict>, retry_after: Option<u64>) -> RunResult {
    RunResult::Failed(FailedAttempt {
        status: Some(429),
        verdict,
        reason: TaskReason::STATUS,
        retry_after: retry_after.map(Duration::from_secs),
    })
}

fn later(seconds: u64, attempts: u32, answer_on_failure: Answer) -> Finish {
    let delay = Duration::from_secs(seconds);
    pending(
        Creation::Later(delay),
        &TaskReason::STATUS,
        attempts,
        answer_on_failure,
    )
}

/// A stage that gives up after a week, with routes for two statuses.
fn patient() -> StagePolicy {
    let routes = r#"[{"match": {"status": "418"}, "to": "projects/p/locations/l/queues/slow"}]"#;
    StagePolicy {
        give_up_after: Duration::from_hours(7 * 24),
        routes: serde_json::from_str(routes).unwrap(),
        ..policy(3)
    }
}

#[test]
fn the_handler_says_when_the_task_comes_again() {
    const DAY: u64 = 24 * 60 * 60;
    let says_later = |after| busy(Some(Verdict::Later), after);
    let retry_after = |seconds| busy(None, Some(seconds));
    let (first, third) = (delivery(0, 0, None), delivery(2, 2, Some(477)));
    let status = TaskReason::STATUS;
    let expired = |attempts| pending(next("incoming-2"), &TaskReason::EXPIRED, attempts, Unknown);
    let stayed = |hours: u64, seconds| Delivery {
        stayed: Duration::from_secs(hours * 3600 + seconds),
        ..put_off(1, 4, delivery(0, 0, None))
    };
    let routed = |verdict, retry_after: u64| {
        RunResult::Failed(FailedAttempt {
            status: Some(418),
            verdict,
            reason: TaskReason::STATUS,
            retry_after: Some(Duration::from_secs(retry_after)),
        })
    };

    #[rustfmt::skip]
    let rows = [
        // (name, delivery, run, what is known, what then)
        ("later: a minute, if not told", &first, says_later(None), HEARD, later(60, 0, Unknown)),
        ("later: as told", &first, says_later(Some(7)), HEARD, later(7, 0, Unknown)),
        ("later: a second at least", &first, says_later(Some(0)), HEARD, later(1, 0, Unknown)),
        ("later: a day at most", &first, says_later(Some(u64::MAX)), HEARD, later(DAY, 0, Unknown)),
        ("later: no attempt, not even the last", &third, says_later(None), HEARD, later(60, 2, Unknown)),
        ("later: no attempt, though the caller is gone", &third, says_later(None), GONE, later(60, 2, Unknown)),
        ("later: before a hold", &first, says_later(None), HOLDING, later(60, 0, Unknown)),
        ("later: a route comes first", &first, routed(Some(Verdict::Later), 7), HEARD,
            pending(next("slow"), &status, 1, Unknown)),
        ("later: with the attempts of before", &stayed(0, 0), says_later(None), HEARD, later(60, 1, Unknown)),
        ("later: in time, just", &stayed(167, 3540), says_later(None), HEARD, later(60, 1, Unknown)),
        ("later: for too long", &stayed(167, 3541), says_later(None), HEARD, expired(1)),
        ("later: for too long, and held", &stayed(167, 3541), says_later(None), HOLDING, expired(1)),
        ("Retry-After: one attempt", &first, retry_after(7), HEARD, later(7, 1, Failed)),
        ("Retry-After: the verdict says the same", &first, busy(Some(Verdict::Retry), Some(7)), HEARD, later(7, 1, Failed)),
        ("Retry-After: below a second it is no time", &first, retry_after(0), HEARD, Finish::Answer(Failed)),
        ("Retry-After: a second", &first, retry_after(1), HEARD, later(1, 1, Failed)),
        ("Retry-After: a day", &first, retry_after(DAY), HEARD, later(DAY, 1, Failed)),
        ("Retry-After: a day at most", &first, retry_after(DAY + 1), HEARD, later(DAY, 1, Failed)),
        ("Retry-After: a day, though told a year", &first, retry_after(365 * DAY), HEARD, later(DAY, 1, Failed)),
        ("Retry-After: the attempts are used up", &third, retry_after(7), HEARD,
            pending(next("incoming-2"), &status, 3, HandOverPending)),
        ("Retry-After: the caller is gone", &first, retry_after(7), GONE, later(7, 1, Failed)),
        ("Retry-After: never counted", &delivery(2, 0, Some(502)), retry_after(7), GONE,
            pending(next("incoming-2"), &status, 1, HandOverPending)),
        ("Retry-After: a hold comes first", &first, retry_after(7), HOLDING, Finish::Answer(Held)),
        ("Retry-After: a route comes first", &first, routed(None, 7), HEARD, pending(next("slow"), &status, 1, Unknown)),
        ("Retry-After: a verdict comes first", &first, busy(Some(Verdict::Fail), Some(7)), HEARD,
            pending(END, &status, 1, Unknown)),
        ("Retry-After: with the attempts of before", &stayed(0, 0), retry_after(7), HEARD, later(7, 2, Failed)),
        ("Retry-After: in time, just", &stayed(167, 3593), retry_after(7), HEARD, later(7, 2, Failed)),
        ("Retry-After: too long for this stage", &stayed(167, 3594), retry_after(7), HEARD, Finish::Answer(Failed)),
        ("Retry-After: as long as it may be, too long", &stayed(160, 0), retry_after(u64::MAX), HEARD, Finish::Answer(Failed)),
        ("B3: with the attempts of before", &put_off(2, 2, delivery(0, 0, None)), retry_after(7), HEARD,
            pending(next("incoming-2"), &status, 3, HandOverPending)),
        ("B3: hung up, with the attempts of before", &put_off(1, 4, delivery(1, 0, Some(502))), busy(None, None), GONE,
            pending(next("incoming-2"), &status, 2, HandOverPending)),
        ("B3: hung up, dispatches of before are no attempts", &put_off(0, 4, delivery(1, 0, Some(502))), busy(None, None), GONE,
            Finish::Answer(Failed)),
        ("B2: with an attempt of before", &put_off(1, 1, delivery(0, 0, None)), busy(None, None), HEARD,
            Finish::Answer(Failed)),
    ];
    for (name, delivery, run, known, then) in rows {
        let finish = after_run(delivery, &patient(), &run, known);
        assert_eq!(finish, then, "{name}");
    }
}

#[test]
fn the_handler_is_not_asked_when_if_the_stage_ignores_it() {
    let ignoring = StagePolicy {
        retry_after: RetryAfter::Ignore,
        ..patient()
    };
    let last = pending(next("incoming-2"), &TaskReason::STATUS, 3, HandOverPending);
    for run in [
        busy(Some(Verdict::Later), Some(7)),
        busy(Some(Verdict::Later), None),
        busy(None, Some(7)),
    ] {
        let after = |delivery: Delivery, known| after_run(&delivery, &ignoring, &run, known);
        assert_eq!(after(delivery(0, 0, None), HEARD), Finish::Answer(Failed));
        assert_eq!(after(delivery(2, 2, Some(477)), HEARD), last);
        assert_eq!(
            after(delivery(2, 2, Some(477)), HOLDING),
            Finish::Answer(Held)
        );
    }
}

#[test]
fn an_attempt_that_fails_in_a_hold_costs_nothing() {
    let fails = |verdict, reason: &TaskReason| {
        RunResult::Failed(FailedAttempt {
            status: Some(500),
            verdict,
            reason: reason.clone(),
            retry_after: None,
        })
    };
    let (status, timeout) = (TaskReason::STATUS, TaskReason::TIMEOUT);
    let policy = StagePolicy {
        routes: serde_json::from_str(
            r#"[{"match": {"reason": "timeout"}, "to": "projects/p/locations/l/queues/slow"}]"#,
        )
        .unwrap(),
        ..policy(3)
    };
    let told = pending(
        Creation::Notification(Outcome::Succeeded),
        &TaskReason::SUCCEEDED,
        1,
        NotificationPending,
    );
    #[rustfmt::skip]
    let rows = [
        // (name, R, E, run, what is known, what then)
        ("the first", 0, 0, fails(None, &status), HOLDING, Finish::Answer(Held)),
        ("the last", 2, 2, fails(None, &status), HOLDING, Finish::Answer(Held)),
        ("the last, and hung up", 9, 2, fails(None, &status), GONE_AND_HOLDING, Finish::Answer(Held)),
        ("retry", 2, 2, fails(Some(Verdict::Retry), &status), HOLDING, Finish::Answer(Held)),
        ("fail", 0, 0, fails(Some(Verdict::Fail), &status), HOLDING, pending(END, &status, 1, Unknown)),
        ("escalate", 0, 0, fails(Some(Verdict::Escalate), &status), HOLDING,
            pending(next("incoming-2"), &status, 1, Unknown)),
        ("a route", 0, 0, fails(None, &timeout), HOLDING, pending(next("slow"), &timeout, 1, Unknown)),
        ("a success", 0, 0, RunResult::Succeeded { status: 200 }, HOLDING, told),
        ("not reached", 0, 0, RunResult::Unreachable, HOLDING, Finish::Answer(NoCapacity)),
    ];
    for (name, r, e, run, known, then) in rows {
        let finish = after_run(&delivery(r, e, None), &policy, &run, known);
        assert_eq!(finish, then, "{name}");
    }
    // A task whose time is over is not held any more.
    let old = delivery(12, 2, Some(503));
    let run = fails(None, &status);
    assert_eq!(
        after_last_try(&old, &policy, &run, HOLDING),
        pending(next("incoming-2"), &status, 3, HandOverPending)
    );
}

#[test]
fn a_run_says_whether_the_handler_is_well() {
    let follow = patient();
    let ignore = StagePolicy {
        retry_after: RetryAfter::Ignore,
        ..patient()
    };
    let routed = RunResult::Failed(FailedAttempt {
        status: Some(418),
        verdict: Some(Verdict::Fail),
        reason: TaskReason::STATUS,
        retry_after: None,
    });
    for (run, following, ignoring) in [
        (
            RunResult::Succeeded { status: 200 },
            Some(Sign::Well),
            Some(Sign::Well),
        ),
        (RunResult::Unreachable, None, None),
        (routed, None, None),
        (busy(None, None), Some(Sign::Ill), Some(Sign::Ill)),
        (busy(None, Some(0)), Some(Sign::Ill), Some(Sign::Ill)),
        (busy(None, Some(7)), None, Some(Sign::Ill)),
        (
            busy(Some(Verdict::Retry), None),
            Some(Sign::Ill),
            Some(Sign::Ill),
        ),
        (
            busy(Some(Verdict::Fail), None),
            Some(Sign::Well),
            Some(Sign::Well),
        ),
        (
            busy(Some(Verdict::Escalate), None),
            Some(Sign::Well),
            Some(Sign::Well),
        ),
        (busy(Some(Verdict::Later), Some(7)), None, Some(Sign::Ill)),
    ] {
        let signs = (sign_of(&follow, &run), sign_of(&ignore, &run));
        assert_eq!(signs, (following, ignoring), "{run:?}");
    }
}

#[test]
fn a_put_off_that_fails_brings_the_task_again() {
    let (delivery, policy) = (delivery(0, 0, None), policy(3));
    for (answer_on_failure, refused) in [(Failed, Failed), (Unknown, Unknown)] {
        let pending = |folded| PendingCreate {
            creation: Creation::Later(Duration::from_secs(7)),
            reason: TaskReason::STATUS,
            attempts: 1,
            folded,
            may_stay: false,
            answer_on_failure,
        };
        let after = |folded, result| after_create(&delivery, &policy, pending(folded), result);
        for folded in [false, true] {
            for done in [CreateResult::Exists, CreateResult::Deleted] {
                assert_eq!(after(folded, done), Finish::Answer(Done));
            }
            // It may exist: 477 would keep the next dispatch from looking for it.
            assert_eq!(
                after(folded, CreateResult::Unknown),
                Finish::Answer(Unknown)
            );
        }
        assert_eq!(
            after(false, CreateResult::NotCreated),
            Finish::Answer(refused)
        );
        let again = after(false, CreateResult::Refused);
        assert_eq!(again, Finish::Create(pending(true)));
        // It doesn't exist, and the attempt counts if it was one.
        assert_eq!(after(true, CreateResult::Refused), Finish::Answer(refused));
    }
}
