//! Invalid headers and ledgers: valid ones, broken in the ways that proxies, copies and people break
//! them. `FUZZ_CASES` and `FUZZ_SEED` choose how many and which.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod mangle;

use std::num::NonZeroU32;
use std::time::Duration;

use cloudtasks::{QueuePath, TaskId, TaskPath};
use decide::headers::{
    EXECUTION_COUNT, PREVIOUS_RESPONSE, QUEUE_NAME, RETRY_COUNT, TASK_ETA, TASK_NAME,
};
use decide::rules::AGE_LOOKUP_THRESHOLD;
use decide::task::{LEDGER_HEADER, MAX_HOPS, MAX_LEDGER_BYTES, is_handed_over};
use decide::{
    Answer, ArrivalDecision, ArrivalInputs, Creation, Delivery, Finish, IsolationIndex,
    IsolationRules, Ledger, RequiredInput, RetryAfter, RootId, Routes, RunSlot, StagePolicy,
    StageRecord, SuccessorLookup, TaskAge, TaskOrigin, TaskReason, on_arrival,
};
use fastrand::Rng;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use mangle::mangle;

/// Ten seconds or so, unoptimised.
const CASES: u64 = 60_000;
const SEED: u64 = 1;
/// When the dispatches were due.
const ETA: Timestamp = Timestamp::constant(1_754_000_000, 0);
/// The chain's first queue.
const FIRST: &str = "incoming";
const ISOLATED: RunSlot = RunSlot::Isolated(IsolationIndex(0));

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn every_push_gets_a_decision_and_only_its_own_ledger_counts() {
    let (cases, seed) = (number("FUZZ_CASES", CASES), number("FUZZ_SEED", SEED));
    let corpus = corpus();
    let (first, later) = (policy(&queue(FIRST)), policy(&queue("incoming-2")));
    let mut rng = Rng::with_seed(seed);
    let mut kept = 0_u64;
    for case in 0..cases {
        let policy = if case % 8 == 0 { &first } else { &later };
        let headers = push(&corpus, policy, &mut rng);
        kept += u64::from(check(&headers, policy, &mut rng, case));
    }
    // A generator that breaks all of them, or none, would show nothing.
    assert!(
        (cases / 20..cases).contains(&kept),
        "{kept} of {cases} kept their ledger"
    );
}

/// What must hold of one push; whether its ledger counted.
fn check(headers: &HeaderMap, policy: &StagePolicy, rng: &mut Rng, case: u64) -> bool {
    let said = || format!("case {case}: {headers:?}");
    let remembered = headers
        .get(PREVIOUS_RESPONSE)
        .and_then(|value| value.to_str().ok());
    let delivery = match Delivery::parse(headers, policy, Timestamp::UNIX_EPOCH) {
        Ok(delivery) => delivery,
        Err(rejected) => {
            // A0: it is held, and what it remembers is not forgotten.
            let held = [
                Answer::Unknown,
                Answer::HandOverPending,
                Answer::NotificationPending,
            ];
            assert!(held.contains(&rejected.answer), "{}", said());
            let is_sure = headers.get_all(PREVIOUS_RESPONSE).iter().count() == 1;
            if is_first(headers) {
                assert_eq!(rejected.answer, Answer::Unknown, "{}", said());
            } else if is_sure && matches!(remembered, Some("596" | "597")) {
                let answer = rejected.answer.code().to_string();
                assert_eq!(Some(answer.as_str()), remembered, "{}", said());
            }
            return false;
        }
    };
    let ledger = &delivery.ledger;
    let created = ledger.hop > 0 || ledger.stay.is_some();
    if created {
        assert_eq!(own_id(ledger), delivery.task, "{}", said());
        assert!(ledger.hop <= MAX_HOPS, "{}", said());
        // The names that may follow are no name that it has.
        let names = [ledger.next_task(), ledger.later_task()];
        assert!(!names.contains(&delivery.task), "{}", said());
        let waits = delivery.awaits_newer_worker();
        assert_eq!(delivery.ledger_error.is_some(), waits, "{}", said());
        if policy.queue == queue(FIRST) {
            // All tasks here began on the first queue, and none comes back: they were put off there.
            assert!(ledger.hop == 0 && ledger.stay.is_some(), "{}", said());
            let first = queue(FIRST).task(ledger.task.clone());
            assert_eq!(ledger.root, RootId::of(&first), "{}", said());
        }
    } else {
        let first = policy.queue.task(delivery.task.clone());
        assert_eq!(
            *ledger,
            Ledger::first(&first, Timestamp::UNIX_EPOCH),
            "{}",
            said()
        );
    }
    let origin = if ledger.hop > 0 || delivery.awaits_newer_worker() {
        TaskOrigin::HandOver
    } else {
        TaskOrigin::Producer
    };
    let arrives = delivery.retry_count == 0 && ledger.stay.is_none();
    let arrival = arrives.then_some(origin);
    assert_eq!(delivery.arrival(), arrival, "{}", said());
    for arrived_at in [Timestamp::MIN, ETA + Duration::from_mins(1), Timestamp::MAX] {
        let lag = delivery.lag(arrived_at).unwrap_or_default();
        assert!(lag <= Duration::from_hours(31 * 24), "{}", said());
    }
    assert!(
        delivery.attempts() >= delivery.execution_count,
        "{}",
        said()
    );
    assert!(delivery.dispatches() >= delivery.retry_count, "{}", said());
    handed_on(ledger, &said);
    put_off(&delivery, &said);
    judged(&delivery, policy, rng, &said);
    created
}

