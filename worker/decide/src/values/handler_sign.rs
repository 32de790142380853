//! What the end of a run says of the handler.

/// What the end of a run says of the handler. Runs that end by the task's own fault say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sign {
    /// It works.
    Well,
    /// It failed.
    Ill,
}
