//! Chains: made, and waited for.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use cloudtasks::QueuePath;
use crds::ExecutorChain;
use futures::{StreamExt, TryStreamExt, stream};
use kube::ResourceExt;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::operator::Operator;
use crate::testbed::Testbed;

pub const STAGES: usize = 4;

/// A location may hold 1,000 queues, and one is for the notifications of all its chains.
pub const IN_A_LOCATION: usize = (1000 - 1) / STAGES;

/// Where chains are: each location is filled before the next one.
pub const LOCATIONS: [&str; 20] = [
    "europe-west1",
    "europe-west2",
    "europe-west3",
    "europe-west4",
    "europe-west6",
    "europe-west8",
    "europe-west9",
    "europe-north1",
    "europe-southwest1",
    "us-central1",
    "us-east1",
    "us-east4",
    "us-south1",
    "us-west1",
    "us-west2",
    "asia-east1",
    "asia-northeast1",
    "asia-south1",
    "asia-southeast1",
    "australia-southeast1",
];

/// More would need more locations.
pub const MOST: usize = IN_A_LOCATION * LOCATIONS.len();

const AT_ONCE: usize = 4;
/// So long 200 chains may take on a machine that has other work.
const READY_WITHIN: Duration = Duration::from_mins(6);
const QUIET_WITHIN: Duration = Duration::from_mins(2);
/// Longer than what an operator does later by itself: a status, a look after a write.
const QUIET_FOR: Duration = Duration::from_secs(11);

pub type Rates = [u32; STAGES];

/// The rates of every new chain.
pub const RATES: Rates = [400, 100, 50, 10];

pub fn number(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=MOST).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(format!(
            "give a number of chains from 1 to {MOST}: a location holds 1,000 queues, each chain has \
             {STAGES}, and there are {} locations",
            LOCATIONS.len()
        )),
    }
}

pub fn name(chain: usize) -> String {
    format!("chain-{chain}")
}

pub fn counted(chains: usize) -> String {
    if chains == 1 {
        "1 chain".to_owned()
    } else {
        format!("{chains} chains")
    }
}

pub fn location(chain: usize) -> &'static str {
    LOCATIONS[chain / IN_A_LOCATION % LOCATIONS.len()]
}

pub fn locations(chains: usize) -> usize {
    chains.div_ceil(IN_A_LOCATION).min(LOCATIONS.len())
}

/// So many chains, as many in each of the first `locations`, or one more.
pub fn spread(count: usize, locations: usize) -> Vec<usize> {
    let numbers = (0..count).map(|it| it % locations * IN_A_LOCATION + it / locations);
    numbers.collect()
}

/// The stages of a chain with these rates, as a manifest says them.
pub fn stages(chain: usize, rates: &Rates) -> Value {
    let stages = rates.iter().enumerate().map(|(stage, rate)| {
        json!({
            "name": format!("stage-{stage}"),
            "queue": queue_id(chain, stage),
            "maxAttempts": 3,
            "rateLimits": {"maxDispatchesPerSecond": rate},
        })
    });
    stages.collect()
}

pub fn queue(chain: usize, stage: usize) -> QueuePath {
    let (location, id) = (location(chain), queue_id(chain, stage));
    format!("projects/demo/locations/{location}/queues/{id}")
        .parse()
        .expect("letters, digits and hyphens")
}

fn queue_id(chain: usize, stage: usize) -> String {
    format!("chain-{chain}-{stage}")
}

fn manifest(chain: usize) -> anyhow::Result<ExecutorChain> {
    let manifest = json!({
        "apiVersion": "executor-chain.dev/v1alpha1",
        "kind": "ExecutorChain",
        "metadata": {"name": name(chain)},
        "spec": {
            "project": "demo",
            "location": location(chain),
            "notifier": {"queue": "notifier", "url": "https://api.example.com/task-events"},
            "template": {"spec": {"containers": [{"name": "handler", "image": "shop:1"}]}},
            "stages": stages(chain, &RATES),
        },
    });
    Ok(serde_json::from_value(manifest)?)
}

