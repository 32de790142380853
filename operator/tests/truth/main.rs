//! Situations in which a status can be wrong. In each something is broken, half done, paused, or
//! corrected, and the whole status must match what an outside reader finds. See [`scenario`] for what
//! each is, and [`reader`] and [`history`] for what every status is compared with.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

mod actions;
mod expected;
mod history;
mod kubelet;
mod reader;
mod rights;
mod scenario;
mod scenarios;
#[path = "../operator/testbed.rs"]
#[allow(dead_code, reason = "the operator's other tests use the rest of it")]
mod testbed;
mod watch;
mod world;

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt, stream};

use scenario::Scenario;
use world::World;

/// Each has an operator and an emulator of its own, and most of the time waits for their clocks.
const AT_ONCE: usize = 8;

/// The scenarios that this variable names, by a part of their names: all, if it is not set.
const ONLY: &str = "TRUTH_SCENARIOS";

#[tokio::test]
async fn the_status_tells_the_truth() {
    let began = Instant::now();
    let only = std::env::var(ONLY).unwrap_or_default();
    let chosen = scenarios::all().filter(|scenario| scenario.name.contains(&only));
    let outcomes: Vec<_> = stream::iter(chosen)
        .map(async |scenario| {
            let run = Box::pin(World::run(scenario));
            (scenario, AssertUnwindSafe(run).catch_unwind().await)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert!(!outcomes.is_empty(), "no scenario's name contains {only}");
    let mut lies: Vec<&str> = Vec::new();
    let mut longest = Duration::ZERO;
    for (Scenario { name, .. }, outcome) in &outcomes {
        match outcome {
            Ok(times) => {
                longest = longest.max(times.iter().copied().max().unwrap_or_default());
                let times: Vec<String> = times.iter().map(|time| format!("{time:.1?}")).collect();
                eprintln!("{name}: {}", times.join(", "));
            }
            Err(_) => lies.push(name),
        }
    }
    let (all, took) = (outcomes.len(), began.elapsed());
    eprintln!("{all} scenarios in {took:.0?}; the longest time to the truth was {longest:.1?}");
    assert!(lies.is_empty(), "the status lied, see above: {lies:#?}");
}
