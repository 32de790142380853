//! The redrives and discards of one chain: which one is carried out, by which mover, and what is reported of
//! each.
//!
//! One at a time, the oldest first. What is finished stays so. A mover is removed before another one
//! begins, and before a redrive that it carries out is reported as stopped.

pub mod progress;
pub mod text;

use crds::{ExecutorChainStatus, FINISHED, RedriveReason, RedriveStatus};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use parking::{Action, Move, RedriveOrder, RedrivePhase, RedriveProgress};

use crate::model::overrides::seconds;
use crate::model::{Desired, DesiredStage, Redrive, queue_headers};
use crate::objects::mover::{
    has_same_queues, is_as_wanted, is_mover, mover, mover_name, redrive_of,
};

/// How long a finished one is kept, for those who look for it.
const KEPT: SignedDuration = SignedDuration::from_hours(14 * 24);

/// The chain that redrives name, as far as it matters to them.
#[derive(Debug, Clone, Copy)]
pub enum RedrivenChain<'a> {
    /// There is none of that name.
    Absent,
    /// It is being deleted.
    Deleted,
    /// It exists, and can't be served as it is, for this reason.
    Blocked(&'a str),
    /// It is served.
    Served {
        /// Its spec, parsed.
        desired: &'a Desired,
        /// What was reported of it.
        status: Option<&'a ExecutorChainStatus>,
        /// Its parking queue, if the spec names one.
        parking: &'a ParkingSeen,
    },
}

/// What is known of the queue that the spec names as the parking queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParkingSeen {
    /// Nothing yet: why.
    Unknown(String),
    /// It doesn't exist.
    Missing,
    /// It isn't this chain's: whose tasks it has, nobody but its owner may move them.
    Foreign,
    /// It exists, and is this chain's.
    Owned,
}

impl ParkingSeen {
    /// Of a queue that was listed or not, for the chain that writes `owner` on its queues.
    pub fn of(queue: Option<&cloudtasks::Queue>, owner: &str) -> Self {
        match queue {
            None => Self::Missing,
            Some(queue) if queue_headers::owner(queue) == Some(owner) => Self::Owned,
            Some(_) => Self::Foreign,
        }
    }
}

/// What exists of the chain's mover.
#[derive(Debug, Clone, Default)]
pub struct MoverSeen {
    /// What has its name, a mover or not.
    pub deployment: Option<Deployment>,
    /// Whether it has pods, also those that are ending.
    pub has_pods: bool,
    /// What its pod says.
    pub progress: Option<RedriveProgress>,
    /// What keeps its pod from running.
    pub trouble: Option<String>,
}

/// What is done with the mover.
#[derive(Debug, Clone, PartialEq)]
pub enum MoverStep {
    /// Nothing.
    Keep,
    /// It is created or changed.
    Apply(Box<Deployment>),
    /// It is deleted.
    Remove,
}

/// What follows for the redrives of a chain. The statuses are written first: a mover must not run for a
/// redrive that isn't reported to have started.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The status of each, in the order in which they were given. None: it stays as it is.
    pub statuses: Vec<Option<RedriveStatus>>,
    /// What is done with the mover.
    pub mover: MoverStep,
}

/// What becomes of a redrive.
struct Fate {
    /// Whether nothing will be done any more.
    finished: bool,
    reason: RedriveReason,
    message: String,
}

/// Decides for the redrives and discards of the chain of this name, the finished ones among them or not.
pub fn turn(
    name: &str,
    chain: RedrivenChain<'_>,
    redrives: &[Redrive],
    seen: &MoverSeen,
    now: Timestamp,
) -> Turn {
    let head = head(redrives);
    let mut statuses = vec![None; redrives.len()];
    let mut step = remove_if_ours(seen, name);
    for (index, redrive) in redrives.iter().enumerate() {
        if redrive.is_finished() {
            continue;
        }
        let mut status = redrive.status().cloned().unwrap_or_default();
        let fate = match head {
            Some(head) if head != index => waits(chain, redrive, &redrives[head]),
            Some(_) | None => {
                let (fate, its_step) = goes_on(chain, redrive, seen, &mut status, now);
                step = its_step;
                fate
            }
        };
        statuses[index] = report(redrive, status, fate, now);
    }
    Turn {
        statuses,
        mover: step,
    }
}

