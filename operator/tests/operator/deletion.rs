//! A chain is deleted, and keeps its tasks.

use std::time::Duration;

use cloudtasks::{HttpTarget, QueueSettings, QueueState};
use jiff::Timestamp;
use kube::ResourceExt;
use plan::model::queue_headers::OWNER_HEADER;
use plan::objects::names::FINALIZER;
use testkit::{
    ApiServer, CallProxy, Emulator, GarbageCollector, Proxy, Receiver, Way, eventually, free_addr,
};

use crate::phases::put_task;
use crate::testbed::{ORDERS, Queues, SOON, Testbed, lax_crd, queue, served, with_emulator};

const PATIENCE: &[&str] = &["--deletion-patience", "3s"];

async fn delete(testbed: &Testbed) {
    testbed.delete("orders").await;
    let none = async || testbed.list_deployments().await.is_empty();
    eventually("no deployment", SOON, none).await;
}

pub async fn start_deletion(testbed: &Testbed) {
    let delete = ["delete", "chain", "orders", "--wait=false"];
    testbed.kubectl(&delete).await.expect_ok();
}

#[tokio::test]
async fn retain_pauses_the_stage_queues_and_deletes_the_workers() {
    let (testbed, _emulator, queues) = served("retain", &[], ORDERS).await;
    delete(&testbed).await;
    for stage in ["incoming", "incoming-2", "incoming-3"] {
        let found = queues.get(stage).await;
        assert_eq!(found.state, QueueState::Paused, "{stage}");
    }
    // Clients still wait for what is in it.
    let notifier = queues.get("orders-notifier").await;
    assert_eq!(notifier.state, QueueState::Running);

    // Applied again it carries on: it knows its own pauses.
    testbed.apply(ORDERS).await;
    let paused = testbed.says("orders", "Paused=True").await.paused;
    assert_eq!(paused.as_deref(), Some("incoming, incoming-2, incoming-3"));
    // Nothing is pushed before a worker is ready.
    testbed.settle("orders").await;
    for stage in ["incoming", "incoming-2", "incoming-3"] {
        let found = queues.get(stage).await;
        assert_eq!(found.state, QueueState::Running, "{stage}");
    }
}

#[tokio::test]
async fn a_manual_pause_stays_when_the_chain_is_deleted_and_applied_again() {
    let (testbed, _emulator, queues) = served("by-hand", &[], ORDERS).await;
    queues.pause_queue(&queue("incoming-2")).await.unwrap();
    delete(&testbed).await;
    testbed.apply(ORDERS).await;
    let status = testbed.settle("orders").await;
    assert_eq!(status.paused.as_deref(), Some("incoming-2"));
    assert_eq!(queues.get("incoming-2").await.state, QueueState::Paused);
}

#[tokio::test]
async fn a_chain_that_could_never_be_served_can_be_deleted() {
    let (testbed, _emulator, _queues) = with_emulator("never").await;
    testbed.apply_with("  project: demo\n", "").await;
    testbed.not_ready("orders", "InvalidSpec").await;
    delete(&testbed).await;
}

#[tokio::test]
async fn a_chain_deleted_during_an_outage_of_cloud_tasks_waits_until_its_patience_ends() {
    let (testbed, emulator, _queues) = served("away-at-the-end", PATIENCE, ORDERS).await;
    drop(emulator);
    start_deletion(&testbed).await;
    let sentence = testbed.not_ready("orders", "CloudTasksAway").await;
    assert!(sentence.contains("could not be carried out"), "{sentence}");
    testbed.gone("orders").await;
    assert_eq!(testbed.list_deployments().await.len(), 0);
}

