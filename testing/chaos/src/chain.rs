//! The chain under test, its workers, and the names of its tasks.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cloudtasks::{CloudTasks, QueuePath, QueueSettings};
use http::HeaderMap;
use serde_json::json;
pub use testkit::chain::{Stage, Upstreams};
use testkit::server::text;

pub const STAGES: [Stage; 3] = testkit::chain::stages([3, 2, 1]);

pub const HANDLER_TIMEOUT: Duration = Duration::from_secs(1);

pub fn stage_named(name: &str) -> Option<&'static Stage> {
    STAGES.iter().find(|stage| stage.name == name)
}

pub fn queues() -> Vec<QueuePath> {
    testkit::chain::queues(&STAGES)
}

pub async fn create_queues(cloud: &CloudTasks, balancers: &[SocketAddr]) {
    let settings = QueueSettings {
        max_dispatches_per_second: Some(300.0),
        max_concurrent_dispatches: Some(50),
        max_attempts: Some(-1),
        min_backoff: Some(Duration::from_millis(100)),
        max_backoff: Some(Duration::from_millis(800)),
        max_doublings: Some(3),
        ..QueueSettings::default()
    };
    testkit::chain::create_queues(cloud, &STAGES, balancers, &settings).await;
    testkit::chain::create_parking_queue(cloud).await;
}

/// The tasks in the parking queue, by the ids that they were sent with.
pub async fn parked(cloud: &CloudTasks) -> Result<Vec<String>, cloudtasks::Error> {
    let queue = testkit::chain::parking_queue();
    let tasks = cloud.list_tasks(&queue, usize::MAX).await?;
    let ledgers = tasks.iter().map(|task| task.headers.get("executor-ledger"));
    let first = |ledger: &String| first_task_of(ledger);
    let ids = ledgers.map(|ledger| ledger.and_then(first).unwrap_or_default());
    Ok(ids.collect())
}

/// A worker of the stage, with the environment that the operator would write.
pub fn worker(program: &Path, stage: &Stage, listen: SocketAddr, upstreams: Upstreams) -> Command {
    let admin = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut command = testkit::chain::worker(program, &STAGES, stage, [listen, admin], upstreams);
    let timeout = format!("{}ms", HANDLER_TIMEOUT.as_millis());
    command.env("HANDLER_TIMEOUT", timeout);
    command.env("HOLD_ON_OUTAGE", "10s");
    testkit::chain::parks(&mut command);
    if let Some(next) = STAGES.get(stage.index + 1) {
        let rule = json!({
            "header": TENANT, "to": next.queue().to_string(), "maxShare": 25,
            "failures": {"of": 16, "atLeast": 12},
        });
        command.env("ISOLATE", json!([rule]).to_string());
    }
    command
}

/// The header with a task's category.
pub const TENANT: &str = "x-tenant";

/// What the ids of tasks begin with; their numbers follow.
pub const PREFIX: &str = "t-";

pub fn task_id(number: usize) -> String {
    format!("{PREFIX}{number}")
}

/// The id of the task as it was sent, of whichever stage's push.
pub fn first_task(push: &HeaderMap) -> String {
    first_task_of(text(push, "executor-ledger"))
        .unwrap_or_else(|| text(push, "x-cloudtasks-taskname").to_owned())
}

fn first_task_of(ledger: &str) -> Option<String> {
    let ledger = serde_json::from_str::<serde_json::Value>(ledger).ok()?;
    Some(ledger.get("task")?.as_str()?.to_owned())
}

/// The stages that the task of a push has left because its category was isolated, as its ledger says.
pub fn isolated_on(push: &HeaderMap) -> Vec<&'static Stage> {
    let ledger = serde_json::from_str::<serde_json::Value>(text(push, "executor-ledger"));
    let stages = ledger.ok().and_then(|it| it["stages"].as_array().cloned());
    let isolated = stages.unwrap_or_default().into_iter();
    isolated
        .filter(|stage| stage["reason"] == "isolated")
        .filter_map(|stage| stage_named(stage["stage"].as_str()?))
        .collect()
}

pub fn task_number(id: &str) -> Option<usize> {
    oracle::task_number(id, PREFIX)
}
