//! A simulation of an incident: queues of Cloud Tasks, workers, and tasks of which a part fails for a
//! while.
//!
//! Pure: a scene, a design and a seed in, the course of each task out. All times are since the scene's
//! begin. What a real run gives is a [`Course`] too, and is measured by the same code.
//!
//! The queues are those of the facts that Cloud Tasks documents: a token bucket, a bound of dispatches
//! under way, a backoff by dispatches, and tasks in the order in which they are due. What Cloud Tasks
//! does besides is left out: it slows a queue with many 429 and 503, and its order is not strict.

pub mod arithmetic;
pub mod course;
pub mod design;
pub mod queue;
pub mod scene;
pub mod simulate;
pub mod span;

pub use course::{Course, End, How};
pub use design::{Change, Design, Edit, Entry, Stage};
pub use queue::{Backoff, Limits};
pub use scene::{Harm, Scene, Task};
pub use simulate::{Seen, simulate, watched};
pub use span::Span;
