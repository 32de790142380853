//! What is said of workers, against their Deployments.

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value;

use super::{Seen, check, text};
use crate::testbed::{queue, variable};

pub fn lies(seen: &Seen, lies: &mut Vec<String>) {
    let reported = seen.chain["status"]["stages"].as_array();
    let stages = seen.stages();
    for (index, (entry, stage)) in reported.into_iter().flatten().zip(stages).enumerate() {
        let name = text(&stage["name"]);
        let found = seen.deployment(stage);
        let ready = entry["readyReplicas"].as_i64();
        let pods = found.map_or(0, |found| i64::from(numbers(found).ready));
        check(lies, ready == Some(pods), || {
            format!("{name} has {pods} ready pods, and it says {ready:?}")
        });
        let attempts = entry["maxAttempts"].as_i64().map(|it| it.to_string());
        let variable = found.and_then(|found| variable(found, "MAX_ATTEMPTS"));
        check(lies, attempts == variable, || {
            format!("{name} has {variable:?} attempts, and it says {attempts:?}")
        });
        let next = stages.get(index + 1);
        let is_newest = found.is_some_and(|found| is_newest(found, stage, next));
        let is_reported = entry["workersUpToDate"] == true;
        check(lies, !is_reported || is_newest, || {
            format!("{name} is not up to date, and it says so")
        });
        if seen.condition("WorkersReady") == "True" {
            let is_there = found.is_some_and(|found| is_there(found, stage));
            check(lies, is_newest && is_there, || {
                format!("WorkersReady, and {name} is not: {found:?}")
            });
        }
    }
}

struct Numbers {
    asked: i32,
    all: i32,
    new: i32,
    ready: i32,
}

fn numbers(found: &Deployment) -> Numbers {
    let status = found.status.clone().unwrap_or_default();
    Numbers {
        asked: found.spec.as_ref().unwrap().replicas.unwrap_or(1),
        all: status.replicas.unwrap_or_default(),
        new: status.updated_replicas.unwrap_or_default(),
        ready: status.ready_replicas.unwrap_or_default(),
    }
}

/// Whether every pod does what the spec says.
fn is_newest(found: &Deployment, stage: &Value, next: Option<&Value>) -> bool {
    let status = found.status.as_ref();
    let seen = status.and_then(|status| status.observed_generation);
    let Numbers {
        asked, all, new, ..
    } = numbers(found);
    let path = |stage: &Value| queue(text(&stage["queue"])).to_string();
    let says = [
        ("STAGE", Some(text(&stage["name"]).to_owned())),
        ("QUEUE", Some(path(stage))),
        ("DOWNSTREAM_QUEUE", next.map(path)),
        ("MAX_ATTEMPTS", Some(stage["maxAttempts"].to_string())),
        (
            "CONCURRENCY",
            stage["concurrency"].as_i64().map(|it| it.to_string()),
        ),
    ];
    seen == found.metadata.generation
        && new >= asked
        && all <= new
        && says
            .iter()
            .all(|(name, value)| variable(found, name) == *value)
}

/// Whether as many pods are ready as are asked for.
fn is_there(found: &Deployment, stage: &Value) -> bool {
    let Numbers { asked, ready, .. } = numbers(found);
    let said = stage["replicas"].as_i64();
    ready >= asked && said.is_none_or(|said| said == i64::from(asked))
}