/// Creates those that are missing to `count`, `there` being there already.
pub async fn create(place: &Testbed, there: usize, count: usize) -> anyhow::Result<()> {
    create_these(place, there..count).await
}

pub async fn create_these(
    place: &Testbed,
    numbers: impl IntoIterator<Item = usize>,
) -> anyhow::Result<()> {
    let chains = place.chains();
    let parameters = PostParams::default();
    stream::iter(numbers)
        .map(async |chain| {
            let manifest = manifest(chain)?;
            chains.create(&parameters, &manifest).await?;
            anyhow::Ok(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
        .context("creating the chains")
}

/// Creates those that are missing to `count`, `there` being there already, and waits until all are
/// ready.
pub async fn create_and_wait(
    place: &Testbed,
    operator: &Operator,
    there: usize,
    count: usize,
) -> anyhow::Result<()> {
    create(place, there, count).await?;
    wait_until_ready(place, operator, count).await
}

pub async fn wait_until_ready(
    place: &Testbed,
    operator: &Operator,
    count: usize,
) -> anyhow::Result<()> {
    let chains = place.chains();
    let begin = Instant::now();
    let mut told = begin;
    loop {
        let found = chains.list(&ListParams::default()).await?;
        let ready = found.iter().filter(|chain| is_ready(chain)).count();
        if ready >= count {
            println!("  {ready} chains are ready");
            return Ok(());
        }
        if told.elapsed() > Duration::from_secs(10) {
            println!("  {ready} of {count} chains are ready");
            told = Instant::now();
        }
        if begin.elapsed() > READY_WITHIN {
            let late = found.iter().find(|chain| !is_ready(chain));
            let status = late.map(|chain| (chain.name_any(), &chain.status));
            anyhow::bail!(
                "{ready} of {count} chains are ready after {READY_WITHIN:?}; one that is not: \
                 {status:?}; the operator's log ends:\n{}",
                operator.log_tail()
            );
        }
        // Seldom: a list of them all is work for the API server.
        sleep(Duration::from_secs(1)).await;
    }
}

pub fn is_ready(chain: &ExecutorChain) -> bool {
    chain.status.as_ref().is_some_and(|status| {
        let mut conditions = status.conditions.iter();
        status.observed_generation == chain.metadata.generation
            && conditions.any(|it| it.type_ == "Ready" && it.status == "True")
    })
}

pub async fn wait_until_idle(operator: &Operator) -> anyhow::Result<()> {
    let begin = Instant::now();
    let (mut rounds, mut since) = (f64::NAN, begin);
    while since.elapsed() < QUIET_FOR {
        ensure!(
            begin.elapsed() < QUIET_WITHIN,
            "the operator makes rounds without end; its log ends:\n{}",
            operator.log_tail()
        );
        let now = operator.rounds().await?;
        if now.to_bits() != rounds.to_bits() {
            (rounds, since) = (now, Instant::now());
        }
        sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

pub async fn wait_for_leader(operator: &Operator) -> anyhow::Result<()> {
    for _ in 0..300 {
        if operator.leads().await {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!(
        "the operator doesn't lead; its log ends:\n{}",
        operator.log_tail()
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn chains_that_are_spread_lie_in_as_many_locations_and_none_twice() {
        for (count, locations) in [(40, 1), (200, 20), (MOST, 20), (7, 3)] {
            let mut numbers = spread(count, locations);
            let mut each: BTreeMap<&str, usize> = BTreeMap::new();
            for number in &numbers {
                *each.entry(location(*number)).or_default() += 1;
            }
            assert_eq!(each.len(), locations);
            let (least, most) = (each.values().min(), each.values().max());
            assert!(most.unwrap() - least.unwrap() <= 1, "{each:?}");
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), count);
        }
    }
}
