//! Cloud Tasks is away, or has had enough; the API server is away.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use testkit::{ApiServer, Emulator, Proxy, Receiver, Way, eventually};

use crate::testbed::{ORDERS, Queues, RATE, SOON, Testbed, is_same, says};

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
async fn troubles(testbed: &Testbed) -> BTreeMap<u32, String> {
    let mut troubles = BTreeMap::new();
    for chain in 0..CHAINS {
        let found = testbed
            .chains()
            .get(&format!("chain-{chain}"))
            .await
            .unwrap();
        let status = found.status.unwrap_or_default();
        let is_current = status.observed_generation == found.metadata.generation;
        if !is_current || !says(&status, "Ready=True") {
            let mut conditions = status.conditions.into_iter();
            let ready = conditions.find(|condition| condition.type_ == "Ready");
            troubles.insert(chain, ready.map(|it| it.reason).unwrap_or_default());
        }
    }
    troubles
}

async fn all_become_ready(testbed: &Testbed) {
    eventually("chains that are all ready", 2 * SOON, async || {
        testbed.pods_are_ready().await;
        let troubles = troubles(testbed).await;
        (troubles.is_empty(), troubles)
    })
    .await;
}

#[tokio::test]
async fn an_outage_costs_few_calls_and_recovers_automatically() {
    let emulator = Emulator::start().await;
    let way = Proxy::start(emulator.addr()).await;
    let args = ["--queue-poll-interval", "500ms"];
    let testbed = Testbed::at("outage", way.addr(), &args).await;
    testbed.apply(&manifests(300)).await;
    all_become_ready(&testbed).await;

    way.turn(Way::Closed);
    let began = Instant::now();
    let (before, failed) = (testbed.calls("").await, testbed.calls("failed").await);
    testbed.apply(&manifests(200)).await;
    eventually("an outage", 2 * SOON, async || {
        let seen = testbed.calls("failed").await - failed;
        (seen >= FAILED_LISTS, seen)
    })
    .await;
    eventually("chains that all say so", SOON, async || {
        let troubles = troubles(&testbed).await;
        let is_told = |reason: &String| reason == "CloudTasksAway";
        let all = troubles.len() == 20 && troubles.values().all(is_told);
        (all, troubles)
    })
    .await;
    let made = testbed.calls("").await - before;
    let lists = u64::try_from(began.elapsed().as_millis() / PERIOD.as_millis()).unwrap();
    eprintln!("{made} calls in {:?}", began.elapsed());
    // Of the chains only those ask that came before it was known: together, and not again.
    assert!(made <= lists + 10, "{made} calls, for {lists} lists");

    way.turn(Way::Open);
    all_become_ready(&testbed).await;
    let queues = Queues::of(&emulator).await;
    for chain in 0..CHAINS {
        let found = queues.get(&format!("queue-{chain}")).await;
        let rate = found.max_dispatches_per_second;
        assert!(is_same(rate, 200.0), "{chain}: {rate}");
    }
}

#[tokio::test]
async fn an_exhausted_quota_lowers_the_rate_of_calls() {
    let cloud = Receiver::refusing(8, "Quota exceeded for queue management");
    let testbed = Testbed::at("quota", cloud.addr(), &[]).await;
    testbed.apply(ORDERS).await;
    testbed.not_ready("orders", "QuotaExceeded").await;
    let rate = testbed.calls_per_second().await;
    assert!(rate < 50.0, "{rate}");
}

#[tokio::test]
async fn watch_failures_are_counted_and_an_edit_is_seen_when_the_api_server_returns() {
    let emulator = Emulator::start().await;
    let server = ApiServer::shared_with_crd().await;
    let way = Proxy::start(server.addr()).await;
    let kubeconfig = server.kubeconfig_through(&way);
    let namespace = server.namespace("deaf").await;
    let alone = ["--leader-election", "false"];
    let testbed = Testbed::of(server, namespace, &kubeconfig, emulator.addr(), &alone).await;
    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    assert_eq!(testbed.watch_failures().await, 0);

    way.turn(Way::Closed);
    testbed
        .apply_with(RATE, "maxDispatchesPerSecond: 300")
        .await;
    eventually("watches that fail", SOON, async || {
        testbed.watch_failures().await > 0
    })
    .await;
    way.turn(Way::Open);
    testbed.settle("orders").await;
    let found = Queues::of(&emulator).await.get("incoming").await;
    assert!(is_same(found.max_dispatches_per_second, 300.0));
}

#[tokio::test]
async fn chains_created_together_share_a_notifiers_queue_without_a_failure() {
    let emulator = Emulator::start().await;
    let way = Proxy::start(emulator.addr()).await;
    let testbed = Testbed::at("together", way.addr(), &[]).await;
    // They wait for the first list, and find that nothing is there.
    way.turn(Way::Silent);
    testbed.apply(&manifests(300)).await;
    way.turn(Way::Open);
    all_become_ready(&testbed).await;
    let metrics = testbed.metrics().await;
    // A chain whose queue another chain has created continues without a failure.
    let tried_again = "executor_operator_reconciles_total{reason=\"Progressing\"}";
    assert_eq!(metrics.get(tried_again), None, "{metrics:?}");
    Queues::of(&emulator).await.get("shared-notifier").await;
}
