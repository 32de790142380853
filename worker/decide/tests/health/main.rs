//! What a pod sees of its stage's health, with made-up times.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod breaker;
mod nuisance;
mod outage;
mod pod;
mod share;
