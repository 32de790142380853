//! Headers that the operator sets on queues and the worker sees on pushes.

/// All headers of this project begin with this. The worker never passes them on.
pub const PREFIX: &str = "executor-";
/// Marks the pushes of a queue whose token the operator has set.
pub const TOKEN: &str = "executor-token";
