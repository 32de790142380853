//! The worker from outside: real HTTP, the real emulator.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod arrivals;
mod attempts;
mod bad_days;
mod bounds;
mod configuration;
mod expiry;
mod faults;
mod handler_connections;
mod handler_requests;
mod http_limits;
mod identity;
mod interruptions;
mod issuer;
mod many;
mod parking;
mod producers;
mod pushes;
mod readiness;
mod stage_load;
mod stages;
mod testbed;
mod tls_handler;