/// No dispatch came before this one, so nothing can be remembered.
fn is_first(headers: &HeaderMap) -> bool {
    let mut counts = headers.get_all(RETRY_COUNT).iter();
    let count = counts.next().and_then(|value| value.to_str().ok());
    count.and_then(|text| text.parse().ok()) == Some(0_u32) && counts.next().is_none()
}

/// The next stage can read the next task's ledger, whatever this stage got.
fn handed_on(ledger: &Ledger, said: &dyn Fn() -> String) {
    if ledger.hop >= MAX_HOPS {
        return;
    }
    let next = ledger.clone().with(record("fast")).next_hop();
    let text = next.encode();
    assert!(
        text.len() <= MAX_LEDGER_BYTES && text.is_ascii(),
        "{}",
        said()
    );
    let value = HeaderValue::from_str(&text).unwrap();
    let read = Ledger::read(&value, &ledger.next_task()).unwrap();
    assert_eq!((&read.root, read.hop), (&next.root, next.hop), "{}", said());
    assert_eq!(
        (read.task, read.queue),
        (next.task, next.queue),
        "{}",
        said()
    );
}

/// Nor does the same stage lose anything of a task that it puts off.
fn put_off(delivery: &Delivery, said: &dyn Fn() -> String) {
    let ledger = &delivery.ledger;
    let (attempts, dispatches) = (delivery.attempts(), delivery.dispatches());
    let later = ledger.clone().put_off(attempts, dispatches, ETA);
    let value = HeaderValue::from_str(&later.encode()).unwrap();
    let read = Ledger::read(&value, &ledger.later_task());
    if ledger
        .stay
        .as_ref()
        .is_some_and(|it| it.later == u32::MAX - 1)
    {
        // No worker comes that far.
        return assert!(read.is_err(), "{}", said());
    }
    let read = read.unwrap();
    assert_eq!(
        (&read.root, read.hop),
        (&ledger.root, ledger.hop),
        "{}",
        said()
    );
    assert_eq!(read.stay, later.stay, "{}", said());
}

/// The id of the task that a worker has created with this ledger.
fn own_id(ledger: &Ledger) -> TaskId {
    match &ledger.stay {
        Some(stay) => ledger.root.later(ledger.hop, stay.later),
        None => ledger.root.task(ledger.hop),
    }
}

