//! The worker's calls to Cloud Tasks: lookups before a decision, and creating the next task or the
//! notification after it.

mod create;
mod event;
mod lookup;
mod notification;
mod task_copies;

pub(crate) use create::{Ending, create};
#[cfg(test)]
pub(crate) use lookup::RECORD_TIMEOUT;
pub(crate) use lookup::{look_up_age, look_up_departure, look_up_successor};
