//! Small values: the answers to Cloud Tasks, outcomes, reasons, stage names.

mod answer;
mod header_text;
mod outcome;
mod reason;
mod stage_name;

pub use answer::Answer;
pub use header_text::InvalidHeaderText;
pub use outcome::Outcome;
pub use reason::Reason;
pub use stage_name::StageName;
