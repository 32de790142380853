//! The redrive from its first call to its end.

use std::sync::Arc;
use std::time::Duration;

use cloudtasks::{CloudTasks, Endpoint, TaskId};
use parking::{Action, Move, NoteKind, RedriveOrder, RedrivePhase, RedriveProgress};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::calls::{Halt, Mover, backoff};
use super::canary::{delete_notes, try_canary};
use super::list::Lister;
use super::moves::Moves;

/// Between two passes, if the first has moved nothing that it has listed.
const STALE: Duration = Duration::from_secs(1);

/// Carries out the order. Returns when it is over, or when the mover is asked to stop.
pub(super) async fn run(
    order: Arc<RedriveOrder>,
    endpoint: Endpoint,
    progress: watch::Sender<RedriveProgress>,
    connected: watch::Sender<bool>,
    stop: CancellationToken,
) {
    let connecting = stop.run_until_cancelled(connect(&endpoint, &progress));
    let Some(cloud) = connecting.await else {
        return;
    };
    connected.send_replace(true);
    let mover = Mover {
        order,
        cloud,
        progress,
        stop: stop.clone(),
    };
    mover.solved();
    match Box::pin(carry_out(&mover)).await {
        Ok(phase) => mover.enter(phase),
        Err(Halt::ParkingGone) => {
            mover.progress.send_modify(|progress| {
                progress.problem = Some(format!("{} does not exist", mover.order.parked));
            });
            mover.enter(RedrivePhase::ParkingGone);
        }
        Err(Halt::Stopping) => info!("stopping before the redrive is over"),
    }
}

async fn connect(endpoint: &Endpoint, progress: &watch::Sender<RedriveProgress>) -> CloudTasks {
    let mut tries = 0;
    loop {
        match CloudTasks::connect(endpoint).await {
            Ok(cloud) => return cloud,
            Err(error) => {
                let retry_in = backoff(&error, tries);
                warn!(%error, ?retry_in, "can't connect to Cloud Tasks");
                progress.send_modify(|progress| progress.problem = Some(error.to_string()));
                tries += 1;
                tokio::time::sleep(retry_in).await;
            }
        }
    }
}

/// Returns the phase in which the redrive is over.
async fn carry_out(mover: &Mover) -> Result<RedrivePhase, Halt> {
    check_rights(mover).await?;
    let mut lister = Lister::default();
    let mut batches = Moves::new(mover.order.rate);
    if let Action::Move(
        to @ Move {
            canary: Some(canary),
            ..
        },
    ) = &mover.order.action
    {
        if !Box::pin(try_canary(mover, to, canary, &mut lister, &mut batches)).await? {
            return Ok(RedrivePhase::CanaryFailed);
        }
        lister.restart();
    }
    while pass(mover, &mut lister, &mut batches).await? {
        lister.restart();
    }
    if mover.order.canary().is_some() {
        delete_notes(mover).await?;
    }
    Ok(RedrivePhase::Done)
}

/// Moves what the queue has from its first task to its last. Whether it may have more: a list is a moment
/// behind, and a page may begin too late when the pages before it have got shorter.
async fn pass(mover: &Mover, lister: &mut Lister, batches: &mut Moves) -> Result<bool, Halt> {
    let left = batches.left;
    let mut found = false;
    loop {
        let part = lister.part(mover, &batches.skipped).await?;
        found |= part.is_cut || !part.matches.is_empty();
        if !part.matches.is_empty() {
            mover.enter(RedrivePhase::Moving);
        }
        batches.all(mover, part.matches).await?;
        if part.is_last {
            break;
        }
    }
    if found && batches.left == left {
        mover.sleep(STALE).await?;
    }
    Ok(found)
}

/// Asks for the rights that the first move would miss too late: without the one to delete, tasks would be
/// created that stay parked.
async fn check_rights(mover: &Mover) -> Result<(), Halt> {
    let order = &*mover.order;
    let note = NoteKind::Chosen.path(&order.selection.redrive, &order.parked);
    mover
        .insist(async || mover.cloud.get_whole_task(&note).await)
        .await?;
    // A task of this name never exists.
    let probe: TaskId = format!("{}-none", order.selection.redrive)
        .parse()
        .expect("letters, digits and hyphens are a legal task id");
    let probe = order.parked.task(probe);
    mover
        .insist(async || mover.cloud.delete_task(&probe).await)
        .await
}
