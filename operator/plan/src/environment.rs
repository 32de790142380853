//! What a worker is told, as the variables of its environment.

use cloudtasks::QueuePath;
use k8s_openapi::api::core::v1::EnvVar;
use serde_json::json;

use crate::desired::{Desired, DesiredStage, Target};

/// The port on which a worker takes pushes.
pub const TASKS_PORT: u16 = 9480;
/// The port of a worker's health and metrics, apart from the tasks' own paths.
pub const ADMIN_PORT: u16 = 9481;

/// The environment of the workers of the stage at `index`; `retired` are the queues of removed
/// stages, where a task of this chain may still be found.
pub fn environment(desired: &Desired, index: usize, retired: &[QueuePath]) -> Vec<EnvVar> {
    let stage = &desired.stages[index];
    let notifier = &desired.notifier;
    let outcomes: Vec<String> = notifier
        .outcomes
        .iter()
        .map(|outcome| format!("{outcome:?}"))
        .collect();
    let lookup: Vec<String> = desired
        .stages
        .iter()
        .map(|stage| &stage.queue)
        .chain(retired)
        .map(ToString::to_string)
        .collect();
    let variables = [
        (
            "CHAIN",
            Some(format!("{}/{}", desired.namespace, desired.name)),
        ),
        ("STAGE", Some(stage.name.clone())),
        ("QUEUE", Some(stage.queue.to_string())),
        ("MAX_ATTEMPTS", Some(stage.max_attempts.to_string())),
        (
            "DOWNSTREAM_QUEUE",
            desired.downstream(index).map(ToString::to_string),
        ),
        ("LOOKUP_QUEUES", Some(lookup.join(","))),
        ("NOTIFIER_QUEUE", Some(notifier.queue.to_string())),
        ("NOTIFIER_URL", Some(notifier.url.clone())),
        ("NOTIFY_ON", Some(outcomes.join(","))),
        ("HANDLER_URL", Some(stage.handler.url())),
        (
            "HANDLER_TIMEOUT",
            Some(crds::Duration(stage.timeout).to_string()),
        ),
        (
            "CONCURRENCY",
            stage.concurrency.map(|slots| slots.to_string()),
        ),
        (
            "GIVE_UP_AFTER",
            stage
                .give_up_after
                .map(|time| crds::Duration(time).to_string()),
        ),
        (
            "DRAIN_DELAY",
            Some(crds::Duration(desired.drain_delay).to_string()),
        ),
        ("ROUTES", routes(stage)),
        ("LISTEN_ADDR", Some(format!("0.0.0.0:{TASKS_PORT}"))),
        ("ADMIN_ADDR", Some(format!("0.0.0.0:{ADMIN_PORT}"))),
        ("CLOUD_TASKS_EMULATOR_HOST", desired.emulator_host.clone()),
    ];
    variables
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .map(|(name, value)| EnvVar {
            name: name.to_owned(),
            value: Some(value),
            value_from: None,
        })
        .collect()
}

fn routes(stage: &DesiredStage) -> Option<String> {
    let routes: Vec<_> = stage
        .routes
        .iter()
        .map(|(matches, to)| {
            let to = match to {
                Target::Queue(queue) => queue.to_string(),
                Target::Fail => "fail".to_owned(),
            };
            json!({"match": matches, "to": to})
        })
        .collect();
    (!routes.is_empty()).then(|| json!(routes).to_string())
}
