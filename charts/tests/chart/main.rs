//! The chart: what it renders, what it refuses, and what helm does with it on a real API server.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

mod accepted;
mod alerts;
mod objects;
mod refused;
mod releases;
mod rendered;
mod rights;
mod scenario;
