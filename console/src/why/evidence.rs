//! What the numbers of one stage show, and how far they can be trusted.

use std::time::Duration;

use crate::model::{LiveChain, LiveStage, QueueNumbers, StageState, WorkerNumbers};

/// A queue dispatches a burst at once and then at its rate, so being late by less is how it works.
const LATE: Duration = Duration::from_secs(5);
/// A burst that is over so soon needs nothing.
const LEFT: f64 = 10.0;
/// How late is late where it is unknown how much is left.
const LATE_ALONE: Duration = Duration::from_secs(10);
/// So many pushes say how late pushes are.
const ENOUGH_PUSHES: u64 = 5;

/// One stage of a chain.
#[derive(Clone, Copy)]
pub(super) struct Evidence<'a> {
    pub(super) chain: &'a LiveChain,
    pub(super) index: usize,
    pub(super) stage: &'a LiveStage,
    pub(super) queue: Option<&'a QueueNumbers>,
    pub(super) workers: Option<&'a WorkerNumbers>,
}

/// A stage whose tasks are late, and not about to be on time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Behind {
    pub(super) late: Duration,
    /// Tasks that aren't in flight, those included that are scheduled for later.
    pub(super) waiting: Option<u64>,
}

impl<'a> Evidence<'a> {
    /// `None` if the chain has no such stage.
    pub(super) fn of(chain: &'a LiveChain, index: usize) -> Option<Self> {
        let stage = chain.stages.get(index)?;
        Some(Self {
            chain,
            index,
            stage,
            queue: stage.queue_numbers.value(),
            workers: stage.worker_numbers.value(),
        })
    }

    /// The stage before it.
    pub(super) fn previous(self) -> Option<Self> {
        Self::of(self.chain, self.index.checked_sub(1)?)
    }

    pub(super) fn is_last(self) -> bool {
        self.index + 1 == self.chain.stages.len()
    }

    pub(super) fn is_running(self) -> bool {
        self.stage.state == StageState::Running
    }

    /// Whether most pods hold: the handler's failures, and what waits, are then due to that.
    pub(super) fn is_held(self) -> bool {
        let holding = self.workers.map_or(0, |it| it.pods_holding);
        holding > 0 && u64::from(holding) * 2 >= u64::from(self.stage.pods.ready)
    }

    /// Dispatches a second. Workers count those of the last seconds; Cloud Tasks those of a minute, perhaps a
    /// minute ago, which matter where not all pods were asked.
    pub(super) fn rate(self) -> Option<f64> {
        let of_queue = self.queue.map(|it| float(it.executed_last_minute) / 60.0);
        let Some(workers) = self.workers else {
            return of_queue;
        };
        let of_workers = workers.dispatches_per_second();
        if workers.pods_asked >= self.stage.pods.ready {
            Some(of_workers)
        } else {
            of_queue.into_iter().chain([of_workers]).reduce(f64::max)
        }
    }

    /// Dispatches that wait for a response.
    pub(super) fn in_flight(self) -> Option<u64> {
        let of_queue = self.queue.map(|it| it.in_flight);
        let of_workers = self.workers.map(|it| it.runs_in_progress);
        of_queue.max(of_workers)
    }

    /// How late tasks are dispatched. Pushes show it themselves. The age of a queue's first task shows less:
    /// a task in flight is still in the queue.
    pub(super) fn late(self) -> Option<Duration> {
        let enough = |it: &&WorkerNumbers| it.answers.all() >= ENOUGH_PUSHES;
        let of_pushes = self.workers.filter(enough).and_then(|it| it.lag_p95);
        of_pushes.or_else(|| {
            let queue = self.queue?;
            let run = if queue.in_flight > 0 {
                self.stage.settings.timeout
            } else {
                Duration::ZERO
            };
            Some(queue.lag?.saturating_sub(run))
        })
    }

    /// Whether tasks are late, and will be for longer than a burst takes. Depth alone shows nothing: tasks
    /// may be scheduled for later.
    pub(super) fn behind(self) -> Option<Behind> {
        if !self.is_running() {
            return None;
        }
        let late = self.late()?;
        let waiting = self.queue.map(|it| it.tasks.saturating_sub(it.in_flight));
        let is_behind = match (waiting, self.rate()) {
            (Some(waiting), Some(rate)) => {
                late >= LATE && waiting > 0 && float(waiting) >= LEFT * rate
            }
            _ => late >= LATE_ALONE,
        };
        is_behind.then_some(Behind { late, waiting })
    }

    /// Tasks that arrived in the window.
    pub(super) fn arrived(self) -> u64 {
        self.workers
            .map_or(0, |it| it.arrivals.producer + it.arrivals.hand_over)
    }

    /// Whether most tasks that arrive succeed, however many attempts they take.
    pub(super) fn most_tasks_succeed(self) -> bool {
        let arrived = self.arrived();
        let succeeded = self.workers.map_or(0, |it| it.runs.succeeded);
        arrived >= ENOUGH_PUSHES && float(succeeded) >= 0.5 * float(arrived)
    }
}

/// A count for arithmetic.
#[expect(clippy::cast_precision_loss, reason = "counts of tasks and minutes")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// `part` of `all`; 0 of nothing.
pub(super) fn share(part: u64, all: u64) -> f64 {
    if all == 0 {
        0.0
    } else {
        float(part) / float(all)
    }
}
