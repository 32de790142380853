//! What the routes answer, over a source that says what a test wants. Time is paused: it jumps to the next
//! tick.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

mod api;
mod documented;
mod scripted;
