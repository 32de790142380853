//! The file is edited while the chain runs.

use std::future::{pending, ready};

use cloudtasks::QueueSettings;
use testkit::{Receiver, eventually};

use crate::program::{Dev, ORDERS, SOON, notifying, queue};

async fn rate(dev: &Dev, id: &str) -> f64 {
    let found = dev.queues().await.get_queue(&queue(id)).await;
    found.unwrap().max_dispatches_per_second
}

#[tokio::test]
async fn a_rate_is_in_force_and_what_the_manifest_leaves_out_is_not_sent() {
    let dev = Dev::start(ORDERS, &[]).await;
    let queues = dev.queues().await;
    let by_hand = QueueSettings {
        max_concurrent_dispatches: Some(77),
        ..QueueSettings::default()
    };
    let updated = queues.update_queue(&queue("incoming"), &by_hand).await;
    updated.unwrap();
    dev.edit(&ORDERS.replace("maxDispatchesPerSecond: 400", "maxDispatchesPerSecond: 20"));
    eventually("the new rate", SOON, async || {
        (rate(&dev, "incoming").await - 20.0).abs() < f64::EPSILON
    })
    .await;
    dev.says("update queue incoming (rate 20/s)").await;
    let found = queues.get_queue(&queue("incoming")).await.unwrap();
    assert_eq!(found.max_concurrent_dispatches, 77);
}

#[tokio::test]
async fn an_edit_that_is_refused_gets_its_sentence_and_the_old_stays_in_force() {
    let dev = Dev::start(ORDERS, &[]).await;
    for (edit, sentence) in [
        (
            ORDERS.replace("queue: incoming-2", "queue: incoming-9"),
            "a stage's queue is immutable",
        ),
        (
            ORDERS.replace("maxDispatchesPerSecond: 400", "maxDispatchesPerSecond: 501"),
            "at most 500",
        ),
        (
            ORDERS.replace("maxAttempts: 2", "maxAttempt: 2"),
            "unknown field",
        ),
        (
            ORDERS.replace("  project: demo\n", ""),
            "project is immutable",
        ),
        (ORDERS.replace("spec:", "spec: ]"), "line"),
    ] {
        dev.edit(&edit);
        dev.says(sentence).await;
    }
    dev.says("the previous version stays in effect").await;
    assert!((rate(&dev, "incoming").await - 400.0).abs() < f64::EPSILON);
    // And it still follows the file.
    dev.edit(&ORDERS.replace("maxDispatchesPerSecond: 400", "maxDispatchesPerSecond: 30"));
    dev.says("update queue incoming (rate 30/s)").await;
}

#[tokio::test]
async fn attempts_and_a_new_stage_are_in_force_for_the_next_task() {
    let handler = Receiver::start(|_| ready((500, Vec::new(), Vec::new())));
    let dev = Dev::start(ORDERS, &["--handler", &handler.url("")]).await;
    let last = "  - {name: last, queue: incoming-3, maxAttempts: 1}\n";
    dev.edit(&format!(
        "{}{last}",
        ORDERS.replace("maxAttempts: 3", "maxAttempts: 1")
    ));
    dev.says("create queue incoming-3").await;
    dev.says("edit applied").await;
    dev.send(&[]).await;
    eventually("a run on the new stage", SOON, async || {
        let mut runs = handler.requests().into_iter();
        runs.any(|run| run.header("executor-stage") == "last")
    })
    .await;
    let runs = handler.requests();
    let count = |stage: &str| {
        let on = runs
            .iter()
            .filter(|run| run.header("executor-stage") == stage);
        on.count()
    };
    assert_eq!((count("fast"), count("slow"), count("last")), (1, 2, 1));
}

#[tokio::test]
async fn stages_that_only_change_places_are_admitted() {
    let dev = Dev::start(ORDERS, &[]).await;
    let mut lines: Vec<&str> = ORDERS.lines().collect();
    let first = lines.iter().position(|line| line.contains("name: fast"));
    lines.swap(first.unwrap(), first.unwrap() + 1);
    dev.edit(&lines.join("\n"));
    dev.says("edit applied").await;
    assert!(dev.process.exit_code().is_none());
}

#[tokio::test]
async fn a_removed_stage_ends_its_tasks_before_the_account() {
    let handler = Receiver::start(|_| ready((500, Vec::new(), Vec::new())));
    let waits = ORDERS.replace("maxAttempts: 2", "maxAttempts: 2, paused: true");
    let url = handler.url("");
    let options = ["--tasks", "5", "--exit-when-idle", "--handler", &url];
    let dev = Dev::start(&waits, &options).await;
    let queues = dev.queues().await;
    eventually("all on the second stage", SOON, async || {
        let waiting = queues.list_tasks(&queue("incoming-2"), 10).await.ok()?;
        (waiting.len() == 5).then_some(())
    })
    .await;
    let (without, _) = ORDERS.split_once("  - {name: slow").unwrap();
    dev.edit(without);
    assert_eq!(dev.process.exit(SOON).await, 0, "{}", dev.process.log());
    let log = dev.process.log();
    assert!(log.contains("lost        0"), "{log}");
}

