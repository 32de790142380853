//! A simulation of an incident: queues of Cloud Tasks, workers, and tasks of which a part fails for a
//! while.
//!
//! Pure: a scenario, a design and a seed in, the results of each task out. All times are since the scenario's
//! begin. What a real run gives is a [`Results`] too, and is measured by the same code.
//!
//! The queues are those of the facts that Cloud Tasks documents: a token bucket, a bound of dispatches
//! under way, a backoff by dispatches, and tasks in the order in which they are due. What Cloud Tasks
//! does besides is left out: it slows a queue with many 429 and 503, and its order is not strict.

pub mod design;
pub mod queue;
pub mod results;
pub mod saturation;
pub mod scenario;
pub mod simulate;
pub mod window;

pub use design::{Change, Design, Edit, Entry, Stage};
pub use queue::{Backoff, Limits};
pub use results::{Completion, Outcome, Results};
pub use scenario::{Fault, Scenario, Task};
pub use simulate::{Event, simulate, simulate_observed};
pub use window::Window;
