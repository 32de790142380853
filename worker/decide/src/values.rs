//! Small values: the answers to Cloud Tasks, outcomes, reasons, stage names.

mod answer;
mod category;
mod end_cause;
mod handler_sign;
mod header_text;
mod outcome;
mod stage_name;
mod task_origin;
mod task_reason;

pub use answer::Answer;
pub use category::{Category, CategoryId, IsolationIndex};
pub use end_cause::{EndCause, InvalidEndCause};
pub use handler_sign::Sign;
pub use header_text::InvalidHeaderText;
pub use outcome::Outcome;
pub use stage_name::StageName;
pub use task_origin::TaskOrigin;
pub use task_reason::TaskReason;