/// The one that is carried out: the oldest, by name if they are as old. One that has started goes on before
/// one that was created in the same second.
pub fn head(redrives: &[Redrive]) -> Option<usize> {
    let open = redrives
        .iter()
        .enumerate()
        .filter(|(_, it)| !it.is_finished());
    let head = open.min_by_key(|(_, it)| {
        let created = it.metadata().creation_timestamp.as_ref();
        let created = created.map(|time| time.0);
        (!it.has_started(), created, it.name(), it.kind())
    });
    head.map(|(index, _)| index)
}

/// Whether it was finished so long ago that it is deleted.
pub fn is_redrive_forgotten(redrive: &Redrive, now: Timestamp) -> bool {
    let finished = redrive.status().and_then(|it| it.finished_at.as_ref());
    let until = finished.and_then(|time| time.0.checked_add(KEPT).ok());
    redrive.is_finished() && until.is_some_and(|until| now >= until)
}

fn remove_if_ours(seen: &MoverSeen, chain: &str) -> MoverStep {
    match &seen.deployment {
        Some(found) if is_mover(found, chain) => MoverStep::Remove,
        Some(_) | None => MoverStep::Keep,
    }
}

/// It has to wait for an older one, unless it can be told already that nothing will become of it.
fn waits(chain: RedrivenChain<'_>, redrive: &Redrive, older: &Redrive) -> Fate {
    let end = ended(chain, redrive, None);
    end.unwrap_or_else(|| Fate {
        finished: false,
        reason: RedriveReason::Waiting,
        message: text::waiting(older),
    })
}

/// What becomes of the oldest one, and of its mover.
fn goes_on(
    chain: RedrivenChain<'_>,
    redrive: &Redrive,
    seen: &MoverSeen,
    status: &mut RedriveStatus,
    now: Timestamp,
) -> (Fate, MoverStep) {
    let found = seen.deployment.as_ref();
    let ours = found.filter(|found| is_mover(found, redrive.chain()));
    let own = ours.filter(|found| redrive_of(found) == Some(redrive.uid()));
    let told = seen.progress.as_ref();
    let told = told.filter(|told| own.is_some() && told.redrive.as_str() == redrive.uid());
    if let Some(told) = told {
        progress::take(status, told);
    }
    // What it has done by itself comes before what is to become of it.
    let over = told.filter(|told| told.phase.is_over());
    if let Some(told) = over {
        let fate = Fate {
            finished: true,
            reason: reason(told.phase),
            message: text::over(redrive, told.phase, status),
        };
        return (fate, MoverStep::Remove);
    }
    if let Some(mut end) = ended(chain, redrive, Some(status)) {
        let is_left = ours.is_some() || (seen.has_pods && redrive.has_started());
        if is_left {
            end.finished = false;
            end.message = format!("{}. The mover is stopping", end.message);
        }
        return (end, remove_if_ours(seen, redrive.chain()));
    }
    let (desired, chain_status, parking) = match chain {
        RedrivenChain::Served {
            desired,
            status,
            parking,
        } => (desired, status, parking),
        RedrivenChain::Blocked(problem) => {
            return (
                blocked(text::chain_blocked(redrive, problem)),
                MoverStep::Keep,
            );
        }
        // These end it.
        RedrivenChain::Absent | RedrivenChain::Deleted => {
            return (blocked(String::new()), MoverStep::Keep);
        }
    };
    let wanted = match wanted(desired, redrive) {
        Ok(wanted) => wanted,
        Err(problem) => return (blocked(problem), MoverStep::Keep),
    };
    if found.is_some() && ours.is_none() {
        let message = text::name_taken(&mover_name(&desired.name));
        return (blocked(message), MoverStep::Keep);
    }
    let is_former = ours.is_some() && own.is_none();
    if is_former || (own.is_none() && seen.has_pods) {
        let fate = still(
            status,
            redrive,
            "the mover of the previous redrive or discard is stopping",
        );
        return (fate, remove_if_ours(seen, redrive.chain()));
    }
    // A mover that has other queues begins elsewhere, as a new one does.
    if own.is_none_or(|found| !has_same_queues(found, &wanted)) {
        match parking {
            ParkingSeen::Owned => {}
            ParkingSeen::Missing if own.is_none() => {
                let fate = Fate {
                    finished: true,
                    reason: RedriveReason::ParkingNotFound,
                    message: text::parking_gone(redrive, status),
                };
                return (fate, MoverStep::Keep);
            }
            ParkingSeen::Missing => {
                return (blocked(text::parking_missing(desired)), MoverStep::Keep);
            }
            ParkingSeen::Foreign => {
                return (blocked(text::parking_foreign(desired)), MoverStep::Keep);
            }
            ParkingSeen::Unknown(why) => {
                return (
                    blocked(text::parking_unknown(desired, why)),
                    MoverStep::Keep,
                );
            }
        }
    }
    let is_wanted = own.is_some_and(|found| is_as_wanted(found, &wanted));
    let step = if is_wanted {
        MoverStep::Keep
    } else {
        MoverStep::Apply(Box::new(wanted))
    };
    status.started_at.get_or_insert(Time(seconds(now)));
    let fate = match (told, &seen.trouble) {
        (Some(told), _) => runs(redrive, told, status, chain_status),
        (None, Some(trouble)) => blocked(text::mover_blocked(&mover_name(&desired.name), trouble)),
        (None, None) => still(status, redrive, "its mover starts"),
    };
    (fate, step)
}

