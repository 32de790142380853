//! The scenarios, by what is broken in them.

mod cloud_tasks;
mod deleted;
mod foreign;
mod kubernetes;
mod notifiers;
mod operator;
mod parking;
mod paused;
mod pods;
mod queues;
mod removed;
mod stages;
mod tokens;

use crate::scenario::Scenario;

/// The second stage's line in the manifest.
const MIDDLE: &str = "
  - {name: middle, queue: incoming-2, maxAttempts: 2, rateLimits: {maxConcurrentDispatches: 100}}";

/// The first stage's rate in the manifest.
const RATE: &str = "maxDispatchesPerSecond: 400";

/// Where a line of the spec can be added.
const PROJECT: &str = "  project: demo\n";

pub fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        // Those that wait for long come first.
        operator::SCENARIOS,
        deleted::SCENARIOS,
        cloud_tasks::SCENARIOS,
        kubernetes::SCENARIOS,
        foreign::SCENARIOS,
        notifiers::SCENARIOS,
        removed::SCENARIOS,
        parking::SCENARIOS,
        stages::SCENARIOS,
        tokens::SCENARIOS,
        queues::SCENARIOS,
        paused::SCENARIOS,
        pods::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}
