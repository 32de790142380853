//! `executor-chain dev` and `send` from outside: the program, a file, and what it prints and does.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

mod adopted;
mod course;
mod edits;
mod ending;
mod handlers;
mod page;
mod parking;
mod program;
mod python;