/// What its mover says that it does.
fn runs(
    redrive: &Redrive,
    told: &RedriveProgress,
    status: &RedriveStatus,
    chain: Option<&ExecutorChainStatus>,
) -> Fate {
    if let Some(problem) = &told.problem {
        return blocked(problem.clone());
    }
    Fate {
        finished: false,
        reason: reason(told.phase),
        message: text::running(redrive, told.phase, status, chain),
    }
}

/// Nothing new is known of it.
fn still(status: &RedriveStatus, redrive: &Redrive, why: &str) -> Fate {
    let before = redrive.state().filter(|it| {
        matches!(
            it,
            RedriveReason::Counting | RedriveReason::Canary | RedriveReason::Moving
        )
    });
    // After a pause in which it was blocked, what it did before is not known any more.
    let is_counted = status.matched.is_some() && !status.at_least;
    let default = if is_counted {
        RedriveReason::Moving
    } else {
        RedriveReason::Counting
    };
    Fate {
        finished: false,
        reason: before.unwrap_or(default),
        message: why.to_owned(),
    }
}

fn blocked(message: String) -> Fate {
    Fate {
        finished: false,
        reason: RedriveReason::Blocked,
        message,
    }
}

/// Why nothing will become of it any more. `status` is given if it was its turn.
fn ended(
    chain: RedrivenChain<'_>,
    redrive: &Redrive,
    status: Option<&RedriveStatus>,
) -> Option<Fate> {
    let (reason, message) = if redrive.is_stopped() {
        (RedriveReason::Stopped, text::stopped(redrive, status))
    } else {
        match chain {
            RedrivenChain::Absent if redrive.has_started() => (
                RedriveReason::ChainDeleted,
                text::chain_deleted(redrive, status),
            ),
            RedrivenChain::Absent => (RedriveReason::ChainNotFound, text::no_chain(redrive)),
            RedrivenChain::Deleted => (
                RedriveReason::ChainDeleted,
                text::chain_deleted(redrive, status),
            ),
            RedrivenChain::Blocked(_) => return None,
            RedrivenChain::Served { desired, .. } => missing(desired, redrive, status)?,
        }
    };
    Some(Fate {
        finished: true,
        reason,
        message,
    })
}

