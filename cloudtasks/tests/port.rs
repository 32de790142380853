//! The client against the emulator, and against servers that fail.

#![cfg(feature = "client")]
#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use cloudtasks::{
    CloudTasks, CreateOutcome, Endpoint, Error, HttpTarget, Method, NewTask, QueuePath,
    QueueSettings, QueueState, QueueStats, TaskState,
};
use testkit::chain::http_target;
use testkit::{Emulator, Receiver, StatsAnswer, StatsProxy, eventually, free_port};

fn queue(id: &str) -> QueuePath {
    format!("projects/demo/locations/europe-west1/queues/{id}")
        .parse()
        .unwrap()
}

fn task(queue: &QueuePath, id: &str) -> NewTask {
    NewTask {
        path: Some(queue.task(id.parse().unwrap())),
        url: "http://127.0.0.1:9/x".into(),
        method: Method::Put,
        headers: BTreeMap::from([("x-a".into(), "1".into())]),
        body: b"body".to_vec(),
        dispatch_deadline: Some(Duration::from_secs(20)),
        schedule_time: None,
        oidc_token: None,
    }
}

async fn create(cloud: &CloudTasks, path: &QueuePath) {
    let settings = QueueSettings::default();
    cloud.create_queue(path, &settings).await.unwrap();
}

async fn connect(receiver: &Receiver) -> CloudTasks {
    let endpoint = Endpoint::Emulator(receiver.addr().to_string());
    CloudTasks::connect(&endpoint).await.unwrap()
}

#[tokio::test]
async fn a_create_or_update_changes_only_the_settings_that_are_set() {
    let emulator = Emulator::start().await;
    let cloud = emulator.cloud_tasks().await;
    let path = queue("a");
    let target = HttpTarget {
        headers: BTreeMap::from([("executor-owner".into(), "c/n/x".into())]),
        ..http_target(([127, 0, 0, 1], 8080).into())
    };
    let settings = QueueSettings {
        max_dispatches_per_second: Some(0.5),
        max_attempts: Some(-1),
        max_retry_duration: Some(None),
        http_target: Some(target.clone()),
        ..QueueSettings::default()
    };
    let made = cloud.create_queue(&path, &settings).await.unwrap();
    assert!((made.max_dispatches_per_second - 0.5).abs() < f64::EPSILON);
    assert_eq!((made.max_attempts, made.max_retry_duration), (-1, None));
    assert_eq!(
        made.max_concurrent_dispatches, 1000,
        "Cloud Tasks' own default"
    );
    assert_eq!(made.http_target, Some(target));
    assert_eq!(made.state, QueueState::Running);
    let again = cloud.create_queue(&path, &settings).await.unwrap_err();
    assert!(matches!(again, Error::Exists { .. }), "{again:?}");

    // A mask of one path each: the others stay.
    let one = QueueSettings {
        max_doublings: Some(3),
        ..QueueSettings::default()
    };
    assert_eq!(one.mask(), ["retry_config.max_doublings"]);
    cloud.update_queue(&path, &one).await.unwrap();
    let limit = Some(Some(Duration::from_secs(90)));
    let two = QueueSettings {
        max_retry_duration: limit,
        ..QueueSettings::default()
    };
    cloud.update_queue(&path, &two).await.unwrap();
    let now = cloud.get_queue(&path).await.unwrap();
    assert_eq!(now.max_retry_duration, Some(Duration::from_secs(90)));
    let wanted = cloudtasks::Queue {
        max_doublings: 3,
        max_retry_duration: None,
        ..made
    };
    let lifted = QueueSettings {
        max_retry_duration: Some(None),
        ..QueueSettings::default()
    };
    assert_eq!(cloud.update_queue(&path, &lifted).await.unwrap(), wanted);
    assert_eq!(cloud.list_queues(&path.parent).await.unwrap(), [wanted]);
}

