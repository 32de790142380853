//! Rules B1 to B5, row by row. N is 3.

use crate::chain::{delivery, policy, queue};
use decide::Answer::{Done, Failed, NoRoom, NotHandedOn, NotNotified, Unknown};
use decide::{
    Answer, CreateEnd, Creation, Failure, Finish, NotifyOn, Outcome, Owed, Policy, Reason, Run,
    Verdict, after_create, after_run,
};

fn owed(creation: Creation, reason: &Reason, attempts: u32, until_then: Answer) -> Finish {
    Finish::Create(Owed {
        creation,
        reason: reason.clone(),
        attempts,
        folded: false,
        until_then,
    })
}

fn next(id: &str) -> Creation {
    Creation::NextTask(queue(id))
}

const END: Creation = Creation::Notification(Outcome::Failed);

#[test]
fn the_table() {
    let mut policy = policy(3);
    policy.routes = serde_json::from_str(
        r#"[{"match": {"reason": "big"}, "to": "projects/p/locations/l/queues/slow"},
            {"match": {"status": "4xx"}, "to": "fail"}]"#,
    )
    .unwrap();
    let failed = |status, verdict, reason: &str| {
        Run::Failed(Failure {
            status,
            verdict,
            reason: reason.parse().unwrap(),
        })
    };
    let plain = || failed(Some(500), None, "status");
    let timeout = || failed(None, None, "timeout");
    let (status, late, big) = (Reason::STATUS, Reason::TIMEOUT, "big".parse().unwrap());
    let says = |verdict| failed(Some(500), Some(verdict), "status");

    #[rustfmt::skip]
    let rows = [
        // (name, R, E, run, caller gone, what then)
        ("B1", 0, 0, Run::Succeeded { status: 204 }, false,
            owed(Creation::Notification(Outcome::Succeeded), &Reason::SUCCEEDED, 1, NotNotified)),
        ("B1: budget used up", 5, 4, Run::Succeeded { status: 200 }, true,
            owed(Creation::Notification(Outcome::Succeeded), &Reason::SUCCEEDED, 5, NotNotified)),
        ("never sent", 2, 2, Run::NeverSent, false, Finish::Answer(NoRoom)),
        ("never sent, caller gone", 9, 2, Run::NeverSent, true, Finish::Answer(NoRoom)),
        ("B2: first", 0, 0, plain(), false, Finish::Answer(Failed)),
        ("B2: second", 1, 1, timeout(), false, Finish::Answer(Failed)),
        ("B2: dispatches that nobody answered cost nothing", 200, 1, plain(), false, Finish::Answer(Failed)),
        ("B2: retry is the same", 0, 0, says(Verdict::Retry), false, Finish::Answer(Failed)),
        ("B3: third", 2, 2, plain(), false, owed(next("incoming-2"), &status, 3, NotHandedOn)),
        ("B3: N was lowered", 7, 7, timeout(), false, owed(next("incoming-2"), &late, 8, NotHandedOn)),
        ("B3: retry can't stretch it", 2, 2, says(Verdict::Retry), false,
            owed(next("incoming-2"), &status, 3, NotHandedOn)),
        ("B3: hung up too early", 1, 0, timeout(), true, Finish::Answer(Failed)),
        ("B3: hung up each time", 2, 0, timeout(), true, owed(next("incoming-2"), &late, 1, NotHandedOn)),
        ("B3: waits still", 2, 0, timeout(), false, Finish::Answer(Failed)),
        ("B4: escalate", 0, 0, says(Verdict::Escalate), false, owed(next("incoming-2"), &status, 1, Unknown)),
        ("B4: fail", 0, 0, says(Verdict::Fail), false, owed(END, &status, 1, Unknown)),
        ("B4: with the budget used up too", 2, 2, says(Verdict::Fail), false, owed(END, &status, 3, Unknown)),
        ("B4: route by reason", 0, 0, failed(Some(500), None, "big"), false, owed(next("slow"), &big, 1, Unknown)),
        ("B4: route by status", 0, 0, failed(Some(418), None, "status"), false, owed(END, &status, 1, Unknown)),
        ("B4: the first route wins", 0, 0, failed(Some(418), None, "big"), false, owed(next("slow"), &big, 1, Unknown)),
        ("B4: a route says where a verdict leads", 0, 0, failed(Some(500), Some(Verdict::Escalate), "big"), false,
            owed(next("slow"), &big, 1, Unknown)),
    ];
    for (name, r, e, run, gone, then) in rows {
        assert_eq!(
            after_run(&delivery(r, e, None), &policy, &run, gone),
            then,
            "{name}"
        );
    }
}

#[test]
fn the_last_stage_ends_where_others_hand_over() {
    let last = Policy {
        downstream: None,
        ..policy(1)
    };
    let failure = |verdict| {
        Run::Failed(Failure {
            status: Some(500),
            verdict,
            reason: Reason::STATUS,
        })
    };
    for (verdict, until_then) in [(None, NotHandedOn), (Some(Verdict::Escalate), Unknown)] {
        let then = after_run(&delivery(0, 0, None), &last, &failure(verdict), false);
        assert_eq!(then, owed(END, &Reason::STATUS, 1, until_then));
    }
}

#[test]
fn what_the_client_does_not_want_to_hear_is_not_owed() {
    let mut silent = policy(3);
    silent.notifier.as_mut().unwrap().on = NotifyOn {
        succeeded: false,
        failed: true,
    };
    let success = Run::Succeeded { status: 200 };
    assert_eq!(
        after_run(&delivery(0, 0, None), &silent, &success, false),
        Finish::Answer(Done)
    );
}

#[test]
fn a_create_settles_what_is_answered() {
    let policy = policy(3);
    let owed = |creation, folded| Owed {
        creation,
        reason: Reason::STATUS,
        attempts: 3,
        folded,
        until_then: NotHandedOn,
    };
    let after = |creation, folded, end| after_create(&policy, owed(creation, folded), end);
    for creation in [next("incoming-2"), END] {
        let is = |end| after(creation.clone(), false, end);
        assert_eq!(is(CreateEnd::Exists), Finish::Answer(Done));
        assert_eq!(is(CreateEnd::Unknown), Finish::Answer(NotHandedOn));
        // B5: once more, without what can be left out.
        assert_eq!(
            is(CreateEnd::Refused),
            Finish::Create(owed(creation.clone(), true))
        );
    }
    assert_eq!(
        after(next("incoming-2"), true, CreateEnd::Refused),
        Finish::Create(Owed {
            reason: Reason::UNPASSABLE,
            ..owed(END, false)
        })
    );
    assert_eq!(
        after(END, true, CreateEnd::Refused),
        Finish::Answer(NotHandedOn)
    );
}
