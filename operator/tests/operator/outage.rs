//! Cloud Tasks is away, or has had enough; the API server is away.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use testkit::{ApiServer, Emulator, Proxy, Way, eventually};

use crate::place::{ORDERS, Place, SOON, condition, is_true, queue};
use crate::refusals::refusing;

const CHAINS: u32 = 20;
const PERIOD: Duration = Duration::from_millis(500);
/// So many lists fail before it comes back: some 15 s.
const FAILED_LISTS: u64 = 30;

fn manifests(rate: u32) -> String {
    let manifest = |chain| {
        format!(
            "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {{name: chain-{chain}}}
spec:
  project: demo
  location: europe-west1
  notifier: {{queue: shared-notifier, url: 'https://api.example.com/task-events'}}
  template: {{spec: {{containers: [{{name: handler, image: 'shop:1'}}]}}}}
  stages:
  - {{name: only, queue: queue-{chain}, maxAttempts: 1, rateLimits: {{maxDispatchesPerSecond: {rate}}}}}
---"
        )
    };
    (0..CHAINS).map(manifest).collect()
}

/// Why each chain is not ready; those that are, are left out.
async fn troubles(place: &Place) -> BTreeMap<u32, String> {
    let mut troubles = BTreeMap::new();
    for chain in 0..CHAINS {
        let found = place.chains().get(&format!("chain-{chain}")).await.unwrap();
        let status = found.status.unwrap_or_default();
        let is_current = status.observed_generation == found.metadata.generation;
        if !is_current || !is_true(&status, "Ready") {
            let told = condition(&status, "Ready").map(|(_, reason, _)| reason);
            troubles.insert(chain, told.unwrap_or_default());
        }
    }
    troubles
}

async fn all_become_ready(place: &Place) {
    eventually("chains that are all ready", 2 * SOON, async || {
        place.pods_are_ready().await;
        let troubles = troubles(place).await;
        troubles.is_empty().then_some(()).ok_or(troubles)
    })
    .await;
}

#[tokio::test]
async fn an_outage_costs_few_calls_and_recovers_automatically() {
    let emulator = Emulator::start().await;
    let way = Proxy::start(emulator.addr()).await;
    let args = ["--queue-poll-interval", "500ms"];
    let place = Place::at("outage", &way.addr().to_string(), &args).await;
    place.apply(&manifests(300)).await;
    all_become_ready(&place).await;

    way.turn(Way::Closed);
    let began = Instant::now();
    let (before, failed) = (place.calls("").await, place.calls("failed").await);
    place.apply(&manifests(200)).await;
    eventually("an outage", 2 * SOON, async || {
        let seen = place.calls("failed").await - failed;
        (seen >= FAILED_LISTS).then_some(()).ok_or(seen)
    })
    .await;
    eventually("chains that all say so", SOON, async || {
        let troubles = troubles(&place).await;
        let is_told = |reason: &String| reason == "CloudTasksAway";
        let all = troubles.len() == 20 && troubles.values().all(is_told);
        all.then_some(()).ok_or(troubles)
    })
    .await;
    let made = place.calls("").await - before;
    let lists = u64::try_from(began.elapsed().as_millis() / PERIOD.as_millis()).unwrap();
    eprintln!("{made} calls in {:?}", began.elapsed());
    // Of the chains only those ask that came before it was known: together, and not again.
    assert!(made <= lists + 10, "{made} calls, for {lists} lists");

    way.turn(Way::Open);
    all_become_ready(&place).await;
    let queues = emulator.cloud_tasks().await;
    for chain in 0..CHAINS {
        let found = queues.get_queue(&queue(&format!("queue-{chain}"))).await;
        let rate = found.unwrap().max_dispatches_per_second;
        assert!((rate - 200.0).abs() < f64::EPSILON, "{chain}: {rate}");
    }
}

#[tokio::test]
async fn an_exhausted_quota_lowers_the_rate_of_calls() {
    let cloud = refusing(8, "Quota exceeded for queue management");
    let place = Place::at("quota", &cloud.addr().to_string(), &[]).await;
    place.apply(ORDERS).await;
    place.not_ready("orders", "QuotaExceeded").await;
    let rate = place.calls_per_second().await;
    assert!(rate < 50.0, "{rate}");
}

#[tokio::test]
async fn watch_failures_are_counted_and_an_edit_is_seen_when_the_api_server_returns() {
    let emulator = Emulator::start().await;
    let server = ApiServer::shared_with_crd().await;
    let way = Proxy::start(server.addr()).await;
    let kubeconfig = server.kubeconfig_through(&way);
    let namespace = server.namespace("deaf").await;
    let cloud_tasks = emulator.addr().to_string();
    let alone = ["--leader-election", "false"];
    let place = Place::of(server, namespace, &kubeconfig, &cloud_tasks, &alone).await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    assert_eq!(place.watch_failures().await, 0);

    way.turn(Way::Closed);
    place
        .apply(&ORDERS.replace("maxDispatchesPerSecond: 400", "maxDispatchesPerSecond: 300"))
        .await;
    eventually("watches that fail", SOON, async || {
        (place.watch_failures().await > 0).then_some(())
    })
    .await;
    way.turn(Way::Open);
    place.settle("orders").await;
    let found = emulator.cloud_tasks().await;
    let found = found.get_queue(&queue("incoming")).await.unwrap();
    assert!((found.max_dispatches_per_second - 300.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn chains_created_together_share_a_notifiers_queue_without_a_failure() {
    let emulator = Emulator::start().await;
    let way = Proxy::start(emulator.addr()).await;
    let place = Place::at("together", &way.addr().to_string(), &[]).await;
    // They wait for the first list, and find that nothing is there.
    way.turn(Way::Silent);
    place.apply(&manifests(300)).await;
    way.turn(Way::Open);
    all_become_ready(&place).await;
    let metrics = place.metrics().await;
    // A chain whose queue another chain has created continues without a failure.
    let tried_again = "executor_operator_reconciles_total{reason=\"Progressing\"}";
    assert_eq!(metrics.get(tried_again), None, "{metrics:?}");
    let queues = emulator.cloud_tasks().await;
    let path = queue("shared-notifier");
    assert_eq!(queues.get_queue(&path).await.unwrap().path, path);
}
