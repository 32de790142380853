//! Bad days: handlers that ask for more time, categories that hang or fail, and handlers that fail for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cloudtasks::Method;
use decide::{Answer, IsolationCause};
use executor_worker::RunningWorker;
use futures::future::join_all;
use jiff::SignedDuration;
use testkit::{Receiver, Recorded, eventually};

use crate::interruptions::Gate;
use crate::pushes::{get, head, push};
use crate::testbed::{DOWNSTREAM, SOON, started};

const ISOLATE: &str = r#"[{"header": "X-Tenant", "to": "projects/p/locations/l/queues/incoming-2",
    "maxShare": 25, "failures": {"of": 16, "atLeast": 12}}]"#;

/// A handler that says this twice, and then 200.
fn twice(says: &'static [(&'static str, &'static str)]) -> Receiver {
    let asked = Arc::new(AtomicUsize::new(0));
    Receiver::start(move |_| {
        let says = says.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        let answer = match asked.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => (429, says.collect(), Vec::new()),
            _ => (200, Vec::new(), Vec::new()),
        };
        async { answer }
    })
}

/// When a run was due.
fn due(run: &Recorded) -> f64 {
    run.header("x-cloudtasks-tasketa").parse().unwrap()
}

fn attempts(runs: &[Recorded]) -> Vec<&str> {
    let attempt = |run| Recorded::header(run, "executor-attempt");
    runs.iter().map(attempt).collect()
}

async fn pushed_as(worker: &RunningWorker, task: &str, tenant: &str) -> u16 {
    let mut head = head(task, 0, 0, None);
    head.push(("x-tenant".to_owned(), tenant.to_owned()));
    push(worker.addr(), &head).await
}

#[tokio::test]
async fn a_failed_attempt_is_made_again_when_the_handler_says() {
    let (testbed, handler, worker) = started(twice(&[("retry-after", "1")]), &[]).await;
    let event = testbed.run(worker.addr(), &[("x-customer", "acme")]).await;

    let runs = handler.requests();
    assert_eq!(attempts(&runs), ["1", "2", "3"]);
    for (before, after) in runs.iter().zip(&runs[1..]) {
        assert!(
            due(after) - due(before) >= 0.99,
            "{} {}",
            due(before),
            due(after)
        );
        assert_eq!(after.header("x-cloudtasks-taskname"), "order-1");
        assert_eq!(after.header("x-customer"), "acme");
        assert_eq!((&after.uri, &after.body), (&before.uri, &before.body));
    }
    assert_eq!(event["type"], "dev.executor-chain.task.succeeded.v1");
    assert_eq!(event["data"]["attempts"]["fast"], 3);
    let counts = worker.metrics().snapshot();
    assert_eq!((counts.runs_started, counts.handed_on), (3, 0));
    worker.stop().await;
}

