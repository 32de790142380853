//! The mover from outside: the real emulator, real workers, and a mover that is killed.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod bed;
mod canary;
mod kills;
mod moves;
mod problems;
