//! Which of several operators is the leader.

pub mod holder;
pub mod lease;
