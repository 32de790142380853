//! Workers killed at each point of a push, and handlers that a task kills: real processes, the
//! real emulator.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod case;
mod chain;
mod container;
mod creates;
mod handler;
mod http1;
mod matrix;
mod poison;
mod pushes;
mod scene;
mod script;
mod trace;
mod worker;
