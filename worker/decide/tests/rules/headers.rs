//! Parsing of headers and ledgers: what Cloud Tasks sends, and whatever else may come.

use std::collections::HashSet;

use crate::chain::{policy, queue};
use crate::put_off::own_id;
use decide::headers::{EXECUTION_COUNT, PREVIOUS_RESPONSE, QUEUE_NAME, RETRY_COUNT, TASK_NAME};
use decide::task::{LEDGER_HEADER, MAX_LEDGER_BYTES};
use decide::{
    Answer, Delivery, Ledger, LedgerError, RootId, StageRecord, Stay, TaskOrigin, TaskReason,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use proptest::prelude::*;

pub const NOW: Timestamp = Timestamp::UNIX_EPOCH;

pub fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    pairs.iter().map(pair).collect()
}

pub fn push(task: &str) -> HeaderMap {
    headers(&[
        (QUEUE_NAME, "incoming"),
        (TASK_NAME, task),
        (RETRY_COUNT, "2"),
        (EXECUTION_COUNT, "1"),
        (PREVIOUS_RESPONSE, "503"),
    ])
}

pub fn record(stage: &str) -> StageRecord {
    StageRecord {
        stage: stage.parse().unwrap(),
        attempts: 3,
        dispatches: 4,
        since: NOW,
        until: NOW,
        status: Some(500),
        reason: TaskReason::STATUS,
    }
}

pub fn climbed(hops: u32) -> Ledger {
    let mut ledger = Ledger::first(&queue("incoming").task("order-1".parse().unwrap()), NOW);
    for hop in 0..hops {
        ledger = ledger.with(record(&format!("stage-{hop}"))).next_hop();
    }
    ledger
}

pub fn read(text: &str, own: &cloudtasks::TaskId) -> Result<Ledger, LedgerError> {
    Ledger::read(&HeaderValue::from_str(text).unwrap(), own)
}

#[test]
fn the_headers_of_a_push_are_parsed() {
    let delivery = Delivery::parse(&push("order-1"), &policy(3), NOW).unwrap();
    assert_eq!(delivery.task.as_str(), "order-1");
    assert_eq!(
        (
            delivery.retry_count,
            delivery.execution_count,
            delivery.previous_response
        ),
        (2, 1, Some(503))
    );
    assert_eq!(delivery.unanswered(), 1);
    assert_eq!(delivery.ledger, climbed(0));
}

#[test]
fn an_invalid_push_is_rejected_and_repeats_596_and_597() {
    for (name, value, sentence) in [
        (QUEUE_NAME, Some("other"), "this worker serves incoming"),
        (QUEUE_NAME, None, "is missing"),
        (TASK_NAME, Some("a.b"), "can't be read"),
        (RETRY_COUNT, Some("-1"), "can't be read"),
        (RETRY_COUNT, None, "is missing"),
        (EXECUTION_COUNT, Some("99999999999"), "can't be read"),
    ] {
        for (previous, answer) in [
            ("596", Answer::HandOverPending),
            ("597", Answer::NotificationPending),
            ("503", Answer::Unknown),
            ("?", Answer::Unknown),
        ] {
            let mut push = push("order-1");
            push.insert(PREVIOUS_RESPONSE, previous.parse().unwrap());
            match value {
                Some(value) => drop(push.insert(name, value.parse().unwrap())),
                None => drop(push.remove(name)),
            }
            let rejected = Delivery::parse(&push, &policy(3), NOW).unwrap_err();
            assert_eq!(rejected.answer, answer, "{name}: {value:?}");
            let text = rejected.to_string();
            assert!(text.contains(sentence), "{text}");
        }
    }
    let mut twice = push("order-1");
    twice.append(RETRY_COUNT, "0".parse().unwrap());
    assert!(Delivery::parse(&twice, &policy(3), NOW).is_err());
}

#[test]
fn on_the_first_dispatch_there_is_no_previous_response_whatever_a_producer_writes() {
    for written in ["477", "500", "596", "597"] {
        let mut push = push("order-1");
        push.insert(PREVIOUS_RESPONSE, written.parse().unwrap());
        push.insert(RETRY_COUNT, "0".parse().unwrap());
        let delivery = Delivery::parse(&push, &policy(3), NOW).unwrap();
        assert_eq!(delivery.previous_response, None, "{written}");

        push.insert(QUEUE_NAME, "other".parse().unwrap());
        let rejected = Delivery::parse(&push, &policy(3), NOW).unwrap_err();
        assert_eq!(rejected.answer, Answer::Unknown, "{written}");
    }
}

