//! Parking and lives: what is created when a task ends without a success, and what a redrive begins.

use std::collections::{BTreeSet, HashSet};

use decide::task::{LEDGER_HEADER, MAX_HOPS};
use decide::{
    AfterRun, Answer, ArrivalDecision, ArrivalInputs, CreateResult, Creation, Delivery, EndCause,
    FailedAttempt, Finish, Ledger, LedgerError, Outcome, ParkingPolicy, PendingCreate, RedriveId,
    RequiredInput, RootId, RunResult, RunSlot, StagePolicy, SuccessorLookup, TaskAge, TaskOrigin,
    TaskReason, Verdict, after_create, after_run, on_arrival,
};
use http::HeaderValue;

use crate::chain::{delivery, policy, put_off, queue};
use crate::headers::{later, with_ledger};

const TOLD: Creation = Creation::Notification(Outcome::Failed);

/// The last stage of the chain, which parks what ends for these causes.
fn parking(keep: BTreeSet<EndCause>) -> StagePolicy {
    StagePolicy {
        downstream: None,
        parking: Some(ParkingPolicy {
            queue: queue("parked"),
            keep,
        }),
        retired_parking: vec![queue("old-parked")],
        ..policy(1)
    }
}

fn failed(verdict: Option<Verdict>, reason: &TaskReason) -> RunResult {
    RunResult::Failed(FailedAttempt {
        status: Some(500),
        verdict,
        reason: reason.clone(),
        retry_after: None,
    })
}

fn created(finish: Finish) -> PendingCreate {
    match finish {
        Finish::Create(pending) => pending,
        Finish::Answer(answer) => panic!("nothing is created, the answer is {answer:?}"),
    }
}

/// What the end of a run on the last stage creates first.
fn after_the_last_run(delivery: &Delivery, policy: &StagePolicy, run: &RunResult) -> Creation {
    created(after_run(delivery, policy, run, AfterRun::default())).creation
}

fn redrive(id: &str) -> RedriveId {
    id.parse().unwrap()
}

/// A task on the second stage's queue in its second life.
fn in_its_second_life() -> Delivery {
    let ledger = delivery(0, 0, None).ledger.redriven(redrive("first"));
    let own = ledger.root.task(1);
    let read = with_ledger(own.as_str(), &ledger.encode(), &later());
    assert_eq!((read.ledger_error.as_ref(), &read.ledger), (None, &ledger));
    read
}

