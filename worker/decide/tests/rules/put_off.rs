//! Ledgers and headers of tasks that were put off.

use std::collections::HashSet;
use std::time::Duration;

use crate::chain::{policy, queue};
use crate::headers::{NOW, climbed, headers, later, push, read, record, with_ledger};
use cloudtasks::TaskId;
use decide::headers::{
    EXECUTION_COUNT, PREVIOUS_RESPONSE, QUEUE_NAME, RETRY_COUNT, TASK_NAME, set_cloud_tasks_headers,
};
use decide::task::{LEDGER_HEADER, is_handed_over};
use decide::{Delivery, Ledger, LedgerError, RetryAfter, StagePolicy, Stay};
use http::HeaderMap;
use jiff::Timestamp;

/// After `hops` hand-overs, put off `times` times since, with so many attempts and dispatches before.
fn put_off(hops: u32, times: u32) -> Ledger {
    let put_off = |ledger: Ledger, _| ledger.put_off(2, 5, NOW);
    (0..times).fold(climbed(hops), put_off)
}

/// The id of the task that a worker has created with this ledger.
pub fn own_id(ledger: &Ledger) -> TaskId {
    match &ledger.stay {
        Some(stay) => ledger.root.later(ledger.hop, stay.later),
        None => ledger.root.task(ledger.hop),
    }
}

#[test]
fn a_task_that_was_put_off_knows_what_it_did_before() {
    let later = later();
    for (hops, times, policy) in [
        (0, 1, &policy(3)),
        (0, 7, &policy(3)),
        (1, 1, &later),
        (9, 2, &later),
    ] {
        let ledger = put_off(hops, times);
        let own = own_id(&ledger);
        assert!(is_handed_over(&own), "old workers wait for newer ones");
        let mut push = push(own.as_str());
        push.insert(QUEUE_NAME, policy.queue.id.as_str().parse().unwrap());
        push.insert(LEDGER_HEADER, ledger.encode().parse().unwrap());
        let at =
            |seconds| Delivery::parse(&push, policy, NOW + Duration::from_secs(seconds)).unwrap();
        let delivery = at(90);
        assert_eq!((&delivery.ledger_error, &delivery.ledger), (&None, &ledger));
        // R is 2 and E is 1.
        assert_eq!((delivery.attempts(), delivery.dispatches()), (3, 7));
        assert_eq!(delivery.attempts_so_far(), 3 * hops + 3);
        assert_eq!(delivery.unanswered(), 1);
        assert_eq!(delivery.stayed, Duration::from_secs(90));
        // No arrival: it has been here.
        push.insert(RETRY_COUNT, "0".parse().unwrap());
        let first = Delivery::parse(&push, policy, NOW).unwrap();
        assert_eq!((first.arrival(), first.stayed), (None, Duration::ZERO));
    }
    // The clock of the worker that put it off was ahead.
    let ledger = climbed(1).put_off(1, 1, NOW + Duration::from_secs(9));
    let delivery = with_ledger(own_id(&ledger).as_str(), &ledger.encode(), &later);
    assert_eq!(delivery.stayed, Duration::ZERO);
    // A task that never was put off.
    assert_eq!(
        Delivery::parse(&push("order-1"), &policy(3), Timestamp::MAX)
            .unwrap()
            .stayed,
        Duration::ZERO
    );
}