#[test]
fn a_ledger_counts_for_its_own_task_only() {
    let ledger = climbed(2);
    let own = ledger.root.task(2);
    let mut push = push(own.as_str());
    push.insert(LEDGER_HEADER, ledger.encode().parse().unwrap());
    push.insert(QUEUE_NAME, "incoming-2".parse().unwrap());
    let policy = later();
    let delivery = Delivery::parse(&push, &policy, NOW).unwrap();
    assert_eq!(delivery.ledger, ledger);
    assert_eq!(delivery.ledger_error, None);

    push.insert(TASK_NAME, "copy".parse().unwrap());
    let copy = Delivery::parse(&push, &policy, NOW).unwrap();
    assert_eq!(copy.ledger.hop, 0);
    assert_ne!(copy.ledger.root, ledger.root);
    assert_eq!(copy.ledger_error, Some(LedgerError::OtherTask(own.clone())));

    push.insert(LEDGER_HEADER, "{}".parse().unwrap());
    let damaged = Delivery::parse(&push, &policy, NOW).unwrap();
    assert!(matches!(
        damaged.ledger_error,
        Some(LedgerError::Damaged(_))
    ));
}

#[test]
fn a_first_dispatch_is_an_arrival_of_its_origin_and_a_retry_is_none() {
    let ledger = climbed(2);
    let (handed_over, text) = (ledger.root.task(2), ledger.encode());
    for (task, header, policy, origin) in [
        ("order-1", None, policy(3), TaskOrigin::Producer),
        ("order-1", None, later(), TaskOrigin::Producer),
        (
            handed_over.as_str(),
            Some(&*text),
            later(),
            TaskOrigin::HandOver,
        ),
        // Ledgers that don't count: another task's, on the first queue, damaged.
        ("copy", Some(&*text), later(), TaskOrigin::Producer),
        (
            handed_over.as_str(),
            Some(&*text),
            policy(3),
            TaskOrigin::Producer,
        ),
        (
            handed_over.as_str(),
            Some("{}"),
            later(),
            TaskOrigin::Producer,
        ),
    ] {
        for (retry_count, arrival) in [("0", Some(origin)), ("1", None), ("4294967295", None)] {
            let mut push = push(task);
            push.insert(QUEUE_NAME, policy.queue.id.as_str().parse().unwrap());
            push.insert(RETRY_COUNT, retry_count.parse().unwrap());
            if let Some(header) = header {
                push.insert(LEDGER_HEADER, header.parse().unwrap());
            }
            let delivery = Delivery::parse(&push, &policy, NOW).unwrap();
            assert_eq!(
                delivery.arrival(),
                arrival,
                "{task} {header:?} {retry_count}"
            );
        }
    }
}

/// The second stage of the chain.
pub fn later() -> decide::StagePolicy {
    decide::StagePolicy {
        queue: queue("incoming-2"),
        downstream: None,
        ..policy(3)
    }
}

/// How a push of a task with this ledger is read.
pub fn with_ledger(task: &str, ledger: &str, policy: &decide::StagePolicy) -> Delivery {
    let mut push = push(task);
    push.insert(QUEUE_NAME, policy.queue.id.as_str().parse().unwrap());
    push.insert(LEDGER_HEADER, ledger.parse().unwrap());
    Delivery::parse(&push, policy, NOW).unwrap()
}