#[tokio::test]
async fn pause_resume_and_delete_are_idempotent_or_report_what_is_missing() {
    let emulator = Emulator::start().await;
    let cloud = emulator.cloud_tasks().await;
    let path = queue("a");
    let missing = cloud.pause_queue(&path).await.unwrap_err();
    assert!(matches!(missing, Error::Missing { .. }), "{missing:?}");
    create(&cloud, &path).await;
    let state = async || cloud.get_queue(&path).await.unwrap().state;
    for _ in 0..2 {
        cloud.pause_queue(&path).await.unwrap();
        assert_eq!(state().await, QueueState::Paused);
    }
    for _ in 0..2 {
        cloud.resume_queue(&path).await.unwrap();
        assert_eq!(state().await, QueueState::Running);
    }
    cloud.delete_queue(&path).await.unwrap();
    let blocked = cloud.create_queue(&path, &QueueSettings::default()).await;
    let is_blocked = matches!(blocked, Err(Error::ExistedTooRecently { .. }));
    assert!(is_blocked, "{blocked:?}");
}

#[tokio::test]
async fn a_task_name_stays_taken_while_the_task_exists_and_after_it_ended() {
    let handler = Receiver::answering(200);
    let emulator = Emulator::start().await;
    let cloud = emulator.cloud_tasks().await;
    let path = queue("a");
    create(&cloud, &path).await;
    cloud.pause_queue(&path).await.unwrap();
    let new = NewTask {
        url: handler.url("/p?q=1"),
        ..task(&path, "t")
    };
    let name = new.path.clone().unwrap();
    assert_eq!(cloud.get_task(&name).await.unwrap(), TaskState::Unknown);
    let create = async || cloud.create_task(&path, &new).await.unwrap();
    assert_eq!(create().await, CreateOutcome::Created);
    assert_eq!(create().await, CreateOutcome::AlreadyExists);
    assert!(
        matches!(cloud.get_task(&name).await.unwrap(), TaskState::Exists(info) if info.path == name)
    );
    assert_eq!(cloud.list_tasks(&path, 10).await.unwrap().len(), 1);

    cloud.resume_queue(&path).await.unwrap();
    eventually("the task's end", Duration::from_secs(20), async || {
        cloud.get_task(&name).await.unwrap() == TaskState::Ended
    })
    .await;
    assert_eq!(create().await, CreateOutcome::AlreadyExists);
    let pushed = &handler.requests()[0];
    assert_eq!(pushed.method, "PUT");
    assert_eq!(pushed.uri, "/p?q=1");
    assert_eq!(pushed.header("x-a"), "1");
    assert_eq!(&pushed.body[..], b"body");
}

#[tokio::test]
async fn lists_read_all_pages() {
    let emulator = Emulator::start().await;
    let cloud = emulator.cloud_tasks().await;
    let path = queue("a");
    create(&cloud, &path).await;
    cloud.pause_queue(&path).await.unwrap();
    for number in 0..1003 {
        let task = task(&path, &format!("t{number}"));
        cloud.create_task(&path, &task).await.unwrap();
    }
    assert_eq!(cloud.list_tasks(&path, 5000).await.unwrap().len(), 1003);
    assert_eq!(cloud.list_tasks(&path, 7).await.unwrap().len(), 7);
}

#[tokio::test]
async fn a_page_of_tasks_with_long_headers_is_read_without_bodies() {
    let emulator = Emulator::start().await;
    let cloud = emulator.cloud_tasks().await;
    let path = queue("a");
    create(&cloud, &path).await;
    cloud.pause_queue(&path).await.unwrap();
    for number in 0..1_000 {
        let mut task = task(&path, &number.to_string());
        task.headers.insert("x-long".into(), "y".repeat(6_000));
        cloud.create_task(&path, &task).await.unwrap();
    }
    let page = cloud.list_tasks_page(&path, None).await.unwrap();
    assert_eq!(page.tasks.len(), 1_000);
    assert_eq!(page.tasks[0].headers["x-long"].len(), 6_000);
}

