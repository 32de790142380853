//! Making edits, and seeing them come into force.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use cloudtasks::CloudTasks;
use crds::ExecutorChain;
use futures::future::try_join_all;
use kube::Api;
use kube::api::{Patch, PatchParams};
use tokio::time::{MissedTickBehavior, interval};

use crate::chains;
use crate::edits::chain_rates::Change;
use crate::watch_times::WatchTimes;

const PATIENCE: Duration = Duration::from_secs(30);

/// How long after the API server's answer each was seen.
#[derive(Debug, Clone, Copy)]
pub struct EditLatency {
    pub in_force: Duration,
    pub watched: Duration,
}

pub struct Editor {
    pub chains: Api<ExecutorChain>,
    pub queues: CloudTasks,
    pub watch_times: WatchTimes,
}

/// A change that the API server has taken.
struct Written {
    at: Instant,
    generation: i64,
}

impl Editor {
    /// Makes all of them in the same moment, and waits until each is in force.
    pub async fn make(&self, changes: Vec<Change>) -> anyhow::Result<Vec<EditLatency>> {
        let writes = try_join_all(changes.iter().map(|change| self.write(change)));
        // Beside the writes: some are in force before others are answered.
        let (answers, in_force) = tokio::try_join!(writes, self.in_force(&changes))?;
        let mut seen = Vec::new();
        for ((change, answer), in_force) in changes.iter().zip(answers).zip(in_force) {
            let name = chains::name(change.chain);
            let told = self.watch_times.of(&name, answer.generation).await?;
            seen.push(EditLatency {
                in_force: in_force.saturating_duration_since(answer.at),
                watched: told.saturating_duration_since(answer.at),
            });
        }
        Ok(seen)
    }

    async fn write(&self, change: &Change) -> anyhow::Result<Written> {
        let name = chains::name(change.chain);
        let patch = Patch::Merge(&change.patch);
        let parameters = PatchParams::default();
        let written = self.chains.patch(&name, &parameters, &patch).await;
        let at = Instant::now();
        let generation = written.context("an edit")?.metadata.generation;
        Ok(Written {
            at,
            generation: generation.unwrap_or(0),
        })
    }

    /// When each queue was first seen as its edit says.
    async fn in_force(&self, changes: &[Change]) -> anyhow::Result<Vec<Instant>> {
        let pause = if changes.len() == 1 { 1 } else { 10 };
        let mut looks = interval(Duration::from_millis(pause));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = vec![None; changes.len()];
        let begin = Instant::now();
        while seen.contains(&None) {
            if begin.elapsed() > PATIENCE {
                bail!("an edit is not in effect after {PATIENCE:?}");
            }
            looks.tick().await;
            for (change, seen) in changes.iter().zip(&mut seen) {
                if seen.is_some() {
                    continue;
                }
                let path = chains::queue(change.chain, change.stage);
                let queue = self.queues.get_queue(&path).await?;
                let rate = f64::from(change.rate);
                if (queue.max_dispatches_per_second - rate).abs() < f64::EPSILON {
                    *seen = Some(Instant::now());
                }
            }
        }
        Ok(seen.into_iter().flatten().collect())
    }
}
