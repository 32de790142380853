//! Drift of several chains, at random moments.

use std::time::Duration;

use cloudtasks::CloudTasks;
use futures::future::try_join_all;
use tokio::time::sleep;

use crate::chains::{self, STAGES};
use crate::drift;
use crate::edits::chain_rates::ChainRates;
use crate::quantile::Sample;

/// Within so long all are changed: neither operator should always have just looked.
const SPREAD: Duration = Duration::from_secs(5);

/// Changes queues of `count` different chains, or of all that there are.
pub async fn drift(
    queues: &CloudTasks,
    rates: &ChainRates,
    count: usize,
    random: &mut fastrand::Rng,
) -> anyhow::Result<Sample> {
    let spread = u64::try_from(SPREAD.as_millis()).unwrap_or(u64::MAX);
    let chains = random.choose_multiple(0..rates.chains(), count);
    let drifts = chains.into_iter().map(|chain| {
        let (stage, after) = (random.usize(..STAGES), random.u64(..spread));
        change(queues, (chain, stage), Duration::from_millis(after))
    });
    let drifts: Vec<_> = drifts.collect();
    Ok(Sample::new(try_join_all(drifts).await?))
}

async fn change(
    queues: &CloudTasks,
    (chain, stage): (usize, usize),
    after: Duration,
) -> anyhow::Result<Duration> {
    sleep(after).await;
    drift::put_right(queues, &chains::queue(chain, stage)).await
}