#[tokio::test]
async fn a_deletion_does_not_give_up_after_one_failure_however_long_ago_it_began() {
    let emulator = Emulator::start().await;
    let way = Proxy::start(emulator.addr()).await;
    let patience = Duration::from_secs(8);
    let args = ["--deletion-patience", &format!("{}s", patience.as_secs())];
    let mut testbed = Testbed::at("one-failure", way.addr(), &args).await;
    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    // No operator runs for longer than its patience.
    testbed.operator.kill9();
    start_deletion(&testbed).await;
    let chain = testbed.chains().get("orders").await.unwrap();
    let deleted = chain.metadata.deletion_timestamp.unwrap().0;
    let is_long_ago = async || Timestamp::now() > deleted + patience;
    eventually("a deletion that is long ago", SOON, is_long_ago).await;

    let refuses = Receiver::refusing(4, "Deadline Exceeded");
    way.turn(Way::Elsewhere(refuses.addr()));
    testbed.restart().await;
    let sentence = testbed.not_ready("orders", "CloudTasksAway").await;
    assert!(sentence.contains("could not be carried out"), "{sentence}");
    way.turn(Way::Open);
    testbed.gone("orders").await;
    let queues = Queues::of(&emulator).await;
    for stage in ["incoming", "incoming-2", "incoming-3"] {
        assert_eq!(queues.get(stage).await.state, QueueState::Paused, "{stage}");
    }
}

#[tokio::test]
async fn a_chain_that_cannot_be_served_and_has_no_workers_left_pauses_its_queues() {
    let emulator = Emulator::start().await;
    let testbed = Testbed::on_a_server_of_its_own(Some(&lax_crd()), &emulator).await;
    let queues = Queues::of(&emulator).await;
    for (from, to, reason) in [
        // Passes the schema, and can't be served.
        ("https://api.", "https://{env}.", "InvalidSpec"),
        // Can't even be parsed.
        ("  project", "  drainDelay: a while\n  project", ""),
    ] {
        testbed.apply(ORDERS).await;
        testbed.settle("orders").await;
        assert_eq!(queues.get("incoming").await.state, QueueState::Running);
        testbed.apply_with(from, to).await;
        if reason.is_empty() {
            let sentence = testbed.not_readable("orders").await;
            assert!(sentence.contains("can't be parsed"), "{sentence}");
        } else {
            testbed.not_ready("orders", reason).await;
        }
        let workers = ["delete", "deployments,services", "--all"];
        testbed.kubectl(&workers).await.expect_ok();
        testbed.delete("orders").await;
        for stage in ["incoming", "incoming-2", "incoming-3"] {
            let found = queues.get(stage).await;
            assert_eq!(found.state, QueueState::Paused, "{stage}, {to}");
        }
    }
}

#[tokio::test]
async fn a_deleted_chain_waits_while_it_is_unknown_whether_it_has_routes() {
    let server: &ApiServer = Box::leak(Box::new(ApiServer::start().await));
    server.install_crd(crds::CRD_YAML).await;
    // As an extension API server is that is down: its group can't be discovered.
    let away = "
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.gateway.networking.k8s.io}
spec:
  group: gateway.networking.k8s.io
  version: v1
  groupPriorityMinimum: 100
  versionPriority: 1
  insecureSkipTLSVerify: true
  service: {namespace: default, name: nobody}
";
    let apply = ["apply", "-f", "-"];
    server.kubectl_with_input(&apply, away).await.expect_ok();
    let undiscovered = async || {
        let group = ["get", "--raw", "/apis/gateway.networking.k8s.io/v1"];
        let found = server.kubectl(&group).await;
        (found.stderr.contains("unable to handle"), found.stderr)
    };
    eventually("a group that is away", SOON, undiscovered).await;
    let emulator = Emulator::start().await;
    let namespace = server.namespace("routes").await;
    let args = ["--leader-election", "false"];
    let config = server.kubeconfig();
    let testbed = Testbed::of(server, namespace, config, emulator.addr(), &args).await;
    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    start_deletion(&testbed).await;
    let sentence = testbed.not_ready("orders", "KubernetesError").await;
    assert!(sentence.contains("gateway.networking.k8s.io"), "{sentence}");
    assert_eq!(testbed.list_deployments().await.len(), 3);

    let back = ["delete", "apiservice", "v1.gateway.networking.k8s.io"];
    server.kubectl(&back).await.expect_ok();
    testbed.gone("orders").await;
}

