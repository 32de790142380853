//! Situations in which a status can be wrong. In each something is broken, half done, paused, or
//! corrected, and the whole status must match what an outside reader finds. See [`row`] for what a row
//! is, and [`reader`] and [`history`] for what every status is compared with.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

mod deeds;
mod history;
mod kubelet;
#[path = "../operator/place.rs"]
#[allow(dead_code, reason = "the operator's other tests use the rest of it")]
mod place;
mod reader;
mod rights;
mod row;
mod rows;
mod told;
mod watch;
mod world;

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt, stream};

use row::Row;
use world::World;

/// Each has an operator and an emulator of its own, and most of the time waits for their clocks.
const AT_ONCE: usize = 8;

/// The rows that this variable names, by a part of their names: all, if it is not set.
const ONLY: &str = "TRUTH_ROWS";

#[tokio::test]
async fn the_status_tells_the_truth() {
    let began = Instant::now();
    let only = std::env::var(ONLY).unwrap_or_default();
    let rows = rows::all().filter(|row| row.name.contains(&only));
    let outcomes: Vec<_> = stream::iter(rows)
        .map(async |row| {
            let life = Box::pin(World::live_through(row));
            (row, AssertUnwindSafe(life).catch_unwind().await)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert!(!outcomes.is_empty(), "no row's name contains {only}");
    let mut lies: Vec<&str> = Vec::new();
    let mut longest = Duration::ZERO;
    for (Row { name, .. }, outcome) in &outcomes {
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
    eprintln!("{all} rows in {took:.0?}; the longest time to the truth was {longest:.1?}");
    assert!(lies.is_empty(), "the status lied, see above: {lies:#?}");
}
