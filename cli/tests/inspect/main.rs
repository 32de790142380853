//! `top`, `why` and `ui` from outside: the program, under both of its names, and what it prints.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

#[cfg(feature = "cluster")]
mod act;
mod cluster;
mod dev;
#[cfg(feature = "cluster")]
mod history;
mod program;
#[cfg(feature = "cluster")]
mod redrive;
mod served;