/// As `kubectl delete --cascade=foreground` and tools that apply from Git ask for it.
#[tokio::test]
async fn a_deletion_in_the_foreground_leaves_the_workers_to_the_policy() {
    let server: &ApiServer = Box::leak(Box::new(ApiServer::start().await));
    server.install_crd(crds::CRD_YAML).await;
    let collector = GarbageCollector::start(server);
    let emulator = Emulator::start().await;
    let queues = Queues::of(&emulator).await;
    let namespace = server.namespace("foreground").await;
    let args = ["--leader-election=false", "--hand-over-time=1s"];
    let config = server.kubeconfig();
    let testbed = Testbed::of(server, namespace, config, emulator.addr(), &args).await;
    let in_foreground = [
        "delete",
        "chain",
        "orders",
        "--cascade=foreground",
        "--wait=false",
    ];
    // The collector has done its part when only the operator's finalizer is left.
    let collected = async || {
        let chain = testbed.chains().get("orders").await.unwrap();
        let left = chain.metadata.finalizers.unwrap_or_default();
        (left == [FINALIZER], (left, collector.log_tail()))
    };
    for policy in ["Retain", "Drain", "Orphan"] {
        testbed.apply(&with_policy(policy)).await;
        testbed.settle("orders").await;
        let live = async || {
            let all = testbed.list_deployments().await.into_iter();
            let live = all.filter(|it| it.metadata.deletion_timestamp.is_none());
            live.filter_map(|it| it.uid()).collect::<Vec<_>>()
        };
        let before = live().await;
        // Nobody but the collector acts.
        testbed.operator.signal("STOP");
        testbed.kubectl(&in_foreground).await.expect_ok();
        eventually("a collector that is done", SOON, collected).await;
        assert_eq!(before, live().await, "{policy}");
        testbed.operator.signal("CONT");
        testbed.gone("orders").await;
        let left = testbed.list_deployments().await.len();
        let state = queues.get("incoming").await.state;
        let wanted = match policy {
            "Orphan" => (3, QueueState::Running),
            _ => (0, QueueState::Paused),
        };
        assert_eq!((left, state), wanted, "{policy}");
    }
    testbed.operator.kill9();
}

pub fn with_policy(policy: &str) -> String {
    let spec = format!("  project: demo\n  deletionPolicy: {policy}\n");
    ORDERS.replace("  project: demo\n", &spec)
}

#[tokio::test]
async fn delete_deletes_the_stage_queues_and_keeps_the_notifiers_queue() {
    let (testbed, _emulator, queues) = served("delete", &[], &with_policy("Delete")).await;
    delete(&testbed).await;
    let left = queues.all().await;
    let left: Vec<&str> = left.iter().map(|queue| queue.path.id.as_str()).collect();
    assert_eq!(left, ["orders-notifier"]);
}

#[tokio::test]
async fn orphan_keeps_everything_for_a_chain_that_is_applied_again() {
    let (testbed, _emulator, queues) = served("orphan", &[], &with_policy("Orphan")).await;
    testbed.delete("orders").await;
    let found = queues.get("incoming").await;
    assert_eq!(found.state, QueueState::Running);
    let owners = async || {
        let left = testbed.list_deployments().await;
        let owners = left.iter().map(|object| {
            let owners = object.owner_references().iter();
            owners.filter(|owner| owner.kind == "ExecutorChain").count()
        });
        owners.collect::<Vec<_>>()
    };
    let left = owners().await;
    assert_eq!(left, [0, 0, 0], "or they would be collected with the chain");

    testbed.apply(ORDERS).await;
    let again = async || owners().await.iter().sum::<usize>() == 3;
    eventually("owners again", SOON, again).await;
    testbed.settle("orders").await;
}

#[tokio::test]
async fn a_draining_chain_is_deleted_when_cloud_tasks_stays_unavailable_for_its_patience() {
    let (testbed, emulator, _queues) = served("drain-away", PATIENCE, &with_policy("Drain")).await;
    drop(emulator);
    delete(&testbed).await;
}