#[tokio::test]
async fn each_grpc_status_is_classified_by_what_the_caller_can_do() {
    for (code, message, category, transient) in [
        (3, "bad", "refused", false),
        (9, "the queue is disabled", "not_now", false),
        (
            9,
            "a queue with this name existed too recently",
            "existed_too_recently",
            false,
        ),
        (12, "what", "unimplemented", false),
        (7, "no", "forbidden", false),
        (16, "who", "forbidden", false),
        (8, "quota", "quota", true),
        (14, "away", "away", true),
        (13, "oh", "away", true),
        (5, "none", "missing", false),
    ] {
        let cloud = Receiver::refusing(code, message);
        let error = connect(&cloud)
            .await
            .pause_queue(&queue("a"))
            .await
            .unwrap_err();
        assert_eq!(category_of(&error), category, "{code} {message}: {error}");
        assert_eq!(error.is_transient(), transient, "{error}");
        let route = cloud.requests()[0]
            .header("x-goog-request-params")
            .to_owned();
        assert_eq!(
            route,
            "name=projects%2Fdemo%2Flocations%2Feurope-west1%2Fqueues%2Fa"
        );
    }
}

fn category_of(error: &Error) -> &'static str {
    match error {
        Error::Missing { .. } => "missing",
        Error::Exists { .. } => "exists",
        Error::ExistedTooRecently { .. } => "existed_too_recently",
        Error::Refused { .. } => "refused",
        Error::NotNow { .. } => "not_now",
        Error::Unimplemented { .. } => "unimplemented",
        Error::Forbidden { .. } => "forbidden",
        Error::Quota { .. } => "quota",
        Error::Away { .. } => "away",
        Error::TimedOut { .. } => "timed_out",
        Error::Setup { .. } => "setup",
    }
}

#[tokio::test]
async fn live_numbers_of_all_pages_are_listed_and_an_emulator_has_none() {
    let emulator = Emulator::start().await;
    let cloud = emulator.cloud_tasks().await;
    let settings = QueueSettings {
        max_dispatches_per_second: Some(5.0),
        ..QueueSettings::default()
    };
    for id in ["a", "b", "c", "d", "e"] {
        cloud.create_queue(&queue(id), &settings).await.unwrap();
    }
    let path = queue("e");
    cloud.pause_queue(&path).await.unwrap();
    cloud.create_task(&path, &task(&path, "x")).await.unwrap();
    let found = cloud.list_tasks(&path, 1).await.unwrap();

    let proxy = StatsProxy::start(emulator.addr()).await;
    let endpoint = Endpoint::Emulator(proxy.addr().to_string());
    let with_numbers = CloudTasks::connect(&endpoint).await.unwrap();
    let listed = with_numbers.list_queue_stats(&path.parent).await.unwrap();
    assert_eq!(listed.len(), 5);
    let stats = listed.into_iter().find(|(it, _)| *it == path).unwrap().1;
    let one = QueueStats {
        tasks: 1,
        oldest: Some(found[0].scheduled),
        executed_last_minute: 0,
        in_flight: 0,
        effective_rate: 5.0,
    };
    assert_eq!(stats, Some(one));
    proxy.answer(StatsAnswer::Absent);
    let listed = with_numbers.list_queue_stats(&path.parent).await.unwrap();
    assert!(listed.iter().all(|(_, stats)| stats.is_none()));

    let error = cloud.list_queue_stats(&path.parent).await.unwrap_err();
    assert_eq!(category_of(&error), "unimplemented", "{error}");
}

#[tokio::test]
async fn a_silent_server_times_out_and_a_missing_one_fails_the_set_up() {
    let silent = Receiver::start(|_| pending());
    let error = connect(&silent)
        .await
        .get_queue(&queue("a"))
        .await
        .unwrap_err();
    assert_eq!(category_of(&error), "timed_out");
    let nobody = format!("127.0.0.1:{}", free_port());
    let error = CloudTasks::connect(&Endpoint::Emulator(nobody.clone()))
        .await
        .unwrap_err();
    assert_eq!(category_of(&error), "setup");
    assert!(error.to_string().contains(&nobody), "{error}");
}
