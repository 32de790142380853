//! What is said of queues, against what Cloud Tasks lists.

use cloudtasks::{Queue, QueueState};
use serde_json::Value;

use super::{Seen, check, header, text};

pub fn lies(seen: &Seen, lies: &mut Vec<String>) {
    let reported = seen.chain["status"]["stages"].as_array();
    let reported = reported.cloned().unwrap_or_default();
    let keys = |stages: &[Value]| -> Vec<(String, String)> {
        let key = |stage: &Value| (text(&stage["name"]).into(), text(&stage["queue"]).into());
        stages.iter().map(key).collect()
    };
    let (named, drains) = reported.split_at(seen.stages().len().min(reported.len()));
    check(lies, keys(named) == keys(seen.stages()), || {
        format!("its stages are {:?}", keys(named))
    });
    // After those of the spec come removed ones that drain.
    for entry in drains {
        let id = text(&entry["queue"]);
        let is_removed = seen.removed().contains(id) && entry["draining"].is_string();
        check(lies, is_removed, || format!("{id} doesn't drain"));
    }
    for entry in &reported {
        let id = text(&entry["queue"]);
        let queue = seen.queues.get(id);
        let state = match queue.map(|queue| queue.state) {
            None => "Missing",
            Some(QueueState::Running) => "Running",
            Some(QueueState::Paused) => "Paused",
            Some(QueueState::Disabled) => "Disabled",
        };
        check(lies, entry["state"] == state, || {
            format!("{id} is {state}, and it says {}", entry["state"])
        });
        let is_paused = state == "Paused";
        check(lies, is_paused != entry["pausedBy"].is_null(), || {
            format!("{id} is {state}, paused by {}", entry["pausedBy"])
        });
        let rate = entry["maxDispatchesPerSecond"].as_f64();
        let is_rate = match (queue, rate) {
            (Some(queue), Some(rate)) => is_same(queue.max_dispatches_per_second, rate),
            (queue, rate) => queue.is_none() && rate.is_none(),
        };
        check(lies, is_rate, || format!("{id} has not the rate {rate:?}"));
        let concurrent = entry["maxConcurrentDispatches"].as_i64();
        let found = queue.map(|queue| i64::from(queue.max_concurrent_dispatches));
        check(lies, concurrent == found, || {
            format!("{id} has {found:?} dispatches at once, and not {concurrent:?}")
        });
    }
    if seen.condition("QueuesReady") == "True" {
        as_specified(seen, lies);
    }
}

/// That each queue is there with what the manifest says.
fn as_specified(seen: &Seen, lies: &mut Vec<String>) {
    let notifier = &seen.chain["spec"]["notifier"];
    for of in seen.stages().iter().chain([notifier]) {
        let id = text(&of["queue"]);
        let Some(queue) = seen.queues.get(id) else {
            lies.push(format!("QueuesReady, and {id} is not there"));
            continue;
        };
        let limits = &of["rateLimits"];
        // What an override replaces is recorded on the queue, and the record is what the manifest says.
        let record: Value =
            serde_json::from_str(header(queue, "executor-replaced")).unwrap_or_default();
        let replaced = &record["rateLimits"];
        for field in ["maxDispatchesPerSecond", "maxConcurrentDispatches"] {
            let (said, was) = (limits[field].as_f64(), replaced[field].as_f64());
            let is_same = said.is_none() || was.is_none_or(|was| said == Some(was));
            check(lies, is_same, || {
                format!("{id} records {was:?} for {field}")
            });
        }
        let kept = |field: &str| Some(&limits[field]).filter(|_| replaced[field].is_null());
        let rate = kept("maxDispatchesPerSecond").and_then(Value::as_f64);
        let concurrent = kept("maxConcurrentDispatches").and_then(Value::as_i64);
        let is_as_said = rate.is_none_or(|rate| is_same(queue.max_dispatches_per_second, rate))
            && concurrent.is_none_or(|it| i64::from(queue.max_concurrent_dispatches) == it)
            && queue.max_attempts == -1
            && queue.max_retry_duration.is_none()
            && queue.state != QueueState::Disabled;
        check(lies, is_as_said, || {
            format!("QueuesReady, and {id} is {queue:?}")
        });
        if of["name"].is_string() {
            let child = format!(
                "{}-{}.",
                text(&seen.chain["metadata"]["name"]),
                text(&of["name"])
            );
            check(lies, pushes_to(queue).starts_with(&child), || {
                format!("QueuesReady, and {id} pushes to {}", pushes_to(queue))
            });
        }
    }
}

fn pushes_to(queue: &Queue) -> &str {
    let target = queue.http_target.as_ref();
    let address = target.and_then(|target| target.address.as_ref());
    address.map_or("", |address| &address.host)
}

fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}