/// A decision is found after each question was asked once at most. On the first dispatch it is to
/// run the handler, whatever the previous answer is said to be, unless the worker holds or the category
/// is isolated.
fn judged(delivery: &Delivery, policy: &StagePolicy, rng: &mut Rng, said: &dyn Fn() -> String) {
    if delivery.awaits_newer_worker() {
        // Only what looks like a task that was handed over, and not forever.
        assert!(is_handed_over(&delivery.task), "{}", said());
        let old = Duration::from_hours(500);
        let inputs = ArrivalInputs {
            successor: Some(SuccessorLookup::NotFound),
            age: Some(age(old)),
            run_slot: None,
            must_wait: false,
        };
        let ended = on_arrival(delivery, policy, &inputs) == ends();
        let waited = delivery.unanswered() >= AGE_LOOKUP_THRESHOLD;
        assert_eq!(ended, waited, "{}", said());
    } else if delivery.retry_count == 0 {
        let with = |run_slot| {
            let inputs = ArrivalInputs {
                run_slot: Some(run_slot),
                ..ArrivalInputs::default()
            };
            on_arrival(delivery, policy, &inputs)
        };
        let held = ArrivalDecision::Finish(Finish::Answer(Answer::Held));
        assert_eq!(with(RunSlot::Acquired), ArrivalDecision::Run, "{}", said());
        assert_eq!(with(RunSlot::Held), held, "{}", said());
        let ArrivalDecision::Finish(left) = with(ISOLATED) else {
            panic!("not isolated: {}", said());
        };
        match left {
            Finish::Create(pending) => {
                let to = Creation::NextTask(queue("incoming-3"));
                assert_eq!(pending.creation, to, "{}", said());
                assert_eq!(pending.answer_on_failure, Answer::Unknown, "{}", said());
            }
            // Without a notifier, its end is an answer.
            Finish::Answer(answer) => {
                assert_eq!((answer, delivery.ledger.hop), (Answer::Done, MAX_HOPS));
            }
        }
    }
    let mut inputs = ArrivalInputs::default();
    for _ in 0..4 {
        match on_arrival(delivery, policy, &inputs) {
            ArrivalDecision::Needs(RequiredInput::Successor) => {
                assert!(inputs.successor.is_none(), "{}", said());
                inputs.successor = rng.choice([
                    SuccessorLookup::Found,
                    SuccessorLookup::Parked,
                    SuccessorLookup::NotFound,
                    SuccessorLookup::Unknown,
                ]);
            }
            ArrivalDecision::Needs(RequiredInput::TaskAge) => {
                assert!(inputs.age.is_none(), "{}", said());
                let old = Duration::from_hours(500);
                inputs.age = rng.choice([age(old), age(Duration::ZERO), TaskAge::Unknown]);
            }
            ArrivalDecision::Needs(RequiredInput::RunSlot) => {
                assert!(inputs.run_slot.is_none(), "{}", said());
                inputs.run_slot = rng.choice([
                    RunSlot::Acquired,
                    RunSlot::NoneFree,
                    RunSlot::TaskInFlight,
                    RunSlot::Held,
                    ISOLATED,
                ]);
            }
            ArrivalDecision::Run | ArrivalDecision::LastTry | ArrivalDecision::Finish(_) => {
                return;
            }
        }
    }
    panic!("no decision: {}", said());
}