/// What the chain lacks that it needs.
fn missing(
    desired: &Desired,
    redrive: &Redrive,
    status: Option<&RedriveStatus>,
) -> Option<(RedriveReason, String)> {
    if desired.parking.is_none() {
        let message = text::no_parking(redrive, status);
        return Some((RedriveReason::ParkingNotFound, message));
    }
    let to = redrive.to()?;
    let is_there = desired.stages.iter().any(|stage| stage.name == to);
    (!is_there).then(|| {
        let stages = desired.stages.iter().map(|stage| stage.name.as_str());
        let message = text::no_stage(redrive, to, stages, status);
        (RedriveReason::StageNotFound, message)
    })
}

/// The mover that carries it out.
fn wanted(desired: &Desired, redrive: &Redrive) -> Result<Deployment, String> {
    let stage = stage(desired, redrive);
    let (Some(stage), Some(parking)) = (stage, &desired.parking) else {
        return Err("the chain has no such stage".to_owned());
    };
    let name = mover_name(&desired.name);
    if let Some(taken) = desired.stages.iter().find(|stage| stage.child == name) {
        return Err(text::name_of_stage(&name, &taken.name));
    }
    let order = order(desired, redrive, stage, &parking.queue)?;
    Ok(mover(desired, stage, &order, redrive.owner()))
}

/// The stage whose workers' pods the mover's are like.
fn stage<'a>(desired: &'a Desired, redrive: &Redrive) -> Option<&'a DesiredStage> {
    match redrive.to() {
        Some(to) => desired.stages.iter().find(|stage| stage.name == to),
        None => desired.stages.first(),
    }
}

fn order(
    desired: &Desired,
    redrive: &Redrive,
    stage: &DesiredStage,
    parked: &cloudtasks::QueuePath,
) -> Result<RedriveOrder, String> {
    let action = match redrive {
        Redrive::Move(_) => Action::Move(Move {
            to: stage.queue.clone(),
            dispatch_deadline_ms: millis(stage.dispatch_deadline()),
            delay_ms: millis(stage.delay.unwrap_or_default()),
            stages: desired.stages.iter().map(|it| it.queue.clone()).collect(),
            canary: redrive.canary()?,
        }),
        Redrive::Discard(_) => Action::Discard,
    };
    Ok(RedriveOrder {
        chain: format!("{}/{}", desired.namespace, desired.name),
        parked: parked.clone(),
        selection: redrive.selection()?,
        rate: redrive.rate(),
        action,
    })
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn reason(phase: RedrivePhase) -> RedriveReason {
    match phase {
        RedrivePhase::Counting => RedriveReason::Counting,
        RedrivePhase::Canary => RedriveReason::Canary,
        RedrivePhase::Moving => RedriveReason::Moving,
        RedrivePhase::Done => RedriveReason::Done,
        RedrivePhase::CanaryFailed => RedriveReason::CanaryFailed,
        RedrivePhase::ParkingGone => RedriveReason::ParkingNotFound,
    }
}

/// The status with what became of it, if that is news.
fn report(
    redrive: &Redrive,
    mut status: RedriveStatus,
    fate: Fate,
    now: Timestamp,
) -> Option<RedriveStatus> {
    let condition = Condition {
        type_: FINISHED.to_owned(),
        status: if fate.finished { "True" } else { "False" }.to_owned(),
        reason: fate.reason.to_string(),
        message: fate.message,
        last_transition_time: Time(now),
        observed_generation: redrive.metadata().generation,
    };
    let mut before = std::mem::take(&mut status.conditions).into_iter();
    let before = before.find(|it| it.type_ == FINISHED && it.status == condition.status);
    let since = before.map_or(Time(now), |before| before.last_transition_time);
    status.conditions = vec![Condition {
        last_transition_time: since,
        ..condition
    }];
    if fate.finished {
        status.finished_at.get_or_insert(Time(seconds(now)));
    }
    (redrive.status() != Some(&status)).then_some(status)
}
