//! Values, as the API serves them in JSON.

mod chain;
mod finding;
mod known;
mod numbers;
mod seconds;

pub use chain::{EditState, LiveChain, LiveNotifier, LiveStage, Pods, StageSettings, StageState};
pub use finding::{Cause, Finding};
pub use known::{Known, Unknown};
pub use numbers::{Answers, Arrivals, Baseline, FailureCount, QueueNumbers, Runs, WorkerNumbers};
