//! Rules B1 to B5, row by row. N is 3.

use crate::chain::{delivery, policy, queue};
use decide::Answer::{Done, Failed, HandOverPending, NoCapacity, NotificationPending, Unknown};
use decide::{
    Answer, CreateResult, Creation, FailedAttempt, Finish, NotifyOn, Outcome, PendingCreate,
    RunResult, StagePolicy, TaskReason, Verdict, after_create, after_last_try, after_run,
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
        answer_on_failure,
    })
}

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
        let finish = after_run(&delivery(r, e, None), &policy, &run, gone);
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
        })
    };
    for (verdict, answer_on_failure) in
        [(None, HandOverPending), (Some(Verdict::Escalate), Unknown)]
    {
        let then = after_run(&delivery(0, 0, None), &last, &failure(verdict), false);
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
    let finish = after_run(&delivery(0, 0, None), &silent, &success, false);
    assert_eq!(finish, Finish::Answer(Done));
}

#[test]
fn the_result_of_a_create_decides_the_answer() {
    let policy = policy(3);
    let pending = |creation, folded| PendingCreate {
        creation,
        reason: TaskReason::STATUS,
        attempts: 3,
        folded,
        answer_on_failure: HandOverPending,
    };
    let after = |creation, folded, end| after_create(&policy, pending(creation, folded), end);
    for creation in [next("incoming-2"), END] {
        let is = |end| after(creation.clone(), false, end);
        assert_eq!(is(CreateResult::Exists), Finish::Answer(Done));
        assert_eq!(is(CreateResult::Deleted), Finish::Answer(Done));
        assert_eq!(is(CreateResult::Unknown), Finish::Answer(HandOverPending));
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
}

#[test]
fn the_last_try_of_a_task_gives_it_up_only_if_the_handler_is_not_reached() {
    let (delivery, policy) = (delivery(12, 0, Some(503)), policy(3));
    let after = |run| after_last_try(&delivery, &policy, &run, false);
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
        }),
    ] {
        assert_eq!(
            after(run.clone()),
            after_run(&delivery, &policy, &run, false)
        );
    }
}