#[tokio::test]
async fn later_costs_no_attempt() {
    let later = &[("executor-verdict", "later"), ("retry-after", "1")];
    let (testbed, handler, worker) = started(twice(later), &[("MAX_ATTEMPTS", "1")]).await;
    let event = testbed.run(worker.addr(), &[]).await;
    assert_eq!(attempts(&handler.requests()), ["1", "1", "1"]);
    assert_eq!(event["data"]["attempts"]["fast"], 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_task_whose_handler_always_says_later_expires() {
    let later = [
        ("executor-verdict".to_owned(), "later".to_owned()),
        ("retry-after".to_owned(), "1".to_owned()),
        ("executor-reason".to_owned(), "locked".to_owned()),
    ];
    let handler = Receiver::start(move |_| {
        let later = later.to_vec();
        async { (503, later, Vec::new()) }
    });
    let (testbed, handler, worker) = started(handler, &[("GIVE_UP_AFTER", "2500ms")]).await;
    let event = testbed.run(worker.addr(), &[]).await;

    assert_eq!(event["type"], "dev.executor-chain.task.failed.v1");
    assert_eq!(event["data"]["reason"], "expired");
    assert_eq!(event["data"]["attempts"]["fast"], 0);
    let stage = &event["data"]["ledger"]["stages"][0];
    let runs = handler.requests().len();
    // It came at once, and then each second for two seconds and a half.
    assert!(runs >= 2, "{runs}");
    assert_eq!(stage["dispatches"], runs);
    worker.stop().await;
}

#[tokio::test]
async fn a_stage_that_ignores_retry_after_counts_attempts_only() {
    let later = &[("executor-verdict", "later"), ("retry-after", "86400")];
    let vars = [("MAX_ATTEMPTS", "2"), ("RETRY_AFTER", "Ignore")];
    let (testbed, handler, worker) = started(twice(later), &vars).await;
    let event = testbed.run(worker.addr(), &[]).await;
    assert_eq!(event["type"], "dev.executor-chain.task.failed.v1");
    assert_eq!(attempts(&handler.requests()), ["1", "2"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_hand_over_waits_for_the_delay_of_its_stage() {
    let delays = format!("{}=1h", DOWNSTREAM.1);
    let vars = [("MAX_ATTEMPTS", "1"), DOWNSTREAM, ("DELAYS", &delays)];
    let (testbed, _handler, worker) = started(Receiver::answering(500), &vars).await;
    testbed
        .create_queue("incoming-2", &cloudtasks::QueueSettings::default())
        .await;
    testbed.queue("incoming", worker.addr()).await;
    testbed.send("order-1", Method::Post, &[], b"").await;
    let task = eventually("the hand-over", SOON, async || {
        testbed.tasks("incoming-2").await.pop().ok_or("no task")
    })
    .await;
    let waits = task.scheduled.duration_since(task.created);
    let hour = SignedDuration::from_hours(1);
    let tolerance = SignedDuration::from_mins(1);
    assert!(
        waits > hour - tolerance && waits < hour + tolerance,
        "{waits}"
    );
    worker.stop().await;
}

#[tokio::test]
async fn a_category_that_fails_leaves_the_stage_while_others_stay() {
    let handler = Receiver::start(|run: Recorded| async move {
        let sick = run.header("x-tenant") == "sick";
        (if sick { 500 } else { 200 }, Vec::new(), Vec::new())
    });
    let vars = [
        DOWNSTREAM,
        ("ISOLATE", ISOLATE),
        ("TELL_CATEGORIES", "true"),
    ];
    let (testbed, handler, worker) = started(handler, &vars).await;
    testbed.paused_queue("incoming-2").await;
    let page = async || {
        let (_, text) = get(worker.admin_addr(), "/isolated").await;
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };

    for number in 0..10 {
        assert_eq!(
            pushed_as(&worker, &format!("well-{number}"), "well").await,
            200
        );
    }
    for number in 0..12 {
        assert_eq!(page().await, serde_json::json!([]));
        assert_eq!(
            pushed_as(&worker, &format!("sick-{number}"), "sick").await,
            477
        );
    }
    let runs = handler.requests().len();
    assert_eq!(pushed_as(&worker, "sick-12", "sick").await, 200);
    assert_eq!(handler.requests().len(), runs, "no run");
    assert_eq!(testbed.tasks("incoming-2").await.len(), 1);
    assert_eq!(pushed_as(&worker, "well-10", "well").await, 200);
    assert_eq!(handler.requests().len(), runs + 1);

    let isolated = page().await;
    assert_eq!(isolated[0]["category"], "sick");
    assert_eq!(isolated[0]["header"], "x-tenant");
    assert_eq!(isolated[0]["to"], DOWNSTREAM.1);
    let metrics = worker.metrics();
    assert_eq!(metrics.isolated_tasks(IsolationCause::Failures), 1);
    assert_eq!(metrics.isolated_tasks(IsolationCause::Share), 0);
    let text = get(worker.admin_addr(), "/metrics").await.1;
    let gauge = text
        .lines()
        .find(|line| line.contains("_isolated_categories{"));
    assert!(gauge.unwrap().ends_with(" 1"), "{gauge:?}");
    assert!(!text.contains("sick"), "values of categories are no labels");
    worker.stop().await;
}

#[tokio::test]
async fn a_category_that_hangs_holds_its_share_of_the_run_slots_at_most() {
    let gate = Gate::new();
    let vars = [DOWNSTREAM, ("ISOLATE", ISOLATE), ("CONCURRENCY", "8")];
    let (testbed, _handler, worker) = started(gate.handler(200), &vars).await;
    testbed.paused_queue("incoming-2").await;
    let worker = &worker;
    let hangs = async |number: usize| pushed_as(worker, &format!("hung-{number}"), "sick").await;
    let runs = async |count| {
        eventually("the runs", SOON, async || {
            let runs = worker.metrics().snapshot().runs_under_way;
            if runs == count { Ok(()) } else { Err(runs) }
        })
        .await;
    };
    let hung = join_all((0..6).map(hangs));
    let sends = async {
        // While a quarter of the slots is free, a category may hold as many as it likes.
        runs(6).await;
        assert_eq!(pushed_as(worker, "one-more", "sick").await, 200);
        assert_eq!(testbed.tasks("incoming-2").await.len(), 1);
        gate.open();
    };
    let (answers, ()) = futures::join!(hung, sends);
    assert_eq!(answers, [200; 6]);
    runs(0).await;
    let metrics = worker.metrics();
    assert_eq!(metrics.isolated_tasks(IsolationCause::Share), 1);
    assert_eq!(pushed_as(worker, "again", "sick").await, 200);
    assert_eq!(metrics.isolated_tasks(IsolationCause::Share), 1);
    let (_, page) = get(worker.admin_addr(), "/isolated").await;
    assert_eq!(page, "[]");
}

/// A handler that fails until the flag is set.
fn failing(is_well: &Arc<AtomicBool>) -> Receiver {
    let is_well = Arc::clone(is_well);
    Receiver::start(move |_| {
        let status = if is_well.load(Ordering::Relaxed) {
            200
        } else {
            500
        };
        async move { (status, Vec::new(), Vec::new()) }
    })
}

#[tokio::test]
async fn while_the_handler_fails_for_all_tasks_none_of_them_loses_its_attempts() {
    const TASKS: usize = 40;
    let is_well = Arc::new(AtomicBool::new(false));
    let vars = [("MAX_ATTEMPTS", "21"), ("HOLD_ON_OUTAGE", "10m")];
    let (testbed, handler, worker) = started(failing(&is_well), &vars).await;
    testbed.queue("incoming", worker.addr()).await;
    for number in 0..TASKS {
        testbed
            .send(&format!("t-{number}"), Method::Post, &[], b"")
            .await;
    }
    let held = || worker.metrics().answers(Answer::Held);
    // Each is pushed again and again meanwhile. Hardly a run counts.
    eventually("pushes that are held", SOON, async || {
        (held() > 5 * TASKS as u64).then_some(()).ok_or(held())
    })
    .await;
    let counts = worker.metrics().snapshot();
    assert!(worker.metrics().answers(Answer::Failed) <= 20);
    let text = get(worker.admin_addr(), "/metrics").await.1;
    let gauge = text.lines().find(|line| line.contains("_holding{"));
    assert!(gauge.unwrap().ends_with(" 1"), "{gauge:?}");
    assert!(counts.runs_started < 100, "then probes only: {counts:?}");

    is_well.store(true, Ordering::Relaxed);
    eventually("all ends", SOON, async || {
        let counts = worker.metrics().snapshot();
        let ended = counts.notified_succeeded + counts.notified_failed;
        (ended == TASKS as u64).then_some(()).ok_or(counts)
    })
    .await;
    let counts = worker.metrics().snapshot();
    assert_eq!(
        (counts.notified_failed, held() > 0),
        (0, true),
        "{counts:?}"
    );
    assert!(handler.requests().len() >= TASKS);
    let text = get(worker.admin_addr(), "/metrics").await.1;
    let gauge = text.lines().find(|line| line.contains("_holding{"));
    assert!(gauge.unwrap().ends_with(" 0"), "{gauge:?}");
    worker.stop().await;
}

#[tokio::test]
async fn what_is_owed_is_created_while_the_worker_holds() {
    let is_well = Arc::new(AtomicBool::new(false));
    let vars = [("MAX_ATTEMPTS", "9"), ("HOLD_ON_OUTAGE", "10m"), DOWNSTREAM];
    let (testbed, handler, worker) = started(failing(&is_well), &vars).await;
    testbed.paused_queue("incoming-2").await;
    let to = worker.addr();
    let mut statuses = Vec::new();
    for number in 0..49 {
        statuses.push(push(to, &head(&format!("t-{number}"), 0, 0, None)).await);
    }
    // From the eighth task on it may be the handler. The forty-eighth failure shows that it is.
    assert_eq!(statuses[..7], [477; 7]);
    assert_eq!(statuses[7..], [503; 42]);
    assert_eq!(handler.requests().len(), 48);
    assert_eq!(worker.metrics().answers(Answer::Held), 42);

    assert_eq!(push(to, &head("succeeded", 1, 0, Some(597))).await, 200);
    assert_eq!(push(to, &head("used-up", 1, 0, Some(596))).await, 200);
    assert_eq!(testbed.tasks("incoming-2").await.len(), 1);
    let counts = worker.metrics().snapshot();
    assert_eq!((counts.notified_succeeded, counts.handed_on), (1, 1));
    worker.stop().await;
}

#[tokio::test]
async fn a_hold_ends_when_its_time_is_up() {
    let is_well = Arc::new(AtomicBool::new(false));
    let vars = [("MAX_ATTEMPTS", "2"), ("HOLD_ON_OUTAGE", "10s")];
    let (testbed, _handler, worker) = started(failing(&is_well), &vars).await;
    testbed.queue("incoming", worker.addr()).await;
    for number in 0..40 {
        testbed
            .send(&format!("t-{number}"), Method::Post, &[], b"")
            .await;
    }
    eventually("all ends", SOON + Duration::from_secs(10), async || {
        let counts = worker.metrics().snapshot();
        (counts.notified_failed == 40).then_some(()).ok_or(counts)
    })
    .await;
    assert!(worker.metrics().answers(Answer::Held) > 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_task_without_the_header_is_never_isolated() {
    let vars = [DOWNSTREAM, ("ISOLATE", ISOLATE)];
    let (_testbed, _handler, worker) = started(Receiver::answering(500), &vars).await;
    for number in 0..40 {
        let task = format!("t-{number}");
        assert_eq!(push(worker.addr(), &head(&task, 0, 0, None)).await, 477);
    }
    // Where all fail, a category that fails too is no outlier.
    for number in 0..20 {
        let task = format!("sick-{number}");
        assert_eq!(pushed_as(&worker, &task, "sick").await, 477);
    }
    worker.stop().await;
}

#[tokio::test]
async fn values_of_categories_are_hashed_unless_they_may_be_told() {
    let handler = Receiver::start(|run: Recorded| async move {
        let sick = run.header("x-tenant") == "secret";
        (if sick { 500 } else { 200 }, Vec::new(), Vec::new())
    });
    let vars = [DOWNSTREAM, ("ISOLATE", ISOLATE)];
    let (testbed, _handler, worker) = started(handler, &vars).await;
    testbed.paused_queue("incoming-2").await;
    for number in 0..10 {
        pushed_as(&worker, &format!("well-{number}"), "well").await;
    }
    for number in 0..12 {
        pushed_as(&worker, &format!("sick-{number}"), "secret").await;
    }
    let (_, page) = get(worker.admin_addr(), "/isolated").await;
    assert!(page.contains("hash") && !page.contains("secret"), "{page}");
    worker.stop().await;
}
