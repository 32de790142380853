//! The page and its API show what the chain does.

use std::future::ready;
use std::net::SocketAddr;
use std::time::Duration;

use cloudtasks::QueueSettings;
use console::{ChainList, EditState, LiveChain, LiveStage, Pods, StageState};
use crds::PausedBy;
use testkit::http_get::status_and_body;
use testkit::{Receiver, eventually, free_addr, http_get};

use crate::program::{Dev, ORDERS, SOON, queue};

/// The address that the program prints.
async fn admin(dev: &Dev) -> SocketAddr {
    eventually("the page's address", SOON, async || {
        let log = dev.process.log();
        let mut lines = log.lines();
        let found = lines.find_map(|line| line.strip_prefix("page: http://"));
        let address = found.map(|it| it.trim_end_matches('/').parse().unwrap());
        address.ok_or(log)
    })
    .await
}

/// Waits until the only chain is so.
async fn shows<T>(dev: &Dev, what: &str, find: impl Fn(&LiveChain) -> Option<T>) -> T {
    let admin = admin(dev).await;
    eventually(what, SOON, async || {
        let list = http_get(admin, "/api/v1/chains").await.unwrap();
        let list: ChainList = serde_json::from_str(&list).unwrap();
        find(&list.items[0]).ok_or(list)
    })
    .await
}

/// Waits until its first stage is so.
async fn first_is<T>(dev: &Dev, what: &str, find: impl Fn(&LiveStage) -> Option<T>) -> T {
    shows(dev, what, |chain| find(&chain.stages[0])).await
}

fn holds(is_so: bool) -> Option<()> {
    is_so.then_some(())
}

#[tokio::test]
async fn a_chain_at_work_shows_its_numbers() {
    let options = [
        "--tasks-per-second=50",
        "--run-time=100ms",
        "--fail-first=0.5",
    ];
    let dev = Dev::start(ORDERS, &options).await;
    let run = shows(&dev, "runs, and hand-overs to the next stage", |chain| {
        let [fast, slow] = &*chain.stages else {
            panic!("{chain:?}");
        };
        let (workers, next) = (fast.worker_numbers.value()?, slow.worker_numbers.value()?);
        let queue = fast.queue_numbers.value()?;
        holds(workers.runs.all_failed() > 20 && next.arrivals.hand_over > 20)?;
        holds(queue.in_flight > 0 && workers.runs_in_progress > 0)?;
        holds(workers.arrivals.producer > 0 && queue.executed_last_minute > 0)?;
        workers.runs.p50
    })
    .await;
    assert!(run > Duration::from_millis(30), "{run:?}");

    let stage = first_is(&dev, "its settings", |stage| Some(stage.clone())).await;
    assert_eq!(stage.state, StageState::Running);
    assert_eq!(stage.settings.max_dispatches_per_second, Some(400.0));
    assert_eq!(stage.settings.max_attempts, 3);
    assert_eq!(
        stage.pods,
        Pods {
            ready: 1,
            desired: 1
        }
    );
    let numbers = stage.queue_numbers.value().unwrap();
    assert!((numbers.effective_rate - 400.0).abs() < 1.0, "{numbers:?}");
}

#[tokio::test]
async fn an_edit_shows_and_so_does_one_that_is_refused() {
    let dev = Dev::start(ORDERS, &[]).await;
    shows(&dev, "the manifest in force", |chain| {
        assert_eq!((&*chain.namespace, &*chain.name), ("default", "orders"));
        holds(chain.edit == EditState::InForce)
    })
    .await;
    dev.edit(&ORDERS.replace("maxDispatchesPerSecond: 400", "maxDispatchesPerSecond: 20"));
    first_is(&dev, "the new rate", |stage| {
        let rate = stage.settings.max_dispatches_per_second?;
        holds((rate - 20.0).abs() < f64::EPSILON)
    })
    .await;

    let invalid = ORDERS.replace("maxDispatchesPerSecond: 400", "maxDispatchesPerSecond: 501");
    dev.edit(&invalid);
    let (reason, message) = shows(&dev, "the refused edit", |chain| match &chain.edit {
        EditState::Waits {
            reason, message, ..
        } => Some((reason.clone(), message.clone())),
        EditState::InForce | EditState::Pending => None,
    })
    .await;
    assert_eq!(reason, "InvalidSpec");
    assert!(message.contains("at most 500"), "{message}");
    // What is in force.
    dev.edit(&ORDERS.replace("maxDispatchesPerSecond: 400", "maxDispatchesPerSecond: 20"));
    shows(&dev, "no refused edit", |chain| {
        holds(chain.edit == EditState::InForce)
    })
    .await;
}

