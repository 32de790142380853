//! The rules from outside, as the worker calls them.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod arrival;
mod chain;
mod expires_soon;
mod headers;
mod lag;
mod outcome;
mod parking;
mod put_off;
