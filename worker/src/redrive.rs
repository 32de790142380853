//! The mover: carries out one redrive, or one discard, of tasks in a parking queue.
//!
//! It is the worker's program with the argument `redrive`. It pulls: the parking queue stays paused, and
//! nothing that the redrive doesn't mean is touched. A move is the create of the new life's first task,
//! whose id follows from the parked one, and then the delete of the parked task. So a mover may be killed
//! at any point: the next one finds the task parked, and its create finds the new life's task.

mod admin;
mod calls;
mod canary;
mod list;
mod moves;
mod one_move;
mod pace;
mod run;
mod start;

pub use start::{RunningMover, start_mover};