#[test]
fn each_end_without_a_success_is_parked_for_its_cause() {
    let mut policy = parking(EndCause::all());
    policy.routes =
        serde_json::from_str(r#"[{"match": {"reason": "bad"}, "to": "fail"}]"#).unwrap();
    let once = delivery(0, 0, None);
    for (verdict, reason, cause) in [
        (None, "no-stock", EndCause::Exhausted),
        (Some(Verdict::Escalate), "no-stock", EndCause::Exhausted),
        (Some(Verdict::Fail), "no-stock", EndCause::Fail),
        (None, "bad", EndCause::Route),
    ] {
        let run = failed(verdict, &reason.parse().unwrap());
        let creation = after_the_last_run(&once, &policy, &run);
        assert_eq!(creation, Creation::Parked(cause), "{verdict:?} {reason}");
    }
    let success = RunResult::Succeeded { status: 200 };
    let creation = after_the_last_run(&once, &policy, &success);
    assert_eq!(creation, Creation::Notification(Outcome::Succeeded));

    let mut weary = delivery(0, 0, None);
    weary.ledger.hop = MAX_HOPS;
    let onward = StagePolicy {
        downstream: Some(queue("incoming-2")),
        ..parking(EndCause::all())
    };
    let run = failed(None, &TaskReason::STATUS);
    let creation = after_the_last_run(&weary, &onward, &run);
    assert_eq!(creation, Creation::Parked(EndCause::Loop));

    // Its time is over.
    let inputs = ArrivalInputs {
        successor: Some(SuccessorLookup::NotFound),
        age: Some(TaskAge::Known {
            created: policy.give_up_after * 3,
            dispatched: policy.give_up_after * 3,
        }),
        run_slot: Some(RunSlot::Acquired),
        must_wait: false,
    };
    let arrival = on_arrival(&delivery(12, 0, Some(504)), &policy, &inputs);
    let ArrivalDecision::Finish(finish) = arrival else {
        panic!("{arrival:?}");
    };
    assert_eq!(
        created(finish).creation,
        Creation::Parked(EndCause::Expired)
    );

    // No next stage takes it, even without its ledger's details.
    let pending = PendingCreate {
        creation: Creation::NextTask(queue("incoming-2")),
        reason: TaskReason::STATUS,
        attempts: 1,
        folded: true,
        may_stay: false,
        answer_on_failure: Answer::HandOverPending,
    };
    let pending = created(after_create(&once, &onward, pending, CreateResult::Refused));
    assert_eq!(pending.creation, Creation::Parked(EndCause::Unpassable));
    assert_eq!(
        (pending.reason, pending.folded),
        (TaskReason::UNPASSABLE, false)
    );
}

#[test]
fn keep_narrows_what_is_parked_but_for_what_was_redriven() {
    let keeps_fail = parking([EndCause::Fail].into());
    let run = failed(None, &TaskReason::STATUS);
    let first_life = delivery(0, 0, None);
    assert_eq!(after_the_last_run(&first_life, &keeps_fail, &run), TOLD);
    let verdict = failed(Some(Verdict::Fail), &TaskReason::STATUS);
    let creation = after_the_last_run(&first_life, &keeps_fail, &verdict);
    assert_eq!(creation, Creation::Parked(EndCause::Fail));

    let creation = after_the_last_run(&in_its_second_life(), &keeps_fail, &run);
    assert_eq!(creation, Creation::Parked(EndCause::Exhausted));
    let none = StagePolicy {
        parking: None,
        ..keeps_fail
    };
    assert_eq!(after_the_last_run(&in_its_second_life(), &none, &run), TOLD);
}

#[test]
fn the_notification_follows_the_parked_task_and_no_parking_queue_keeps_a_task_from_its_end() {
    let once = delivery(0, 0, None);
    let policy = parking(EndCause::all());
    let pending = |creation, folded| PendingCreate {
        creation,
        reason: TaskReason::STATUS,
        attempts: 1,
        folded,
        may_stay: false,
        answer_on_failure: Answer::HandOverPending,
    };
    let park = |folded| pending(Creation::Parked(EndCause::Exhausted), folded);
    let then = |folded, result| after_create(&once, &policy, park(folded), result);
    let told = Finish::Create(pending(TOLD, false));
    for folded in [false, true] {
        for ended in [CreateResult::Exists, CreateResult::NoQueue] {
            assert_eq!(then(folded, ended), told, "{ended:?}");
        }
        // It may be parked, or may be soon: the next dispatch looks for it.
        for unknown in [CreateResult::Unknown, CreateResult::NotCreated] {
            let again = Finish::Answer(Answer::HandOverPending);
            assert_eq!(then(folded, unknown), again, "{unknown:?}");
        }
    }
    assert_eq!(
        then(false, CreateResult::Refused),
        Finish::Create(park(true))
    );
    assert_eq!(then(true, CreateResult::Refused), told);

    let silent = StagePolicy {
        notifier: None,
        ..policy.clone()
    };
    let finish = after_create(&once, &silent, park(false), CreateResult::Exists);
    assert_eq!(finish, Finish::Answer(Answer::Done));
}

#[test]
fn a_parked_task_that_was_not_told_is_told_without_a_run() {
    let policy = parking(EndCause::all());
    for previous in [Answer::Unknown, Answer::HandOverPending, Answer::NoCapacity] {
        let again = delivery(1, 0, Some(previous.code()));
        let first = on_arrival(&again, &policy, &ArrivalInputs::default());
        assert_eq!(first, ArrivalDecision::Needs(RequiredInput::Successor));
        let found = |successor| {
            let inputs = ArrivalInputs {
                successor: Some(successor),
                ..ArrivalInputs::default()
            };
            on_arrival(&again, &policy, &inputs)
        };
        let ArrivalDecision::Finish(finish) = found(SuccessorLookup::Parked) else {
            panic!("a run could succeed, and be told so");
        };
        assert_eq!(created(finish).creation, TOLD);
        let done = ArrivalDecision::Finish(Finish::Answer(Answer::Done));
        assert_eq!(found(SuccessorLookup::Found), done);
    }
}

#[test]
fn the_parked_task_is_looked_up_in_each_parking_queue() {
    let ledger = delivery(1, 0, None).ledger;
    let policy = parking(BTreeSet::new());
    let parked = ledger.root.parked();
    assert_eq!(
        policy.parked_tasks(&ledger),
        ["parked", "old-parked"].map(|id| queue(id).task(parked.clone()))
    );
    // What was parked before parking was removed may not be told yet.
    let removed = StagePolicy {
        parking: None,
        ..policy.clone()
    };
    assert_eq!(
        removed.parked_tasks(&ledger),
        [queue("old-parked").task(parked.clone())]
    );
    let successors = policy.successor_tasks(&ledger);
    assert!(successors.iter().all(|task| task.id != parked));
}

#[test]
fn a_new_life_has_all_attempts_and_ids_of_its_own() {
    let first = delivery(3, 2, Some(477)).ledger;
    let second = first.clone().redriven(redrive("one"));
    let third = second.clone().redriven(redrive("two"));
    let roots = [&first.root, &second.root, &third.root];
    assert_eq!(roots.into_iter().collect::<HashSet<_>>().len(), 3);
    assert_eq!(second.root, first.root.life(2));
    assert_eq!(third.root, first.root.life(3), "of the first root");
    let [second_life, third_life] = [&second, &third].map(|it| it.life.clone().unwrap());
    assert_eq!(second_life.root_before(), first.root);
    assert_eq!(third_life.root_before(), second.root);
    assert_eq!((third_life.number, third_life.redrive), (3, redrive("two")));
    // The same redrive of the same task begins the same life.
    assert_eq!(first.clone().redriven(redrive("one")), second);
    assert_eq!((&third.task, &third.queue), (&first.task, &first.queue));

    let delivery = Delivery {
        retry_count: 0,
        execution_count: 0,
        ..in_its_second_life()
    };
    assert_eq!(delivery.arrival(), Some(TaskOrigin::Redrive));
    assert_eq!((delivery.attempts(), delivery.attempts_so_far()), (0, 0));
    let put_off = put_off(1, 1, delivery);
    let read = with_ledger(put_off.task.as_str(), &put_off.ledger.encode(), &later());
    assert_eq!((read.ledger_error, read.ledger), (None, put_off.ledger));
}

#[test]
fn a_redrive_may_begin_a_life_on_the_first_queue_and_only_of_a_task_of_this_chain() {
    let ledger = delivery(0, 0, None).ledger.redriven(redrive("one"));
    let own = ledger.root.task(1);
    let read = with_ledger(own.as_str(), &ledger.encode(), &policy(3));
    assert_eq!((read.ledger_error, &read.ledger), (None, &ledger));

    let other = Ledger {
        task: "order-2".parse().unwrap(),
        ..ledger.clone()
    };
    let forged = with_ledger(own.as_str(), &other.encode(), &policy(3));
    assert_eq!(forged.ledger_error, Some(LedgerError::OnFirstQueue));

    // A life whose root is not the one of its number.
    let mut renumbered = ledger;
    renumbered.life.as_mut().unwrap().number = 3;
    let forged = with_ledger(own.as_str(), &renumbered.encode(), &later());
    assert_eq!(forged.ledger_error, Some(LedgerError::OtherTask(own)));
}

#[test]
fn a_parked_ledger_is_read_under_its_own_id_alone() {
    let ledger = in_its_second_life().ledger;
    let value: HeaderValue = ledger.encode().parse().unwrap();
    let parked = ledger.root.parked();
    assert_eq!(Ledger::read_parked(&value, &parked).as_ref(), Ok(&ledger));
    let later_form = format!("{parked}-no-stock").parse().unwrap();
    assert_eq!(Ledger::read_parked(&value, &later_form), Ok(ledger.clone()));

    let other = RootId::of(&queue("incoming").task("order-2".parse().unwrap())).parked();
    for own in [
        other,
        ledger.root.task(1),
        format!("{parked}2").parse().unwrap(),
    ] {
        let error = Ledger::read_parked(&value, &own).unwrap_err();
        assert_eq!(error, LedgerError::OtherTask(parked.clone()), "{own}");
    }
    // A stage's worker would not take it for one of its tasks.
    let read = with_ledger(parked.as_str(), &ledger.encode(), &later());
    assert!(read.ledger_error.is_some(), "{LEDGER_HEADER}");
}
