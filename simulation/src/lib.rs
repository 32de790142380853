//! A simulation of chains: queues of Cloud Tasks, workers, and tasks of which a part fails.
//!
//! Pure: what comes, what becomes of each run, and a seed in; the end of each task out. All times are since
//! the begin. [`incident`] is an incident that is made up, whose results a real one is measured against by
//! the same code.
//!
//! The queues are those of the facts that Cloud Tasks documents: a token bucket, a bound of dispatches
//! under way, a backoff by dispatches, and tasks in the order in which they are due. Which categories
//! workers isolate, and when they hold, is decided by the workers' own code, in `decide`. What Cloud Tasks
//! does besides is left out: it slows a queue with many 429 and 503, and its order is not strict.

pub mod design;
pub mod forecast;
pub mod incident;
pub mod observed;
mod pods;
pub mod queue;
pub mod results;
pub mod saturation;
pub mod scenario;
pub mod simulate;
pub mod window;
pub mod world;

pub use decide::{FailureThreshold, IsolationCause};
pub use design::{Change, Design, Edit, Entry, Isolate, Stage, Workers};
pub use incident::{simulate, simulate_observed};
pub use observed::Observed;
pub use queue::{Backoff, Limits};
pub use results::{Completion, Results};
pub use scenario::{Fault, Scenario, Task, Tenants, Unlucky};
pub use window::Window;
pub use world::{Answer, Entrant, Event, Exit, Outcome, Run, RunEnd, World};
