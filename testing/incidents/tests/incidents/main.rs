//! Real trouble in real chains: real workers, the operator on a real API server, an emulator of Cloud Tasks
//! with live numbers. What the operator's API finds first is compared with what was done.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

mod handler;
mod producer;
mod situation;
mod situations;
mod world;

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures::{FutureExt, StreamExt, stream};

use situation::Situation;
use world::World;

/// Each has an operator, an emulator, workers and traffic of its own.
const AT_ONCE: usize = 4;

/// The situations that this variable names, by a part of their names: all, if it is not set.
const ONLY: &str = "INCIDENTS";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cause_is_named_first() {
    let began = Instant::now();
    let only = std::env::var(ONLY).unwrap_or_default();
    let chosen = situations::ALL.iter();
    let chosen = chosen.filter(|situation| situation.name.contains(&only));
    let outcomes: Vec<_> = stream::iter(chosen)
        .map(async |situation| {
            let run = Box::pin(World::run(situation));
            (situation, AssertUnwindSafe(run).catch_unwind().await)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert!(!outcomes.is_empty(), "no situation's name contains {only}");
    let mut wrong: Vec<&str> = Vec::new();
    eprintln!("| situation | found first | after |\n|---|---|---|");
    for (Situation { name, .. }, outcome) in &outcomes {
        match outcome {
            Ok(found) => eprintln!("| {name} | {found} |"),
            Err(_) => wrong.push(name),
        }
    }
    let (all, took) = (outcomes.len(), began.elapsed());
    eprintln!("{} of {all} in {took:.0?}", all - wrong.len());
    assert!(wrong.is_empty(), "not named first, see above: {wrong:#?}");
}
