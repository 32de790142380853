//! Which of several operators is the leader.

pub mod lease;