#[tokio::test]
async fn notifications_follow_an_edit() {
    let (one, other) = (Receiver::answering(200), Receiver::answering(200));
    let handler = Receiver::answering(200);
    let dev = Dev::start(&notifying(&one), &["--handler", &handler.url("")]).await;
    dev.edit(&notifying(&other));
    dev.says(&other.url("/events")).await;
    dev.send(&[]).await;
    eventually("an event", SOON, async || !other.requests().is_empty()).await;
    assert!(one.requests().is_empty());
}

#[tokio::test]
async fn a_token_is_turned_on_and_changed_and_off_and_every_task_ends() {
    let handler = Receiver::start(|_| ready((200, Vec::new(), Vec::new())));
    let dev = Dev::start(ORDERS, &["--handler", &handler.url("")]).await;
    let with = |audience: &str| {
        let oidc = format!(
            "  oidc: {{serviceAccountEmail: pusher@demo.example, audiences: [{audience}]}}\n  stages:\n"
        );
        ORDERS.replace("  stages:\n", &oidc)
    };
    let queues = dev.queues().await;
    let sends = async |wanted: Option<&str>| {
        eventually("the queue's token", SOON, async || {
            let found = queues.get_queue(&queue("incoming")).await.ok()?;
            let token = found.http_target?.token;
            let audience = token.as_ref().map(|token| token.audience.as_str());
            (audience == wanted).then_some(())
        })
        .await;
    };
    let audiences = [Some("orders"), Some("parcels"), None];
    for (number, audience) in audiences.into_iter().enumerate() {
        dev.edit(&audience.map_or_else(|| ORDERS.to_owned(), with));
        sends(audience).await;
        let (code, log) = dev.send(&["--count", "5"]).await;
        assert_eq!(code, 0, "{log}");
        eventually("the runs", SOON, async || {
            let runs = handler.requests().len();
            (runs == 5 * (number + 1), runs)
        })
        .await;
    }
    for run in handler.requests() {
        assert_eq!(run.header("authorization"), "");
    }
}

/// The handler asks for an hour, which its stage ignores. The next stage waits a day.
#[tokio::test]
async fn what_a_stage_does_on_bad_days_reaches_its_worker() {
    let later = || vec![("retry-after".to_owned(), "3600".to_owned())];
    let handler = Receiver::start(move |_| ready((503, later(), Vec::new())));
    let isolate = "isolate: [{by: {header: X-Tenant}, maxShare: 25%, failures: {}}]";
    let fast = format!("maxAttempts: 3, {isolate}, holdOnOutage: 30m, retryAfter: Ignore");
    let manifest = ORDERS
        .replace("maxAttempts: 3", &fast)
        .replace("maxAttempts: 2", "maxAttempts: 2, delay: 24h");
    let dev = Dev::start(&manifest, &["--handler", &handler.url("")]).await;
    dev.send(&[]).await;
    let queues = dev.queues().await;
    let waiting = eventually("a task on the second stage", SOON, async || {
        let tasks = queues.list_tasks(&queue("incoming-2"), 10).await.ok()?;
        tasks.into_iter().next()
    })
    .await;
    assert_eq!(handler.requests().len(), 3);
    let wait = waiting.scheduled.duration_since(waiting.created);
    assert!(wait.as_hours() >= 23, "{wait:?}");
    // Without the delay, for tasks that are handed over from now on.
    dev.edit(&manifest.replace(", delay: 24h", ""));
    dev.says("edit applied").await;
    dev.send(&[]).await;
    eventually("runs on the second stage", SOON, async || {
        let runs = handler.requests();
        let mut stages = runs.iter().map(|run| run.header("executor-stage"));
        stages.any(|stage| stage == "slow").then_some(())
    })
    .await;
}

/// The handler hangs on the first stage. With one run slot, the second task of the tenant leaves it.
#[tokio::test]
async fn an_edit_isolates_a_tenant_whose_tasks_hang() {
    let handler = Receiver::start(|run| async move {
        if run.header("executor-stage") == "fast" {
            pending::<()>().await;
        }
        (200, Vec::new(), Vec::new())
    });
    let dev = Dev::start(ORDERS, &["--handler", &handler.url("")]).await;
    let isolate = "isolate: [{by: {header: X-Tenant}, maxShare: 1%}]";
    let fast = format!("maxAttempts: 3, concurrency: 1, {isolate}");
    dev.edit(&ORDERS.replace("maxAttempts: 3", &fast));
    dev.says("edit applied").await;
    let tenant = ["--count", "2", "--header", "x-tenant: acme"];
    let (code, log) = dev.send(&tenant).await;
    assert_eq!(code, 0, "{log}");
    eventually("a run on the second stage", SOON, async || {
        let runs = handler.requests();
        let mut stages = runs.iter().map(|run| run.header("executor-stage"));
        (stages.any(|stage| stage == "slow"), runs.len())
    })
    .await;
    // Neither was tried in vain.
    assert_eq!(handler.requests().len(), 2);
}
