//! Several operators, of which one leads: the leader is killed, told to stop, cut off, or stopped,
//! and another goes on.

use std::path::Path;
use std::time::Instant;

use cloudtasks::QueueSettings;
use serde_json::json;
use testkit::{ApiServer, Emulator, Proxy, Way, eventually};

use crate::testbed::{ORDERS, Queues, RATE, SOON, Testbed, is_same};

/// Two operators of one namespace, the first of which leads and has served the orders.
struct Two {
    first: Testbed,
    second: Testbed,
    queues: Queues,
    emulator: Emulator,
}

impl Two {
    async fn start(prefix: &str) -> Self {
        Self::with(prefix, ApiServer::shared_with_crd().await.kubeconfig()).await
    }

    /// The first one's way to the API server is that of `kubeconfig`.
    async fn with(prefix: &str, kubeconfig: &Path) -> Self {
        let emulator = Emulator::start().await;
        let cloud_tasks = emulator.addr();
        let first = Testbed::with_a_candidate(prefix, kubeconfig, cloud_tasks).await;
        first.leads(true).await;
        let second = first.beside(first.server.kubeconfig(), cloud_tasks).await;
        first.apply(ORDERS).await;
        first.settle("orders").await;
        // It has found all that it needs, and could take over.
        eventually("a standby that is ready", SOON, async || {
            second.http_status("/readyz").await == "200"
        })
        .await;
        second.leads(false).await;
        assert_eq!(second.http_status("/healthz").await, "200");
        assert_eq!(second.writes("").await, 0);
        assert_eq!(second.lists().await, 0, "a standby lists nothing");
        Self {
            queues: Queues::of(&emulator).await,
            first,
            second,
            emulator,
        }
    }

    async fn rate_becomes(&self, rate: f64) {
        eventually("the rate of the spec", SOON, async || {
            let found = self.queues.get("incoming").await.max_dispatches_per_second;
            let log = self.second.operator.log_tail();
            (is_same(found, rate), format!("{found}\n{log}"))
        })
        .await;
    }

    async fn edit(&self, rate: u32) {
        let rate = format!("maxDispatchesPerSecond: {rate}");
        self.first.apply_with(RATE, &rate).await;
    }

    /// Sets a rate on the queue outside the operator.
    async fn by_hand(&self) {
        let settings = QueueSettings {
            max_dispatches_per_second: Some(7.0),
            ..QueueSettings::default()
        };
        self.queues.update("incoming", &settings).await;
    }
}

/// Waits until it reports the live numbers of queues: that an emulator has none. Only the leader does.
async fn reports_queues(testbed: &Testbed, reports: bool) {
    eventually("metrics of queues", SOON, async || {
        let text = testbed.metrics_text().await;
        (text.contains("queue_stats_unknown{") == reports, text)
    })
    .await;
}

#[tokio::test]
async fn a_killed_leader_is_replaced() {
    let two = Two::start("killed").await;
    // A standby has no numbers, and says who has.
    let path = format!("/api/v1/chains/{}/orders", two.first.namespace);
    let parked = format!("/api/v1/parked/{}/orders", two.first.namespace);
    for (path, of_leader) in [("/api/v1/chains", 200), (&path, 200), (&parked, 404)] {
        let leader = json!({"leader": two.first.pod});
        assert_eq!(two.second.api(path).await, (503, leader), "{path}");
        assert_eq!(two.first.api(path).await.0, of_leader, "{path}");
    }
    two.first.operator.kill9();
    let killed = Instant::now();
    two.edit(300).await;
    two.rate_becomes(300.0).await;
    eprintln!(
        "in force {:?} after the leader was killed",
        killed.elapsed()
    );
    two.second.leads(true).await;
    assert_eq!(two.second.api(&path).await.0, 200);
}

#[tokio::test]
async fn a_leader_that_gets_sigterm_is_replaced_at_once() {
    let two = Two::start("told").await;
    two.first.operator.terminate();
    let told = Instant::now();
    assert_eq!(two.first.operator.exit(SOON).await, 0);
    two.edit(300).await;
    two.rate_becomes(300.0).await;
    eprintln!("in force {:?} after the leader was told", told.elapsed());
}

#[tokio::test]
async fn a_leader_cut_off_from_the_api_server_leaves_the_queues_to_the_next_one() {
    let server = ApiServer::shared_with_crd().await;
    let way = Proxy::start(server.addr()).await;
    let two = Two::with("cut", &server.kubeconfig_through(&way)).await;
    reports_queues(&two.first, true).await;
    reports_queues(&two.second, false).await;
    way.turn(Way::Silent);
    two.second.leads(true).await;
    // It knows by itself, since nobody can tell it.
    two.first.leads(false).await;
    reports_queues(&two.first, false).await;
    reports_queues(&two.second, true).await;
    // Who leads it can't know: after the end of the Lease it names nobody.
    let nobody = (503, json!({"leader": null}));
    eventually("no leader", SOON, async || {
        let said = two.first.api("/api/v1/chains").await;
        (said == nobody, said)
    })
    .await;
    let before = two.first.writes("").await;
    let lists = two.first.lists().await;
    // Both live, and both reach Cloud Tasks.
    two.by_hand().await;
    two.rate_becomes(400.0).await;
    two.edit(300).await;
    two.rate_becomes(300.0).await;
    two.second.lists_pass(3).await;
    assert!(two.second.writes("update_queue").await >= 2);
    assert_eq!(two.first.writes("").await, before);
    assert!(two.first.lists().await <= lists + 1, "one was under way");

    way.turn(Way::Open);
    two.edit(200).await;
    two.rate_becomes(200.0).await;
    two.first.leads(false).await;
    assert_eq!(two.first.writes("").await, before);
    // The same process, and it can lead again.
    two.second.operator.kill9();
    two.first.leads(true).await;
    two.edit(100).await;
    two.rate_becomes(100.0).await;
}

#[tokio::test]
async fn a_leader_that_was_stopped_writes_nothing_when_it_continues() {
    let two = Two::start("stopped").await;
    let before = two.first.writes("").await;
    two.first.operator.signal("STOP");
    // The first thing that it will see of the queues, if it looks.
    two.edit(300).await;
    two.second.leads(true).await;
    two.rate_becomes(300.0).await;
    two.by_hand().await;
    two.first.operator.signal("CONT");
    two.first.leads(false).await;
    two.rate_becomes(300.0).await;
    two.second.lists_pass(3).await;
    assert_eq!(two.first.writes("").await, before);
    assert_eq!(two.first.operator.exit_code(), None);
    let _emulator = &two.emulator;
}

#[tokio::test]
async fn a_leader_serves_chains_again_after_an_outage_of_the_api_server() {
    let server = ApiServer::shared_with_crd().await;
    let way = Proxy::start(server.addr()).await;
    let emulator = Emulator::start().await;
    let kubeconfig = server.kubeconfig_through(&way);
    let alone = Testbed::with_a_candidate("alone", &kubeconfig, emulator.addr()).await;
    alone.apply(ORDERS).await;
    alone.settle("orders").await;
    way.turn(Way::Closed);
    alone.leads(false).await;
    way.turn(Way::Open);
    alone.leads(true).await;
    alone.apply_with(RATE, "maxDispatchesPerSecond: 300").await;
    let queues = Queues::of(&emulator).await;
    queues.has_rate("incoming", 300.0).await;
    assert_eq!(alone.operator.exit_code(), None);
}
