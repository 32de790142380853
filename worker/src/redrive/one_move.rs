//! One task: the first task of its new life is created, and then the parked one is deleted.

use std::time::Duration;

use cloudtasks::{CloudTasks, CreateOutcome, Error, QueuePath, TaskId, TaskPath, TaskState};
use futures::future::try_join_all;
use jiff::Timestamp;
use parking::{Action, Move, NewLife, RedriveOrder};
use tokio_util::sync::CancellationToken;

/// How often a call is tried before the whole redrive waits.
const TRIES: u32 = 3;
/// The longest backoff before the second try. It doubles before the third.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// What has become of a parked task.
#[derive(Debug)]
pub(super) enum Moved {
    /// It has begun a new life, and isn't parked any more.
    Begun {
        /// The task's id, as its producer knows it.
        task: TaskId,
        /// The number of its life.
        life: u32,
        /// The first task of that life, unless an earlier try has created it.
        created: Option<TaskPath>,
    },
    /// It is deleted.
    Discarded,
    /// It isn't parked any more, and this mover has not seen to that.
    Gone,
    /// It can't be moved.
    Skipped(String),
    /// Not this time.
    NotYet(Error),
}

/// Moves or discards one task. It can be repeated at any time, whatever an earlier try has done.
pub(super) async fn move_one(
    cloud: &CloudTasks,
    order: &RedriveOrder,
    id: TaskId,
    stop: &CancellationToken,
) -> Moved {
    let parked = order.parked.task(id);
    let begun = match &order.action {
        Action::Discard => Moved::Discarded,
        Action::Move(to) => {
            let whole = match tries(stop, async || cloud.get_whole_task(&parked).await).await {
                Ok(Some(whole)) => whole,
                Ok(None) => return Moved::Gone,
                Err(error) => return not_moved(error),
            };
            match to.new_life(&whole, &order.selection.redrive, Timestamp::now()) {
                Ok(life) => match begin(cloud, to, life, stop).await {
                    Ok(begun) => begun,
                    Err(error) => return not_moved(error),
                },
                Err(error) => return Moved::Skipped(error.to_string()),
            }
        }
    };
    // Last: until here a mover that is killed leaves the task parked.
    match tries(stop, async || cloud.delete_task(&parked).await).await {
        Ok(()) => begun,
        Err(error) => Moved::NotYet(error),
    }
}

/// Creates the first task of a new life, if no redrive has.
async fn begin(
    cloud: &CloudTasks,
    to: &Move,
    NewLife { task, ledger }: NewLife,
    stop: &CancellationToken,
) -> Result<Moved, Error> {
    let id = ledger.own_task();
    // A name is one on its queue alone. A redrive to another stage may have been stopped by force between
    // its create and its delete.
    let elsewhere = to.stages.iter().filter(|stage| **stage != to.to);
    let exists = async |stage: &QueuePath| {
        let path = stage.task(id.clone());
        let state = tries(stop, async || cloud.get_task(&path).await).await?;
        Ok::<_, Error>(!matches!(state, TaskState::Unknown))
    };
    let exists = try_join_all(elsewhere.map(exists)).await?;
    let created = if exists.contains(&true) {
        None
    } else {
        match tries(stop, async || cloud.create_task(&to.to, &task).await).await? {
            CreateOutcome::Created => Some(to.to.task(id)),
            CreateOutcome::AlreadyExists => None,
        }
    };
    Ok(Moved::Begun {
        life: ledger.life.as_ref().map_or(1, |life| life.number),
        task: ledger.task,
        created,
    })
}

fn not_moved(error: Error) -> Moved {
    match error {
        Error::Refused { .. } => Moved::Skipped(error.to_string()),
        other => Moved::NotYet(other),
    }
}

/// Tries a call again that may succeed then, unless the mover was asked to stop.
async fn tries<T, C>(stop: &CancellationToken, call: impl Fn() -> C) -> Result<T, Error>
where
    C: Future<Output = Result<T, Error>>,
{
    let mut longest_backoff = FIRST_BACKOFF;
    for _ in 1..TRIES {
        match call().await {
            Err(error) if error.is_transient() && !stop.is_cancelled() => {
                tokio::time::sleep(longest_backoff.mul_f64(fastrand::f64())).await;
                longest_backoff *= 2;
            }
            answer => return answer,
        }
    }
    call().await
}
