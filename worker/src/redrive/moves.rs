//! Moves many tasks, at the redrive's rate.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use cloudtasks::TaskId;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{info, warn};

use super::calls::{Halt, Mover, backoff};
use super::one_move::{Moved, move_one};
use super::pace::Pace;

/// Moves in flight, each of which holds up to 1 MiB a few times.
const IN_FLIGHT: usize = 32;

/// What is remembered from move to move.
#[derive(Debug)]
pub(super) struct Moves {
    pace: Pace,
    /// Tasks that this mover has given up.
    pub skipped: HashSet<TaskId>,
    /// How often in a row moves had to wait, and until when they did last.
    waits: u32,
    waited_until: Option<Instant>,
    /// How many have left the parking queue.
    pub left: u64,
}

impl Moves {
    pub(super) fn new(rate: f64) -> Self {
        Self {
            pace: Pace::new(rate, Instant::now()),
            skipped: HashSet::new(),
            waits: 0,
            waited_until: None,
            left: 0,
        }
    }

    /// Moves or discards all of these, or those whose moves have begun when the mover is asked to stop.
    pub(super) async fn all(
        &mut self,
        mover: &Mover,
        tasks: impl IntoIterator<Item = TaskId>,
    ) -> Result<(), Halt> {
        let mut waiting: VecDeque<TaskId> = tasks.into_iter().collect();
        let mut in_flight = JoinSet::new();
        while !(waiting.is_empty() && in_flight.is_empty()) {
            // While there is a problem, one move finds out whether it is solved.
            let most = if self.waits == 0 { IN_FLIGHT } else { 1 };
            let may_begin = !waiting.is_empty() && in_flight.len() < most;
            tokio::select! {
                () = mover.stop.cancelled(), if !waiting.is_empty() => waiting.clear(),
                Some(done) = in_flight.join_next() => {
                    let (id, begun, result) = done.expect("a move neither panics nor is cancelled");
                    if let Some(again) = self.done(mover, id, begun, result) {
                        // The others first: it may be this task alone that fails.
                        waiting.push_back(again);
                    }
                }
                () = tokio::time::sleep_until(self.pace.next()), if may_begin => {
                    let begun = Instant::now();
                    self.pace.begun(begun);
                    if let Some(id) = waiting.pop_front() {
                        let (cloud, order) = (mover.cloud.clone(), Arc::clone(&mover.order));
                        let stop = mover.stop.clone();
                        in_flight.spawn(async move {
                            let result = move_one(&cloud, &order, id.clone(), &stop).await;
                            (id, begun, result)
                        });
                    }
                }
            }
        }
        if mover.stop.is_cancelled() {
            return Err(Halt::Stopping);
        }
        Ok(())
    }

    /// What follows from a move. A task that was not moved yet is returned.
    fn done(&mut self, mover: &Mover, id: TaskId, begun: Instant, result: Moved) -> Option<TaskId> {
        let (is_moved, is_skipped) = match &result {
            Moved::Begun { .. } | Moved::Discarded => (1, 0),
            Moved::Skipped(_) => (0, 1),
            Moved::Gone | Moved::NotYet(_) => (0, 0),
        };
        match result {
            Moved::NotYet(error) => {
                // All moves in flight fail at once, which is one failure.
                if self.waited_until.is_none_or(|until| begun >= until) {
                    let wait = backoff(&error, self.waits);
                    let until = Instant::now() + wait;
                    self.waits = self.waits.saturating_add(1);
                    self.waited_until = Some(until);
                    self.pace.hold(until);
                    mover.problem(&error, wait);
                }
                return Some(id);
            }
            Moved::Skipped(reason) => {
                warn!(parked = %id, reason, "can't be moved");
                self.skipped.insert(id);
            }
            Moved::Gone => {
                info!(parked = %id, "not parked any more");
                self.left += 1;
            }
            Moved::Begun {
                task,
                life,
                created: Some(created),
            } => {
                info!(parked = %id, %task, life, to = %created, "moved");
                self.left += 1;
            }
            Moved::Begun {
                task,
                life,
                created: None,
            } => {
                info!(parked = %id, %task, life, "moved: an earlier try had created its new life");
                self.left += 1;
            }
            Moved::Discarded => {
                info!(parked = %id, "discarded");
                self.left += 1;
            }
        }
        self.waits = 0;
        mover.progress.send_modify(|progress| {
            progress.remaining = progress.remaining.map(|all| all.saturating_sub(1));
            progress.moved += is_moved;
            progress.skipped += is_skipped;
            progress.problem = None;
        });
        None
    }
}
