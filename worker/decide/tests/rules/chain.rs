//! A chain of two stages, seen from its first.

use std::time::Duration;

use cloudtasks::QueuePath;
use decide::{Delivery, Ledger, NotifierPolicy, NotifyOn, Routes, StagePolicy};
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
        give_up_after: Duration::from_secs(100),
        routes: Routes::default(),
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
    }
}
