//! Room to run the handler: a bounded number of runs, and one run of a task at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use cloudtasks::TaskId;
use decide::RunSlot;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one worker.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    in_work: Arc<Mutex<HashSet<TaskId>>>,
}

/// Marks a task as in work here, from its arrival until all that it leads to is done.
#[derive(Debug)]
pub(crate) struct Mark {
    task: TaskId,
    in_work: Arc<Mutex<HashSet<TaskId>>>,
}

impl Places {
    pub(crate) fn new(concurrency: u32) -> Self {
        let places = usize::try_from(concurrency)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(places)),
            in_work: Arc::default(),
        }
    }

    /// Marks `task`, unless another push of it is in work here.
    ///
    /// Before anything is looked up: a push that looks first, and takes its mark when the other
    /// has gone, would miss what the other has created in between.
    pub(crate) fn mark(&self, task: &TaskId) -> Option<Mark> {
        let mut in_work = self.in_work.lock().unwrap_or_else(PoisonError::into_inner);
        in_work.insert(task.clone()).then(|| Mark {
            task: task.clone(),
            in_work: Arc::clone(&self.in_work),
        })
    }

    /// Takes a place to run the handler, given back when the permit is dropped. `mark` is what
    /// [`Places::mark`] gave when the push arrived.
    pub(crate) fn take(&self, mark: Option<&Mark>) -> Result<OwnedSemaphorePermit, RunSlot> {
        mark.ok_or(RunSlot::TaskInFlight)?;
        let free = Arc::clone(&self.free).try_acquire_owned();
        free.map_err(|_| RunSlot::NoneFree)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.in_work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_runs_once_at_a_time_and_all_of_them_within_the_bound() {
        let places = Places::new(1);
        let task = |id: &str| id.parse::<TaskId>().unwrap();
        let first = places.mark(&task("a")).unwrap();
        let place = places.take(Some(&first)).unwrap();
        let twin = places.mark(&task("a"));
        assert_eq!(
            places.take(twin.as_ref()).unwrap_err(),
            RunSlot::TaskInFlight
        );
        let second = places.mark(&task("b")).unwrap();
        assert_eq!(places.take(Some(&second)).unwrap_err(), RunSlot::NoneFree);
        // The run has ended, and what it leads to goes on.
        drop(place);
        drop(places.take(Some(&second)).unwrap());
        assert!(places.mark(&task("a")).is_none());
        drop(first);
        // The twin came while the first was in work, and stays turned away.
        assert_eq!(
            places.take(twin.as_ref()).unwrap_err(),
            RunSlot::TaskInFlight
        );
        assert!(places.mark(&task("a")).is_some());
    }
}