/// A push, most of whose headers are as they should be.
fn push(corpus: &[(TaskId, String)], policy: &StagePolicy, rng: &mut Rng) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let (task, ledger) = &corpus[rng.usize(..corpus.len())];
    let previous = rng.choice(["", "0", "477", "500", "503", "504", "596", "597", "404"]);
    let count = |rng: &mut Rng| rng.u32(..20).to_string();
    let retry_count = if rng.u8(..) < 64 {
        "0".into()
    } else {
        count(rng)
    };
    let execution_count = count(rng);
    for (name, value) in [
        (QUEUE_NAME, policy.queue.id.as_str()),
        (TASK_NAME, task.as_str()),
        (RETRY_COUNT, &retry_count),
        (EXECUTION_COUNT, &execution_count),
        (PREVIOUS_RESPONSE, previous.unwrap_or_default()),
        (TASK_ETA, &ETA.as_second().to_string()),
        (LEDGER_HEADER, ledger),
    ] {
        let times = match rng.u8(..) {
            0..3 => 0,
            3..6 => 2,
            _ => 1,
        };
        for _ in 0..times {
            let mut bytes = value.as_bytes().to_vec();
            // The ledger is what others write; the rest comes from Cloud Tasks.
            let odds = if name == LEDGER_HEADER { 128 } else { 6 };
            if rng.u8(..) < odds {
                mangle(&mut bytes, corpus, rng);
            }
            // Other bytes than these never reach a worker.
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
    }
    headers
}

/// Tasks after some hand-overs, with their ledgers.
fn corpus() -> Vec<(TaskId, String)> {
    let mut corpus = Vec::new();
    for first in ["order-1", "a", &"x".repeat(500)] {
        let path = path_of(first);
        let mut ledger = Ledger::first(&path, Timestamp::UNIX_EPOCH);
        corpus.push((path.id, ledger.next_hop().encode()));
        for hops in [1, 1, 1, 2, 2, 3, 40] {
            ledger = Ledger::first(&path_of(first), Timestamp::UNIX_EPOCH);
            for hop in 0..hops {
                ledger = ledger.with(record(&format!("stage-{hop}"))).next_hop();
            }
            corpus.push((ledger.root.task(ledger.hop), ledger.encode()));
        }
        for (hops, times) in [(0, 1), (0, 2), (1, 1), (MAX_HOPS, 3)] {
            ledger = Ledger::first(&path_of(first), Timestamp::UNIX_EPOCH);
            for hop in 0..hops {
                ledger = ledger.with(record(&format!("stage-{hop}"))).next_hop();
            }
            for time in 0..times {
                ledger = ledger.put_off(time, time + 1, ETA);
            }
            if hops == MAX_HOPS {
                ledger = ledger.folded();
            }
            corpus.push((own_id(&ledger), ledger.encode()));
        }
    }
    corpus
}

fn path_of(first: &str) -> TaskPath {
    queue(FIRST).task(first.parse().unwrap())
}

fn record(stage: &str) -> StageRecord {
    StageRecord {
        stage: stage.parse().unwrap(),
        attempts: 3,
        dispatches: 4,
        since: Timestamp::UNIX_EPOCH,
        until: Timestamp::UNIX_EPOCH,
        status: Some(500),
        reason: TaskReason::STATUS,
    }
}

/// Without a notifier, the end is an answer.
fn ends() -> ArrivalDecision {
    ArrivalDecision::Finish(Finish::Answer(Answer::Done))
}

fn age(age: Duration) -> TaskAge {
    TaskAge::Known {
        created: age,
        dispatched: age,
    }
}

fn queue(id: &str) -> QueuePath {
    format!("projects/p/locations/l/queues/{id}")
        .parse()
        .unwrap()
}

/// A stage of a chain of three.
fn policy(own: &QueuePath) -> StagePolicy {
    StagePolicy {
        chain: "orders".into(),
        stage: "fast".parse().unwrap(),
        max_attempts: NonZeroU32::new(3).unwrap(),
        queue: own.clone(),
        downstream: Some(queue("incoming-3")),
        lookup_queues: vec![queue(FIRST), queue("incoming-2"), queue("incoming-3")],
        notifier: None,
        parking: None,
        retired_parking: Vec::new(),
        give_up_after: Duration::from_hours(480),
        routes: Routes::default(),
        isolation: isolation(),
        tell_categories: false,
        hold_on_outage: None,
        retry_after: RetryAfter::Follow,
    }
}

fn isolation() -> IsolationRules {
    let rules = r#"[{"header": "X-Tenant", "to": "projects/p/locations/l/queues/incoming-3"}]"#;
    serde_json::from_str(rules).unwrap()
}
