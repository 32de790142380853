//! For tests only: which tasks are lost, and which have ends that contradict what their handlers did.
//!
//! It judges by what clients were notified of and what handlers were asked for, and does not
//! know the programs under test.

pub mod lives;
pub mod notifications;
pub mod scripted_tasks;
pub mod task_result;

pub use lives::Lives;
pub use notifications::{Notification, receive, task_number};
pub use scripted_tasks::{Script, Tracker};
pub use task_result::{Ends, Evidence, TaskResult, TaskResults};
