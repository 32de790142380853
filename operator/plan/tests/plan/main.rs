//! The plan, held against a world in memory: golden transcripts of what a reviewer should read, and
//! random edits.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

mod allow_list;
mod bad_days;
mod edits;
mod freshness;
mod gateway;
mod golden;
mod held_and_isolating;
mod invariants;
mod notifier_limits;
mod overrides;
mod parking;
mod phases;
mod push_hosts;
mod redrives;
mod status;
mod token_rotation;
mod whole_seconds;
mod worker_template;
mod world;