#[tokio::test]
async fn a_draining_chain_whose_queues_can_be_read_but_not_paused_is_deleted_after_its_patience() {
    let emulator = Emulator::start().await;
    let way = CallProxy::start(emulator.addr()).await;
    let args = [PATIENCE, &["--hand-over-time=1s"]].concat();
    let testbed = Testbed::at("unpausable", way.addr(), &args).await;
    testbed.apply(&with_policy("Drain")).await;
    testbed.settle("orders").await;
    let refuses = Receiver::refusing(7, "The principal lacks cloudtasks.queues.pause");
    way.send_elsewhere(&["UpdateQueue", "PauseQueue"], refuses.addr());
    start_deletion(&testbed).await;
    testbed.gone("orders").await;
    assert_eq!(testbed.list_deployments().await.len(), 0);
}

#[tokio::test]
async fn a_draining_chain_in_a_terminating_namespace_is_deleted_and_keeps_its_tasks() {
    let (testbed, _emulator, queues) = served("drain-ends", &[], &with_policy("Drain")).await;
    put_task(&queues, "incoming-2").await;
    // There is no namespace controller here: what it would do next is done by hand.
    let namespace = testbed.namespace.clone();
    let ends = ["delete", "namespace", &namespace, "--wait=false"];
    testbed.kubectl(&ends).await.expect_ok();
    start_deletion(&testbed).await;
    let workers = ["delete", "deployments,services", "--all"];
    testbed.kubectl(&workers).await.expect_ok();
    testbed.gone("orders").await;
    let kept = queues.get("incoming-2").await;
    assert_eq!(kept.state, QueueState::Paused);
}

#[tokio::test]
async fn a_draining_chain_that_can_no_longer_be_served_is_deleted_and_keeps_its_tasks() {
    let (testbed, _emulator, queues) =
        served("drain-refused", PATIENCE, &with_policy("Drain")).await;
    put_task(&queues, "incoming-2").await;
    let mut target = HttpTarget::default();
    let owner = (OWNER_HEADER.to_owned(), "test/shop/other".to_owned());
    target.headers.extend([owner]);
    let others = QueueSettings {
        http_target: Some(target),
        ..QueueSettings::default()
    };
    let theirs = queue("theirs");
    queues.create_queue(&theirs, &others).await.unwrap();
    let more = "  - {name: last, queue: theirs, maxAttempts: 1}\n";
    testbed.apply(&(with_policy("Drain") + more)).await;
    testbed.not_ready("orders", "QueueOwnedByAnother").await;
    delete(&testbed).await;
    let kept = queues.get("incoming-2").await;
    assert_eq!(kept.state, QueueState::Paused);
}

#[tokio::test]
async fn an_operator_that_never_reached_cloud_tasks_reports_it_and_deletes_chains() {
    let testbed = Testbed::at("nowhere", free_addr(), PATIENCE).await;
    testbed.apply(ORDERS).await;
    testbed.not_ready("orders", "CloudTasksAway").await;
    delete(&testbed).await;
}

#[tokio::test]
async fn every_policy_deletes_the_chain_when_its_project_or_the_permission_is_gone() {
    let refusals = [
        (5, "The requested project was not found"),
        (7, "The principal lacks cloudtasks.queues.list"),
    ];
    for (code, words) in refusals {
        let emulator = Emulator::start().await;
        let way = Proxy::start(emulator.addr()).await;
        let testbed = Testbed::at("no-way", way.addr(), PATIENCE).await;
        let policies = ["Retain", "Drain", "Delete", "Orphan"];
        let chain = |policy: &str| policy.to_lowercase();
        for policy in policies {
            let name = format!("name: {}}}", chain(policy));
            let queue = format!("queue: {}", chain(policy));
            let manifest = with_policy(policy)
                .replace("name: orders}", &name)
                .replace("queue: incoming", &queue);
            testbed.apply(&manifest).await;
        }
        for policy in policies {
            testbed.settle(&chain(policy)).await;
        }
        let queues = Queues::of(&emulator).await;
        let before = queues.all().await.len();

        let refuses = Receiver::refusing(code, words);
        way.turn(Way::Elsewhere(refuses.addr()));
        let all = ["delete", "chain", "--all", "--wait=false"];
        testbed.kubectl(&all).await.expect_ok();
        for policy in policies {
            testbed.gone(&chain(policy)).await;
        }
        let after = queues.all().await.len();
        assert_eq!(before, after, "{words}: no queue goes without a word");
    }
}