#[tokio::test]
async fn what_others_do_to_a_queue_shows() {
    let dev = Dev::start(ORDERS, &[]).await;
    let queues = dev.queues().await;
    queues.pause_queue(&queue("incoming")).await.unwrap();
    let by_hand = QueueSettings {
        max_dispatches_per_second: Some(7.0),
        ..QueueSettings::default()
    };
    let updated = queues.update_queue(&queue("incoming"), &by_hand).await;
    updated.unwrap();
    dev.send(&["--count", "5"]).await;
    first_is(&dev, "a pause, and late tasks", |stage| {
        let is_paused = matches!(
            stage.state,
            StageState::Paused {
                by: PausedBy::Outside,
                ..
            }
        );
        let numbers = stage.queue_numbers.value()?;
        let is_late = numbers.lag.is_some_and(|lag| lag > Duration::from_secs(1));
        holds(is_paused && is_late && (numbers.tasks, numbers.in_flight) == (5, 0))
    })
    .await;
    let drift = shows(&dev, "the other rate", |chain| chain.drift.clone()).await;
    assert!(drift.contains("incoming"), "{drift}");

    queues.delete_queue(&queue("incoming-2")).await.unwrap();
    shows(&dev, "a missing queue", |chain| {
        holds(chain.stages[1].state == StageState::Missing)
    })
    .await;
}

#[tokio::test]
async fn a_tasks_header_makes_an_incident() {
    let dev = Dev::start(ORDERS, &[]).await;
    dev.send(&["--count", "30", "--header", "Dev-Status: 503"])
        .await;
    let status = first_is(&dev, "the status", |stage| {
        let failures = &stage.worker_numbers.value()?.runs.failures;
        failures.iter().find(|failure| failure.count > 20)?.status
    })
    .await;
    assert_eq!(status, 503);
    dev.send(&["--count", "3", "--header", "Dev-Run-Time: 1h"])
        .await;
    first_is(&dev, "runs in progress", |stage| {
        let queue = stage.queue_numbers.value()?;
        let workers = stage.worker_numbers.value()?;
        holds((queue.in_flight, workers.runs_in_progress) == (3, 3))
    })
    .await;
}

#[tokio::test]
async fn tasks_of_a_rate_end_at_their_number() {
    let options = ["--tasks=30", "--tasks-per-second=60", "--exit-when-idle"];
    let dev = Dev::spawn(ORDERS, &options);
    let code = dev.process.exit(SOON).await;
    let log = dev.process.log();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("sent 30 tasks to incoming"), "{log}");
    assert!(log.contains("sent        30"), "{log}");
}

#[tokio::test]
async fn each_dev_has_an_address_of_its_own_and_a_chosen_one_must_be_free() {
    let (one, other) = (Dev::start(ORDERS, &[]).await, Dev::start(ORDERS, &[]).await);
    assert_ne!(admin(&one).await, admin(&other).await);

    let chosen = free_addr().to_string();
    let third = Dev::start(ORDERS, &["--admin", &chosen]).await;
    assert_eq!(admin(&third).await.to_string(), chosen);
    let (status, _) = status_and_body(admin(&third).await, "/api/v1/chains/default/orders")
        .await
        .unwrap();
    assert_eq!(status, 200);

    let fourth = Dev::spawn(ORDERS, &["--admin", &chosen]);
    assert_ne!(fourth.process.exit(SOON).await, 0);
    let log = fourth.process.log();
    assert!(log.contains("choose another --admin"), "{log}");
}

#[tokio::test]
async fn what_is_parked_is_shown_without_what_tasks_contain() {
    let handler = Receiver::start(|_| {
        let reason = ("executor-reason".to_owned(), "no-stock".to_owned());
        ready((409, vec![reason], Vec::new()))
    });
    let parking = "  project: demo\n  parking: {queue: orders-parked}\n";
    let manifest = ORDERS.replace("  project: demo\n", parking);
    let dev = Dev::start(&manifest, &["--handler", &handler.url("")]).await;
    let admin = admin(&dev).await;
    let tasks = [
        "--count",
        "3",
        "--body",
        "marker",
        "--header",
        "x-a: marker",
    ];
    let (code, log) = dev.send(&tasks).await;
    assert_eq!(code, 0, "{log}");
    let path = "/api/v1/parked/default/orders?by=reason,status&limit=2";
    eventually("three parked tasks", SOON, async || {
        let reply = http_get(admin, path).await.unwrap();
        let group = r#""values":["no-stock","409"],"tasks":3"#;
        (reply.contains(group) && !reply.contains("marker"), reply)
    })
    .await;
    eventually("a finding, and a line of the page", SOON, async || {
        let page = http_get(admin, "/chains/default/orders").await.unwrap();
        let is_shown = page.contains("<b>3</b> parked");
        (
            is_shown && page.contains("kubectl chain parked orders -n default"),
            page,
        )
    })
    .await;
    let (status, reply) = status_and_body(admin, "/api/v1/parked/default/parcels")
        .await
        .unwrap();
    assert_eq!(
        (status, &*reply),
        (404, r#"{"error":"there is no chain default/parcels"}"#)
    );
}
