//! How a task ends.

/// How a task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The handler has succeeded.
    Succeeded,
    /// The ladder has ended without a success.
    Failed,
}

impl Outcome {
    /// As it stands in an event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}
