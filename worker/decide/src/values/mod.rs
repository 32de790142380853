//! Values that all other modules use.

mod answer;
mod outcome;
mod words;

pub use answer::Answer;
pub use outcome::Outcome;
pub use words::{NotAWord, Reason, StageName};
