//! What stands in one line: the path, and the names of what is paused and what drains.

use std::collections::BTreeSet;

use cloudtasks::QueueState;
use serde_json::Value;

use super::{Seen, check, header, text};

pub fn lies(seen: &Seen, lies: &mut Vec<String>) {
    let status = &seen.chain["status"];
    let stages = seen.stages().iter().map(|stage| text(&stage["queue"]));
    let path = stages.collect::<Vec<_>>().join(" → ");
    check(lies, status["path"] == path.as_str(), || {
        format!("its path is {}", status["path"])
    });

    let is_paused = |id: &&str| {
        let queue = seen.queues.get(*id);
        queue.is_some_and(|queue| queue.state == QueueState::Paused)
    };
    let named = seen.named().into_iter();
    let removed = seen.removed();
    // A queue that is paused because nothing is in it holds up nothing.
    let removed_ones = removed.iter().copied().filter(|id| {
        let queue = seen.queues.get(*id);
        queue.is_some_and(|queue| header(queue, "executor-pause") != "drained")
    });
    let paused: BTreeSet<&str> = named.chain(removed_ones).filter(is_paused).collect();
    same(lies, "paused", &status["paused"], &paused);
    let holds = seen.condition("Paused") == "True";
    check(lies, holds != paused.is_empty(), || {
        format!("Paused is {holds}, and paused are {paused:?}")
    });

    // What an override has set is recorded on the queue until it is back.
    let is_overridden = |id: &&str| {
        let queue = seen.queues.get(*id);
        queue.is_some_and(|queue| !header(queue, "executor-replaced").is_empty())
    };
    let overridden: BTreeSet<&str> = seen.named().into_iter().filter(is_overridden).collect();
    let holds = seen.condition("Overridden") == "True";
    check(lies, holds || overridden.is_empty(), || {
        format!("Overridden is {holds}, and overridden are {overridden:?}")
    });

    // What is parked there is kept although no spec says so.
    let former = seen.former_parking();
    let holds = seen.condition("Parked") == "True";
    check(lies, holds || former.is_empty(), || {
        format!("Parked is {holds}, and former parking queues are {former:?}")
    });

    let draining: BTreeSet<&str> = removed.into_iter().filter(|id| !seen.is_kept(id)).collect();
    same(lies, "draining", &status["draining"], &draining);
    let is_deleted = !seen.chain["metadata"]["deletionTimestamp"].is_null();
    let left = is_deleted || !draining.is_empty() || !seen.leftovers().is_empty();
    let holds = seen.condition("Draining") == "True";
    check(lies, holds == left, || {
        format!("Draining is {holds}, and draining are {draining:?}")
    });
}

/// Whether a list in one line has these names and no others.
fn same(lies: &mut Vec<String>, what: &str, reported: &Value, wanted: &BTreeSet<&str>) {
    let names: Vec<&str> = text(reported)
        .split(", ")
        .filter(|it| !it.is_empty())
        .collect();
    let is_same = names.len() == wanted.len() && names.iter().all(|name| wanted.contains(name));
    check(lies, is_same, || {
        format!("it says that {what} are {reported}, and they are {wanted:?}")
    });
}
