//! The worker's ports.

/// The port for pushes.
pub const PUSHES: u16 = 9480;
/// The port for health and metrics, because a task may have any path.
pub const ADMIN: u16 = 9481;
