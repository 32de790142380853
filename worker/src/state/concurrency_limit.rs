//! The concurrency limit: a bounded number of runs, and one run of a task at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use cloudtasks::TaskId;
use decide::RunSlot;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The run slots of one worker, and its tasks in flight.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    slots: Arc<Semaphore>,
    /// All of them, free or not.
    count: usize,
    in_flight: Arc<Mutex<HashSet<TaskId>>>,
}

/// Keeps a task in flight, from its arrival until everything that follows from it is done.
#[derive(Debug)]
pub(crate) struct InFlightGuard {
    task: TaskId,
    in_flight: Arc<Mutex<HashSet<TaskId>>>,
}

impl ConcurrencyLimit {
    pub(crate) fn new(concurrency: u32) -> Self {
        let slots = usize::try_from(concurrency)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        Self {
            slots: Arc::new(Semaphore::new(slots)),
            count: slots,
            in_flight: Arc::default(),
        }
    }

    /// Puts `task` in flight. None if another push of it is in flight here.
    ///
    /// Before any lookup: a push that looks up first, and enters when the other push has left, would
    /// miss what the other created in between.
    pub(crate) fn enter(&self, task: &TaskId) -> Option<InFlightGuard> {
        let mut in_flight = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        in_flight.insert(task.clone()).then(|| InFlightGuard {
            task: task.clone(),
            in_flight: Arc::clone(&self.in_flight),
        })
    }

    /// The slots that are not free.
    pub(crate) fn taken(&self) -> u32 {
        let taken = self.count.saturating_sub(self.slots.available_permits());
        u32::try_from(taken).unwrap_or(u32::MAX)
    }

    /// Acquires a slot to run the handler, free again when the permit is dropped. `guard` is from
    /// [`ConcurrencyLimit::enter`].
    pub(crate) fn acquire(
        &self,
        guard: Option<&InFlightGuard>,
    ) -> Result<OwnedSemaphorePermit, RunSlot> {
        guard.ok_or(RunSlot::TaskInFlight)?;
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        slot.map_err(|_| RunSlot::NoneFree)
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_runs_once_at_a_time_and_all_runs_are_within_the_limit() {
        let limit = ConcurrencyLimit::new(1);
        let task = |id: &str| id.parse::<TaskId>().unwrap();
        let first = limit.enter(&task("a")).unwrap();
        let slot = limit.acquire(Some(&first)).unwrap();
        let twin = limit.enter(&task("a"));
        let twin_slot = limit.acquire(twin.as_ref());
        assert_eq!(twin_slot.unwrap_err(), RunSlot::TaskInFlight);
        let second = limit.enter(&task("b")).unwrap();
        let second_slot = limit.acquire(Some(&second));
        assert_eq!(second_slot.unwrap_err(), RunSlot::NoneFree);
        // The run has ended, and what follows from it is not done yet.
        drop(slot);
        drop(limit.acquire(Some(&second)).unwrap());
        assert!(limit.enter(&task("a")).is_none());
        drop(first);
        // The twin arrived while the first was in flight, and stays rejected.
        let twin_slot = limit.acquire(twin.as_ref());
        assert_eq!(twin_slot.unwrap_err(), RunSlot::TaskInFlight);
        assert!(limit.enter(&task("a")).is_some());
    }
}
