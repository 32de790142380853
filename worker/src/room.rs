//! Room to run the handler: a bounded number of runs, and one run of a task at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use cloudtasks::TaskId;
use decide::Room;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of one worker.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    running: Arc<Mutex<HashSet<TaskId>>>,
}

/// A place that was taken.
#[derive(Debug)]
pub(crate) struct Seat {
    permit: OwnedSemaphorePermit,
    mark: Mark,
}

impl Seat {
    /// Gives the place back when the handler has run. The mark is kept until all that the run
    /// leads to is done: a dispatch that comes in between must not start the task again.
    pub(crate) fn leave(self) -> Mark {
        drop(self.permit);
        self.mark
    }
}

/// Marks a task as running here.
#[derive(Debug)]
pub(crate) struct Mark {
    task: TaskId,
    running: Arc<Mutex<HashSet<TaskId>>>,
}

impl Places {
    pub(crate) fn new(concurrency: u32) -> Self {
        let places = usize::try_from(concurrency)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(places)),
            running: Arc::default(),
        }
    }

    /// Takes a place for `task`, or says why there is none.
    pub(crate) fn take(&self, task: &TaskId) -> Result<Seat, Room> {
        let permit = Arc::clone(&self.free)
            .try_acquire_owned()
            .map_err(|_| Room::Full)?;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !running.insert(task.clone()) {
            return Err(Room::RunningHere);
        }
        let mark = Mark {
            task: task.clone(),
            running: Arc::clone(&self.running),
        };
        Ok(Seat { permit, mark })
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.running
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
        let places = Places::new(2);
        let task = |id: &str| id.parse::<TaskId>().unwrap();
        let first = places.take(&task("a")).unwrap();
        assert_eq!(places.take(&task("a")).unwrap_err(), Room::RunningHere);
        let second = places.take(&task("b")).unwrap();
        assert_eq!(places.take(&task("c")).unwrap_err(), Room::Full);
        // What the run leads to goes on, but the handler is free.
        let mark = second.leave();
        assert_eq!(places.take(&task("b")).unwrap_err(), Room::RunningHere);
        drop(mark);
        drop(places.take(&task("b")).unwrap());
        drop(first);
        places.take(&task("a")).unwrap();
    }
}
