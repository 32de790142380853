//! Lists the parking queue, in parts of 20,000 tasks.

use std::collections::HashSet;

use cloudtasks::{Error, PageToken, TaskId};
use parking::{CanaryMember, Note, ParkedTask, next_root};
use tokio::time::Instant;
use tracing::{info, warn};

use super::calls::{Halt, Mover};
use super::pace::ListBudget;

/// So many tasks are listed before the first of them is moved: what is known of them stays in memory.
const PART: usize = 20_000;

/// How far the queue is listed.
#[derive(Debug, Default)]
pub(super) struct Lister {
    budget: ListBudget,
    from: Option<PageToken>,
    /// Those that have failed again, among what is listed.
    failed_again: u64,
}

/// A part of the queue.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// The tasks that the redrive means.
    pub matches: Vec<TaskId>,
    /// The same with the roots of their new lives, without those whose ledger can't be read. Empty if nobody
    /// asked for a canary.
    pub candidates: Vec<CanaryMember>,
    /// Whether the queue has no more tasks.
    pub is_last: bool,
    /// Whether tasks may be left out.
    pub is_cut: bool,
}

impl Part {
    /// Whether it ends where the queue does.
    pub(super) fn is_whole(&self) -> bool {
        self.is_last && !self.is_cut
    }
}

impl Lister {
    /// The next part begins with the queue's first task.
    pub(super) fn restart(&mut self) {
        self.from = None;
        self.failed_again = 0;
    }

    /// The next part without the tasks that can't be moved. The progress says how many it has.
    pub(super) async fn part(
        &mut self,
        mover: &Mover,
        skipped: &HashSet<TaskId>,
    ) -> Result<Part, Halt> {
        let order = &*mover.order;
        let selection = &order.selection;
        let mut part = Part::default();
        let mut listed = 0;
        while listed < PART && !part.is_last {
            let now = Instant::now();
            mover
                .unless_stopping(tokio::time::sleep_until(self.budget.next(now)))
                .await?;
            self.budget.begun(Instant::now());
            let from = self.from.as_ref();
            let page = mover
                .insist(async || {
                    match mover.cloud.list_tasks_page(&order.parked, from).await {
                        // The token may be too old. The next pass finds what is left out.
                        Err(Error::Refused { message, .. }) if from.is_some() => {
                            warn!(%message, "Cloud Tasks doesn't continue a list: the next pass lists again");
                            Ok(None)
                        }
                        page => page.map(Some),
                    }
                })
                .await?;
            let Some(page) = page else {
                part.is_cut = true;
                part.is_last = true;
                break;
            };
            listed += page.tasks.len();
            for info in &page.tasks {
                let Ok(task) = ParkedTask::read(info) else {
                    if Note::of(info).is_some_and(|it| it != selection.redrive) {
                        // Its redrive is over: a chain has one at a time.
                        mover
                            .insist(async || mover.cloud.delete_task(&info.path).await)
                            .await?;
                        info!(note = %info.path.id, "deleted the note of an earlier redrive");
                    }
                    continue;
                };
                if selection.has_begun(&task) {
                    self.failed_again += 1;
                }
                if !selection.means(&task) || skipped.contains(&task.path.id) {
                    continue;
                }
                if order.canary().is_some()
                    && let Ok(root) = next_root(info, &selection.redrive)
                {
                    let parked = task.path.id.clone();
                    part.candidates.push(CanaryMember { parked, root });
                }
                part.matches.push(task.path.id);
            }
            part.is_last = page.next.is_none();
            self.from = page.next;
        }
        let matches = u64::try_from(part.matches.len()).unwrap_or(u64::MAX);
        let failed_again = self.failed_again;
        let at_least = !part.is_whole();
        mover.progress.send_modify(|progress| {
            progress.remaining = Some(matches);
            progress.at_least = at_least;
            progress.failed_again = if at_least {
                progress.failed_again.max(failed_again)
            } else {
                failed_again
            };
        });
        info!(matches, failed_again, at_least, "counted");
        Ok(part)
    }
}
