//! What is said of redrives and discards: what is so, and what to do.

use crds::{ExecutorChainStatus, RedriveStatus};
use parking::RedrivePhase;

use crate::model::{Desired, Redrive};

pub(super) fn waiting(older: &Redrive) -> String {
    let by = older.by().map(|by| format!(" by {by}")).unwrap_or_default();
    let (kind, name) = (older.kind(), older.name());
    format!("{kind} {name}{by} is older and runs first: wait, or stop {name}")
}

pub(super) fn chain_blocked(redrive: &Redrive, problem: &str) -> String {
    format!("chain {}: {problem}", redrive.chain())
}

pub(super) fn mover_blocked(mover: &str, trouble: &str) -> String {
    format!("the pod of Deployment {mover} doesn't run: {trouble}")
}

pub(super) fn name_taken(mover: &str) -> String {
    format!(
        "Deployment {mover} has the name that the mover needs, but isn't a mover: delete the Deployment. The redrive then continues"
    )
}

pub(super) fn name_of_stage(mover: &str, stage: &str) -> String {
    format!(
        "the Deployment of stage {stage} has the name {mover}, which the mover needs: rename the stage. The redrive then continues"
    )
}

pub(super) fn no_chain(redrive: &Redrive) -> String {
    let namespace = redrive.namespace();
    format!(
        "namespace {namespace} has no chain {}: create a {} for one that exists (kubectl get chains -n {namespace})",
        redrive.chain(),
        redrive.kind()
    )
}

pub(super) fn chain_deleted(redrive: &Redrive, status: Option<&RedriveStatus>) -> String {
    format!(
        "chain {} is deleted. {}",
        redrive.chain(),
        so_far(redrive, status)
    )
}

pub(super) fn no_parking(redrive: &Redrive, status: Option<&RedriveStatus>) -> String {
    format!(
        "chain {} has no parking. {}",
        redrive.chain(),
        so_far(redrive, status)
    )
}

pub(super) fn parking_gone(redrive: &Redrive, status: &RedriveStatus) -> String {
    format!(
        "the parking queue doesn't exist. {}",
        count(redrive, Some(status))
    )
}

pub(super) fn parking_missing(desired: &Desired) -> String {
    format!("parking queue {} doesn't exist yet", parking(desired))
}

pub(super) fn parking_foreign(desired: &Desired) -> String {
    format!(
        "queue {} doesn't belong to this chain, so its tasks are neither moved nor deleted: give the chain its own parking queue",
        parking(desired)
    )
}

pub(super) fn parking_unknown(desired: &Desired, why: &str) -> String {
    format!(
        "the state of parking queue {} is unknown: {why}",
        parking(desired)
    )
}

fn parking(desired: &Desired) -> &str {
    desired
        .parking_queue()
        .map_or("?", |queue| queue.id.as_str())
}

pub(super) fn no_stage<'a>(
    redrive: &Redrive,
    to: &str,
    stages: impl Iterator<Item = &'a str>,
    status: Option<&RedriveStatus>,
) -> String {
    let stages: Vec<&str> = stages.collect();
    format!(
        "chain {} has no stage {to}: its stages are {}. {}",
        redrive.chain(),
        stages.join(", "),
        so_far(redrive, status)
    )
}

pub(super) fn stopped(redrive: &Redrive, status: Option<&RedriveStatus>) -> String {
    let by = redrive.stopped_by().map(|by| format!(" by {by}"));
    format!(
        "it was stopped{}. {}",
        by.unwrap_or_default(),
        so_far(redrive, status)
    )
}

/// What it does, and what its tasks meet on the stage.
pub(super) fn running(
    redrive: &Redrive,
    phase: RedrivePhase,
    status: &RedriveStatus,
    chain: Option<&ExecutorChainStatus>,
) -> String {
    let rate = redrive.rate();
    let does = match (redrive.to(), phase) {
        (_, RedrivePhase::Counting) => "the selected tasks are being counted".to_owned(),
        (Some(to), RedrivePhase::Canary) => format!(
            "the canary's tasks run on stage {to}, and the other tasks wait for the result{}",
            canary(status)
        ),
        (Some(to), _) => format!("tasks are moved to stage {to}, {rate} a second"),
        (None, _) => format!("tasks are deleted, {rate} a second"),
    };
    let notes = redrive.to().and_then(|to| held(to, chain?));
    match notes {
        Some(note) => format!("{does}. {note}"),
        None => does,
    }
}

/// Why tasks wait on the stage.
fn held(to: &str, chain: &ExecutorChainStatus) -> Option<String> {
    let stage = chain.stages.iter().find(|stage| stage.name == to)?;
    if stage.state == "Paused" {
        Some(format!("Stage {to} is paused, so the tasks wait there"))
    } else if stage.replicas == Some(0) {
        Some(format!(
            "Stage {to} has no workers, so the tasks wait there"
        ))
    } else {
        None
    }
}

/// How it has ended by itself.
pub(super) fn over(redrive: &Redrive, phase: RedrivePhase, status: &RedriveStatus) -> String {
    match phase {
        RedrivePhase::CanaryFailed => format!(
            "too few of the canary's tasks have succeeded{}. The others are still parked",
            canary(status)
        ),
        RedrivePhase::ParkingGone => parking_gone(redrive, status),
        RedrivePhase::Done
        | RedrivePhase::Counting
        | RedrivePhase::Canary
        | RedrivePhase::Moving => done(redrive, status),
    }
}

fn done(redrive: &Redrive, status: &RedriveStatus) -> String {
    let moved = status.moved.unwrap_or_default();
    let mut message = match redrive.to() {
        _ if status.matched == Some(0) => "no parked task matches".to_owned(),
        Some(to) => format!("{} moved to stage {to}", tasks(moved)),
        None => format!("{} deleted", tasks(moved)),
    };
    let skipped = status.skipped.unwrap_or_default();
    if skipped > 0 {
        let verb = verb(redrive);
        message = format!("{message}; {skipped} can't be {verb}, and are still parked");
    }
    let again = status.failed_again.unwrap_or_default();
    if again > 0 {
        message = format!("{message}; {again} have failed again so far, and are parked again");
    }
    message
}

fn canary(status: &RedriveStatus) -> String {
    status.canary.map_or_else(String::new, |it| {
        format!(
            ": {} succeeded, {} failed, {} have not ended",
            it.succeeded, it.failed, it.open
        )
    })
}

/// What it has done before it ended.
fn so_far(redrive: &Redrive, status: Option<&RedriveStatus>) -> String {
    let done = count(redrive, status);
    if redrive.has_started() {
        format!("{done}. The others are still parked")
    } else {
        done
    }
}

fn count(redrive: &Redrive, status: Option<&RedriveStatus>) -> String {
    let moved = status.and_then(|status| status.moved).unwrap_or_default();
    let done = verb(redrive);
    if moved == 0 && !redrive.has_started() {
        format!("No task was {done}")
    } else {
        format!("At least {} {done}", tasks(moved))
    }
}

/// What it does to a task.
fn verb(redrive: &Redrive) -> &'static str {
    match redrive {
        Redrive::Move(_) => "moved",
        Redrive::Discard(_) => "deleted",
    }
}

fn tasks(count: i64) -> String {
    match count {
        1 => "1 task was".to_owned(),
        count => format!("{count} tasks were"),
    }
}
