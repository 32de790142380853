//! A chain of two stages, seen from its first.

use std::time::Duration;

use cloudtasks::QueuePath;
use decide::{
    Delivery, IsolationRules, Ledger, NotifierPolicy, NotifyOn, RetryAfter, Routes, StagePolicy,
};
use jiff::Timestamp;

pub fn queue(id: &str) -> QueuePath {
    format!("projects/p/locations/l/queues/{id}")
        .parse()
        .unwrap()
}

pub fn policy(max_attempts: u32) -> StagePolicy {
    StagePolicy {
        chain: "orders".into(),
        stage: "fast".parse().unwrap(),
        queue: queue("incoming"),
        max_attempts: max_attempts.try_into().unwrap(),
        downstream: Some(queue("incoming-2")),
        lookup_queues: vec![queue("incoming"), queue("incoming-2"), queue("retired")],
        notifier: Some(NotifierPolicy {
            queue: queue("notifier"),
            url: "http://client/events".into(),
            retired: vec![queue("old-notifier")],
            on: NotifyOn {
                succeeded: true,
                failed: true,
            },
        }),
        parking: None,
        retired_parking: Vec::new(),
        give_up_after: Duration::from_secs(100),
        routes: Routes::default(),
        isolation: IsolationRules::default(),
        tell_categories: false,
        hold_on_outage: None,
        retry_after: RetryAfter::Follow,
    }
}

pub fn delivery(r: u32, e: u32, p: Option<u16>) -> Delivery {
    let task = queue("incoming").task("order-1".parse().unwrap());
    Delivery {
        ledger: Ledger::first(&task, Timestamp::UNIX_EPOCH),
        task: task.id,
        retry_count: r,
        execution_count: e,
        previous_response: p,
        due_at: None,
        ledger_error: None,
        header_route: None,
        categories: Vec::new(),
        stayed: Duration::ZERO,
    }
}

/// The same task after it was put off, with these attempts and dispatches before.
pub fn put_off(attempts: u32, dispatches: u32, then: Delivery) -> Delivery {
    let ledger = then
        .ledger
        .clone()
        .put_off(attempts, dispatches, Timestamp::UNIX_EPOCH);
    Delivery {
        task: then.ledger.later_task(),
        ledger,
        ..then
    }
}