#[test]
fn a_ledger_of_a_task_that_was_put_off_has_the_second_version() {
    let text = r#"{"v":2,"root":"ROOT","hop":0,"task":"order-1","queue":"incoming","first_seen":"1970-01-01T00:00:00Z","stages":[],"left_out":0,"stay":{"later":1,"attempts":2,"dispatches":5,"since":"1970-01-01T00:00:00Z"}}"#;
    let ledger = put_off(0, 1);
    let text = text.replace("ROOT", ledger.root.as_str());
    assert_eq!(ledger.encode(), text);
    assert_eq!(read(&text, &ledger.root.later(0, 1)).unwrap(), ledger);
    let stay = Stay {
        later: 1,
        attempts: 2,
        dispatches: 5,
        since: NOW,
    };
    assert_eq!(ledger.stay, Some(stay));
    // On the next stage it counts from zero, and older workers can read it.
    let next = ledger.with(record("stage-0")).next_hop();
    assert_eq!(next, climbed(1));
    assert!(next.encode().starts_with(r#"{"v":1,"#));
}

#[test]
fn a_ledger_with_a_stay_counts_for_the_task_that_was_put_off_only() {
    let ledger = put_off(1, 2);
    for (own, what) in [
        (ledger.root.task(1), "its own task before it was put off"),
        (ledger.root.later(1, 1), "put off once"),
        (ledger.root.later(1, 3), "put off once more"),
        (ledger.root.later(0, 2), "on the stage before"),
        (ledger.root.later(2, 2), "on the next stage"),
        (ledger.root.notification(), "the notification"),
    ] {
        let error = read(&ledger.encode(), &own).unwrap_err();
        assert_eq!(error, LedgerError::OtherTask(own_id(&ledger)), "{what}");
    }
    // A task that was never put off has no stay, and a larger number than any makes its next id its own.
    for later in [0, u32::MAX] {
        let mut ledger = put_off(1, 1);
        ledger.stay.as_mut().unwrap().later = later;
        let own = own_id(&ledger);
        assert!(read(&ledger.encode(), &own).is_err(), "{later}");
    }
    for hop in [65, u32::MAX] {
        let ledger = Ledger {
            hop,
            ..put_off(1, 1)
        };
        assert!(read(&ledger.encode(), &own_id(&ledger)).is_err(), "{hop}");
    }
    let names = [ledger.later_task(), ledger.next_task(), own_id(&ledger)];
    assert_eq!(HashSet::from(names).len(), 3);
}

#[test]
fn on_the_first_queue_a_ledger_counts_for_a_task_that_was_put_off_there() {
    let first = policy(3);
    let is_put_off = |ledger: &Ledger, policy: &StagePolicy| {
        let delivery = with_ledger(own_id(ledger).as_str(), &ledger.encode(), policy);
        assert_eq!(delivery.ledger_error.is_none(), delivery.ledger == *ledger);
        delivery.ledger_error.is_none()
    };
    assert!(is_put_off(&put_off(0, 1), &first));
    // It was handed over, so it is elsewhere.
    assert!(!is_put_off(&put_off(1, 1), &first));
    let elsewhere = Ledger::first(&queue("other").task("order-1".parse().unwrap()), NOW);
    assert!(!is_put_off(&elsewhere.put_off(1, 1, NOW), &first));
    // A root that the first task doesn't have.
    let other = Ledger {
        task: "order-2".parse().unwrap(),
        ..put_off(0, 1)
    };
    assert!(!is_put_off(&other, &first));
    // A worker put it off before an edit.
    for (ledger, policy) in [(put_off(0, 1), first), (put_off(1, 1), later())] {
        let ignoring = StagePolicy {
            retry_after: RetryAfter::Ignore,
            ..policy
        };
        assert!(is_put_off(&ledger, &ignoring));
    }
}

#[test]
fn a_newer_ledger_of_a_task_that_was_put_off_keeps_its_ids() {
    for (hops, policy) in [(0, policy(3)), (2, later())] {
        let ledger = put_off(hops, 3);
        let newer = ledger
            .encode()
            .replacen(r#""v":2,"#, r#""v":4,"new":{},"#, 1)
            .replacen(r#""stay":{"#, r#""stay":{"new":0,"#, 1);
        let waits = with_ledger(own_id(&ledger).as_str(), &newer, &policy);
        assert!(waits.awaits_newer_worker());
        // Its end will be that of the first task, and its next names are those of any worker.
        assert_eq!(
            (&waits.ledger.root, &waits.ledger.task),
            (&ledger.root, &ledger.task)
        );
        assert_eq!(waits.ledger.later_task(), ledger.later_task());
        assert_eq!(waits.ledger.next_task(), ledger.next_task());
    }
}

#[test]
fn the_handler_sees_the_first_tasks_name_and_all_attempts() {
    let ledger = put_off(1, 2);
    let seen = |retry_count, execution_count, previous| {
        let push = headers(&[
            (QUEUE_NAME, "incoming-2"),
            (TASK_NAME, own_id(&ledger).as_str()),
            (RETRY_COUNT, retry_count),
            (EXECUTION_COUNT, execution_count),
            (PREVIOUS_RESPONSE, previous),
            (LEDGER_HEADER, &ledger.encode()),
        ]);
        let delivery = Delivery::parse(&push, &later(), NOW).unwrap();
        let mut seen = HeaderMap::new();
        set_cloud_tasks_headers(&mut seen, &delivery, &push);
        [
            QUEUE_NAME,
            TASK_NAME,
            RETRY_COUNT,
            EXECUTION_COUNT,
            PREVIOUS_RESPONSE,
        ]
        .map(|name| {
            seen.get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        })
    };
    let wanted = |attempts: &str, previous: Option<&str>| {
        let values = ["incoming", "order-1", attempts, attempts];
        let [a, b, c, d] = values.map(|value| Some(value.to_owned()));
        [a, b, c, d, previous.map(str::to_owned)]
    };
    // Three on the first stage, two before it was put off. What the handler said then is not kept, nor is
    // what it said on the stage before.
    assert_eq!(seen("0", "0", ""), wanted("5", None));
    assert_eq!(seen("3", "1", "502"), wanted("6", Some("502")));
    assert_eq!(seen("1", "1", "477"), wanted("6", None));
}