#[test]
fn a_ledger_of_a_newer_version_holds_only_a_task_that_was_handed_over() {
    let ledger = climbed(2);
    let own = ledger.root.task(2);
    let newer = ledger
        .encode()
        .replacen(r#""v":1,"#, r#""v":4,"new":{},"#, 1);
    let held = with_ledger(own.as_str(), &newer, &later());
    assert!(held.awaits_newer_worker());
    // Its end will be that of the first task.
    assert_eq!((&held.ledger.root, held.ledger.hop), (&ledger.root, 2));
    assert_eq!(held.ledger.task, ledger.task);

    // A version whose fields nobody knows.
    let unknown = with_ledger(own.as_str(), r#"{"v":4}"#, &later());
    assert!(unknown.awaits_newer_worker());
    assert_eq!(unknown.ledger.hop, 0);
    for held in [held, unknown] {
        let first = Delivery {
            retry_count: 0,
            ..held
        };
        assert_eq!(first.arrival(), Some(TaskOrigin::HandOver));
    }

    for (task, ledger) in [
        ("order-1", newer.as_str()),
        ("order-1", r#"{"v":4}"#),
        (ledger.root.notification().as_str(), r#"{"v":4}"#),
        (ledger.root.task(65).as_str(), r#"{"v":4}"#),
    ] {
        for policy in [policy(3), later()] {
            let new = with_ledger(task, ledger, &policy);
            assert!(!new.awaits_newer_worker(), "{task}");
            assert_eq!(new.ledger_error, Some(LedgerError::NotHandedOver(4)));
            assert_eq!(new.ledger.hop, 0);
        }
    }
}

#[test]
fn a_producer_cant_pass_its_task_off_as_another_that_began_on_the_first_queue() {
    let (first, later) = (policy(3), later());
    for hops in [1, 2, 64] {
        let ledger = climbed(hops).folded();
        let own = ledger.root.task(hops);
        let forged = with_ledger(own.as_str(), &ledger.encode(), &first);
        assert_eq!(forged.ledger_error, Some(LedgerError::OnFirstQueue));
        assert_eq!(
            forged.ledger,
            Ledger::first(&queue("incoming").task(own.clone()), NOW)
        );
        // A queue that the root doesn't tell.
        let other = Ledger {
            queue: "incoming-2".parse().unwrap(),
            ..ledger.clone()
        };
        let forged = with_ledger(own.as_str(), &other.encode(), &first);
        assert_eq!(forged.ledger_error, Some(LedgerError::OnFirstQueue));
        let newer = ledger.encode().replacen(r#""v":1,"#, r#""v":4,"#, 1);
        assert!(!with_ledger(own.as_str(), &newer, &first).awaits_newer_worker());

        let real = with_ledger(own.as_str(), &ledger.encode(), &later);
        assert_eq!((real.ledger_error, real.ledger), (None, ledger.clone()));
    }
    // No worker hands over more often.
    for hop in [0, 65, u32::MAX] {
        let ledger = Ledger { hop, ..climbed(1) };
        let own = ledger.root.task(hop);
        let endless = with_ledger(own.as_str(), &ledger.encode(), &later);
        assert_eq!(endless.ledger_error, Some(LedgerError::OtherTask(own)));
    }
    // After the first stage was removed, or the stages reordered.
    let reordered = decide::StagePolicy {
        lookup_queues: vec![queue("incoming-2"), queue("incoming")],
        ..later
    };
    let ledger = climbed(1);
    let own = ledger.root.task(1);
    let before = with_ledger(own.as_str(), &ledger.encode(), &reordered);
    assert_eq!((before.ledger_error, before.ledger), (None, ledger));
}

#[test]
fn a_long_ledger_loses_its_oldest_records_first() {
    let long = climbed(64);
    let read = read(&long.encode(), &long.root.task(64)).unwrap();
    assert!(long.encode().len() <= MAX_LEDGER_BYTES);
    assert_eq!(read.stages.last(), long.stages.last());
    assert_eq!(read.left_out as usize + read.stages.len(), 64);
    let folded = long.clone().folded();
    assert_eq!(
        (folded.root, folded.hop, folded.task),
        (long.root, 64, long.task)
    );
    assert_eq!((folded.stages.len(), folded.left_out), (0, 64));
}

#[test]
fn a_ledger_of_the_first_release_stays_readable() {
    let text = r#"{"v":1,"root":"ROOT","hop":1,"task":"order-1","queue":"incoming","first_seen":"1970-01-01T00:00:00Z","stages":[{"stage":"stage-0","attempts":3,"dispatches":4,"since":"1970-01-01T00:00:00Z","until":"1970-01-01T00:00:00Z","status":500,"reason":"status"}],"left_out":0}"#;
    let ledger = climbed(1);
    let text = text.replace("ROOT", ledger.root.as_str());
    assert_eq!(ledger.encode(), text);
    assert_eq!(read(&text, &ledger.root.task(1)).unwrap(), ledger);
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_000_i64).prop_map(|ms| Timestamp::from_millisecond(ms).unwrap())
}

prop_compose! {
    fn any_record()(
        stage in "[A-Za-z0-9._-]{1,63}",
        reason in "[A-Za-z0-9._-]{1,63}",
        attempts: u32,
        dispatches: u32,
        since in timestamp(),
        until in timestamp(),
        status in proptest::option::of(100..1000_u16),
    ) -> StageRecord {
        let (stage, reason) = (stage.parse().unwrap(), reason.parse().unwrap());
        StageRecord { stage, attempts, dispatches, since, until, status, reason }
    }
}

prop_compose! {
    fn any_ledger()(
        task in "[A-Za-z0-9_-]{1,500}",
        queue_id in "[A-Za-z0-9-]{1,100}",
        hop in 1..=64_u32,
        first_seen in timestamp(),
        stages in proptest::collection::vec(any_record(), 0..30),
        left_out: u32,
        stay in proptest::option::of((1..u32::MAX, any::<u32>(), any::<u32>(), timestamp())),
    ) -> Ledger {
        let first = queue(&queue_id).task(task.parse().unwrap());
        let stay = stay.map(|(later, attempts, dispatches, since)| Stay {
            later,
            attempts,
            dispatches,
            since,
        });
        Ledger { hop, stages, left_out, stay, ..Ledger::first(&first, first_seen) }
    }
}

proptest! {
    #[test]
    fn every_ledger_survives_its_way_through_a_header(ledger in any_ledger()) {
        let text = ledger.encode();
        prop_assert!(text.len() <= MAX_LEDGER_BYTES);
        let back = read(&text, &own_id(&ledger)).unwrap();
        prop_assert_eq!(&back.root, &ledger.root);
        prop_assert_eq!(back.hop, ledger.hop);
        prop_assert_eq!(&back.task, &ledger.task);
        prop_assert_eq!(back.first_seen, ledger.first_seen);
        prop_assert_eq!(&back.stay, &ledger.stay);
        let kept = back.stages.len();
        prop_assert_eq!(&back.stages[..], &ledger.stages[ledger.stages.len() - kept..]);
        // What was read once is not made shorter again.
        prop_assert_eq!(back.encode(), text);
    }

    #[test]
    fn no_header_makes_the_parser_panic(
        values in proptest::collection::vec(proptest::option::of("[ -~\u{80}-\u{2ff}]{0,300}"), 6),
        ledger in any_ledger(),
        cut in 0..4200_usize,
    ) {
        let mut push = HeaderMap::new();
        let names =
            [QUEUE_NAME, TASK_NAME, RETRY_COUNT, EXECUTION_COUNT, PREVIOUS_RESPONSE, LEDGER_HEADER];
        for (name, value) in names.iter().zip(&values) {
            if let Some(value) = value.as_ref().and_then(|v| HeaderValue::from_bytes(v.as_bytes()).ok()) {
                push.insert(*name, value);
            }
        }
        let _ = Delivery::parse(&push, &policy(3), NOW);
        // Headers that are right up to a ledger that was cut somewhere.
        let text = ledger.encode();
        let mut right = self::push(own_id(&ledger).as_str());
        let cut = &text[..cut.min(text.len())];
        right.insert(LEDGER_HEADER, HeaderValue::from_str(cut).unwrap());
        right.insert(QUEUE_NAME, HeaderValue::from_static("incoming-2"));
        let delivery = Delivery::parse(&right, &later(), NOW).unwrap();
        prop_assert_eq!(delivery.ledger_error.is_none(), cut.len() == text.len());
    }

    #[test]
    fn other_tasks_have_other_ids(
        a in ("[a-z-]{1,9}", "[a-z_-]{1,9}", 1..70_u32),
        b in ("[a-z-]{1,9}", "[a-z_-]{1,9}", 1..70_u32),
    ) {
        let ids = |(on, task, hop): &(String, String, u32)| {
            let root = RootId::of(&queue(on).task(task.parse().unwrap()));
            [root.task(*hop), root.later(*hop, 1), root.later(1, *hop + 1), root.notification()]
        };
        let all: HashSet<_> = ids(&a).into_iter().chain(ids(&b)).collect();
        let expected = match ((&a.0, &a.1) == (&b.0, &b.1), a.2 == b.2) {
            (true, true) => 4,
            (true, false) => 7,
            (false, _) => 8,
        };
        prop_assert_eq!(all.len(), expected);
    }
}
