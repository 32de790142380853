//! The operator from outside: a process, a real kube-apiserver, and the emulator. Each test applies
//! with kubectl, and looks at what a user would look at.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

mod bad_days;
mod deletion;
mod drift;
mod edits;
mod gateway;
mod history;
mod kstatus;
mod leader;
mod live;
mod locations;
mod outage;
mod overrides;
mod parked_tasks;
mod parking;
mod phases;
mod pods;
mod push_hosts;
mod queue_stats;
mod redrives;
mod refusals;
mod serving;
mod tenants;
mod testbed;
mod tokens;
mod worker_template;
