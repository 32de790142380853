//! For tests only: which tasks are lost, and which have ends that contradict what their handlers did.
//!
//! It judges by what clients were notified of and what handlers were asked for, and does not
//! know the programs under test.

pub mod account;
pub mod notifications;
pub mod results;

pub use account::{Account, Script};
pub use notifications::{Notification, receive, task_number};
pub use results::{Ends, Evidence, TaskResult, TaskResults};
