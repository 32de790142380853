//! Redrives and discards: a mover for one at a time, its progress as the status, and an end that says how.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use parking::{RedriveOrder, RedrivePhase, RedriveProgress};
use plan::objects::mover::redrive_of;
use plan::objects::worker_env::variable;
use serde_json::{Value, json};
use testkit::server::serve_on;
use testkit::{CRD, Emulator, eventually};

use crate::testbed::{ORDERS, Queues, SOON, Testbed, served};

const REDRIVE: &str = "chainredrive";
const DISCARD: &str = "chaindiscard";

fn parking() -> String {
    ORDERS.replacen("spec:\n", "spec:\n  parking: {queue: orders-parked}\n", 1)
}

async fn parked(prefix: &str) -> (Testbed, Emulator, Queues) {
    served(prefix, &[], &parking()).await
}

async fn create(testbed: &Testbed, kind: &str, name: &str, fields: &Value) {
    let mut spec = json!({
        "chain": "orders", "all": true, "reason": "INC-42 is fixed", "by": "alice@example.com",
    });
    if kind == REDRIVE {
        spec["to"] = json!("fast");
        spec["rate"] = json!(20);
    }
    let fields = fields.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(fields);
    let kind = if kind == REDRIVE {
        "ChainRedrive"
    } else {
        "ChainDiscard"
    };
    let object = json!({
        "apiVersion": "executor-chain.dev/v1alpha1", "kind": kind,
        "metadata": {"name": name}, "spec": spec,
    });
    testbed.apply(&object.to_string()).await;
}

async fn patch(testbed: &Testbed, kind: &str, name: &str, spec: &Value) {
    let patch = json!({"spec": spec}).to_string();
    let patch = ["patch", kind, name, "--type=merge", "-p", &patch];
    testbed.kubectl(&patch).await.expect_ok();
}

async fn stop(testbed: &Testbed, kind: &str, name: &str) {
    let stop = json!({"stopped": true, "stoppedBy": "bob@example.com"});
    patch(testbed, kind, name, &stop).await;
}

async fn status(testbed: &Testbed, kind: &str, name: &str) -> Value {
    let get = ["get", kind, name, "-o", "jsonpath={.status}"];
    let said = testbed.kubectl(&get).await.stdout;
    serde_json::from_str(&said).unwrap_or_default()
}

/// Waits until it has this condition, such as `True Done`, and returns its status.
async fn says(testbed: &Testbed, kind: &str, name: &str, wanted: &str) -> Value {
    eventually(wanted, SOON, async || {
        let status = status(testbed, kind, name).await;
        let condition = &status["conditions"][0];
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        let said = format!("{} {}", text("status"), text("reason"));
        if said == wanted {
            Ok(status)
        } else {
            Err(format!("{status}\n{}", testbed.operator.log_tail()))
        }
    })
    .await
}

fn message(status: &Value) -> &str {
    status["conditions"][0]["message"]
        .as_str()
        .unwrap_or_default()
}

/// The UID of an object.
async fn uid(testbed: &Testbed, kind: &str, name: &str) -> String {
    let get = ["get", kind, name, "-o", "jsonpath={.metadata.uid}"];
    testbed.kubectl(&get).await.expect_ok()
}

/// Waits for the mover's Deployment.
async fn mover(testbed: &Testbed, what: &str, is: impl Fn(&Deployment) -> bool) -> Deployment {
    eventually(what, SOON, async || {
        let found = testbed.deployments().get_opt("orders-redrive").await;
        match found.unwrap().filter(&is) {
            Some(found) => Ok(found),
            None => Err(testbed.operator.log_tail()),
        }
    })
    .await
}

async fn no_mover(testbed: &Testbed) {
    eventually("no mover", SOON, async || {
        let found = testbed.deployments().get_opt("orders-redrive").await;
        (found.unwrap().is_none(), testbed.operator.log_tail())
    })
    .await;
}

fn order(mover: &Deployment) -> RedriveOrder {
    serde_json::from_str(&variable(mover, "REDRIVE").unwrap()).unwrap()
}

/// What the mover's pod says, without a program.
struct FakeMover {
    page: Arc<Mutex<String>>,
    address: Ipv4Addr,
}

impl FakeMover {
    /// At an address of the loopback range that no other test has.
    async fn at(address: [u8; 4]) -> Self {
        let address = Ipv4Addr::from(address);
        let page = Arc::new(Mutex::new("{}".to_owned()));
        let said = Arc::clone(&page);
        let served = serve_on((address, 9481).into(), move |_| {
            let page = said.lock().unwrap().clone();
            async { Ok(Response::new(Full::new(Bytes::from(page)))) }
        });
        served.await.unwrap();
        Self { page, address }
    }

    fn says(&self, redrive: &str, phase: RedrivePhase, remaining: u64) {
        let progress = RedriveProgress {
            redrive: redrive.parse().unwrap(),
            phase,
            remaining: Some(remaining),
            at_least: false,
            moved: 0,
            skipped: 0,
            failed_again: 0,
            canary: None,
            problem: None,
        };
        *self.page.lock().unwrap() = serde_json::to_string(&progress).unwrap();
    }

    /// Its pod, as the controllers and a kubelet would make it.
    async fn runs(&self, testbed: &Testbed, mover: &Deployment) {
        let template = mover.spec.clone().unwrap().template;
        let mut pod = Pod {
            metadata: template.metadata.unwrap_or_default(),
            spec: template.spec,
            status: None,
        };
        pod.metadata.name = Some("orders-redrive-1".into());
        let pods = pods(testbed);
        pods.create(&PostParams::default(), &pod).await.unwrap();
        let status = json!({"status": {
            "phase": "Running", "podIP": self.address, "podIPs": [{"ip": self.address}],
        }});
        let parameters = PatchParams::default();
        let patch = Patch::Merge(status);
        let patched = pods.patch_status("orders-redrive-1", &parameters, &patch);
        patched.await.unwrap();
    }

    /// As when its Deployment has gone.
    async fn ends(testbed: &Testbed) {
        let now = DeleteParams {
            grace_period_seconds: Some(0),
            ..DeleteParams::default()
        };
        pods(testbed)
            .delete("orders-redrive-1", &now)
            .await
            .unwrap();
    }
}

fn pods(testbed: &Testbed) -> Api<Pod> {
    Api::namespaced(testbed.client.clone(), &testbed.namespace)
}

/// The Events of redrives and discards, in any order.
async fn events(testbed: &Testbed, wanted: &[&str]) {
    let reasons = r"jsonpath={range .items[*]}{.reason}{'\n'}{end}";
    eventually("Events", SOON, async || {
        let events = testbed.kubectl(&["get", "events", "-o", reasons]).await;
        let events = events.stdout;
        let own = |it: &&str| it.starts_with("Redrive") || it.starts_with("Discard");
        let mut events: Vec<String> = events.lines().filter(own).map(str::to_owned).collect();
        events.sort();
        (events == wanted, events)
    })
    .await;
}

#[tokio::test]
async fn what_a_mover_says_becomes_the_status_and_the_next_one_waits() {
    let (testbed, _emulator, _queues) = parked("redrive").await;
    create(&testbed, REDRIVE, "one", &json!({})).await;
    let found = mover(&testbed, "a mover", |_| true).await;
    let one = uid(&testbed, REDRIVE, "one").await;
    assert_eq!(redrive_of(&found), Some(&*one));
    let given = order(&found);
    assert_eq!(given.selection.redrive.as_str(), one);
    assert_eq!(given.parked.id.as_str(), "orders-parked");
    let message_of = message(&says(&testbed, REDRIVE, "one", "False Counting").await).to_owned();
    assert_eq!(message_of, "its mover starts");
    // No stage takes it for its own.
    let chain = testbed.says("orders", "Ready=True").await;
    assert_eq!(chain.stages.len(), 3);

    create(&testbed, DISCARD, "two", &json!({})).await;
    let waits = says(&testbed, DISCARD, "two", "False Waiting").await;
    assert_eq!(
        message(&waits),
        "redrive one by alice@example.com is older and runs first: wait, or stop one"
    );

    let fake = FakeMover::at([127, 23, 1, 1]).await;
    fake.says(&one, RedrivePhase::Moving, 380);
    fake.runs(&testbed, &found).await;
    let status = says(&testbed, REDRIVE, "one", "False Moving").await;
    assert_eq!(status["matched"], 380);
    fake.says(&one, RedrivePhase::Moving, 80);
    eventually("progress", SOON, async || {
        let status = self::status(&testbed, REDRIVE, "one").await;
        (status["moved"] == 300, status)
    })
    .await;

    // Another rate while it runs.
    patch(&testbed, REDRIVE, "one", &json!({"rate": 100})).await;
    mover(&testbed, "another rate", |it| {
        (order(it).rate - 100.0).abs() < 0.1
    })
    .await;

    fake.says(&one, RedrivePhase::Done, 0);
    let status = says(&testbed, REDRIVE, "one", "True Done").await;
    assert_eq!(
        (&status["matched"], &status["moved"]),
        (&json!(380), &json!(380))
    );
    assert!(status["finishedAt"].is_string());
    no_mover(&testbed).await;
    // Its pod is still there, and so the next one has none yet.
    let two = says(&testbed, DISCARD, "two", "False Counting").await;
    assert_eq!(
        message(&two),
        "the mover of the previous redrive or discard is stopping"
    );
    FakeMover::ends(&testbed).await;
    let two = uid(&testbed, DISCARD, "two").await;
    let found = mover(&testbed, "the next mover", |_| true).await;
    assert_eq!(redrive_of(&found), Some(&*two));
    stop(&testbed, DISCARD, "two").await;
    let status = says(&testbed, DISCARD, "two", "True Stopped").await;
    assert!(
        message(&status).starts_with("it was stopped by bob@example.com"),
        "{status}"
    );
    no_mover(&testbed).await;
    events(
        &testbed,
        &[
            "DiscardBegan",
            "DiscardStopped",
            "RedriveBegan",
            "RedriveFinished",
        ],
    )
    .await;
    // What is finished stays so.
    let status = says(&testbed, REDRIVE, "one", "True Done").await;
    assert_eq!(status["moved"], 380);
}

#[tokio::test]
async fn an_operator_that_dies_goes_on() {
    let (mut testbed, _emulator, _queues) = parked("redrive-dies").await;
    create(&testbed, REDRIVE, "one", &json!({})).await;
    let found = mover(&testbed, "a mover", |_| true).await;
    let one = uid(&testbed, REDRIVE, "one").await;
    let fake = FakeMover::at([127, 23, 1, 2]).await;
    fake.says(&one, RedrivePhase::Moving, 50);
    fake.runs(&testbed, &found).await;
    says(&testbed, REDRIVE, "one", "False Moving").await;
    testbed.restart().await;
    fake.says(&one, RedrivePhase::Moving, 20);
    eventually("progress", SOON, async || {
        let status = status(&testbed, REDRIVE, "one").await;
        (status["moved"] == 30 && status["matched"] == 50, status)
    })
    .await;
    let same = mover(&testbed, "the same mover", |_| true).await;
    assert_eq!(same.uid(), found.uid());
    // It dies before it has removed the mover of what is done.
    testbed.operator.kill9();
    testbed.operator.exit(SOON).await;
    fake.says(&one, RedrivePhase::Done, 0);
    testbed.restart().await;
    says(&testbed, REDRIVE, "one", "True Done").await;
    no_mover(&testbed).await;
    FakeMover::ends(&testbed).await;
    // Or the Deployment comes back behind its back, as by a restored backup.
    let mut again = found.clone();
    again.metadata.resource_version = None;
    again.metadata.managed_fields = None;
    let deployments = testbed.deployments();
    deployments
        .create(&PostParams::default(), &again)
        .await
        .unwrap();
    testbed.restart().await;
    no_mover(&testbed).await;
}

#[tokio::test]
async fn what_can_not_go_on_ends_and_says_how() {
    let (testbed, _emulator, _queues) = parked("redrive-ends").await;
    create(&testbed, REDRIVE, "nowhere", &json!({"to": "slower"})).await;
    let status = says(&testbed, REDRIVE, "nowhere", "True StageNotFound").await;
    assert_eq!(
        message(&status),
        "chain orders has no stage slower: its stages are fast, middle, slow. No task was moved"
    );
    create(&testbed, REDRIVE, "alien", &json!({"chain": "parcels"})).await;
    let status = says(&testbed, REDRIVE, "alien", "True ChainNotFound").await;
    assert!(
        message(&status).contains("has no chain parcels"),
        "{status}"
    );

    // The stage goes while it runs.
    create(&testbed, REDRIVE, "stage", &json!({"to": "middle"})).await;
    mover(&testbed, "a mover", |_| true).await;
    let without = crate::testbed::without(&parking(), "middle");
    testbed.apply(&without).await;
    says(&testbed, REDRIVE, "stage", "True StageNotFound").await;
    no_mover(&testbed).await;

    // The parking goes.
    create(&testbed, DISCARD, "parking", &json!({})).await;
    mover(&testbed, "a mover", |_| true).await;
    testbed
        .apply(&crate::testbed::without(ORDERS, "middle"))
        .await;
    let patch = ["patch", "chain", "orders", "--type=json", "-p"];
    let removed = r#"[{"op": "remove", "path": "/spec/parking"}]"#;
    drop(testbed.kubectl(&[&patch[..], &[removed]].concat()).await);
    says(&testbed, DISCARD, "parking", "True ParkingNotFound").await;
    no_mover(&testbed).await;

    // The chain goes.
    testbed.apply(&parking()).await;
    testbed.settle("orders").await;
    create(&testbed, REDRIVE, "chain", &json!({})).await;
    create(&testbed, REDRIVE, "waits", &json!({})).await;
    mover(&testbed, "a mover", |_| true).await;
    testbed.delete("orders").await;
    says(&testbed, REDRIVE, "chain", "True ChainDeleted").await;
    let waits = status_of_end(&testbed, "waits").await;
    assert!(
        ["ChainDeleted", "ChainNotFound"].contains(&&*waits),
        "{waits}"
    );
    no_mover(&testbed).await;
}

/// Why one has ended.
async fn status_of_end(testbed: &Testbed, name: &str) -> String {
    eventually("an end", SOON, async || {
        let status = status(testbed, REDRIVE, name).await;
        let condition = &status["conditions"][0];
        let reason = condition["reason"].as_str().unwrap_or_default().to_owned();
        if condition["status"] == "True" {
            Ok(reason)
        } else {
            Err(status.to_string())
        }
    })
    .await
}

#[tokio::test]
async fn a_queue_of_another_chain_is_never_redriven() {
    let (testbed, _emulator, _queues) = parked("redrive-foreign").await;
    // The second chain names the parking queue of the first.
    let thieves = parking()
        .replace("name: orders}", "name: thieves}")
        .replace("queue: incoming", "queue: thieves")
        .replace("queue: orders-notifier", "queue: thieves-notifier");
    testbed.apply(&thieves).await;
    testbed.not_ready("thieves", "QueueOwnedByAnother").await;
    create(&testbed, REDRIVE, "theft", &json!({"chain": "thieves"})).await;
    let status = says(&testbed, REDRIVE, "theft", "False Blocked").await;
    assert!(
        message(&status).contains("doesn't belong to this chain"),
        "{status}"
    );
    let found = testbed.deployments().get_opt("thieves-redrive").await;
    assert_eq!(found.unwrap(), None);
}

#[tokio::test]
async fn a_redrive_whose_parking_queue_was_deleted_ends() {
    let (testbed, emulator, _queues) = parked("redrive-queue").await;
    create(&testbed, REDRIVE, "one", &json!({})).await;
    let found = mover(&testbed, "a mover", |_| true).await;
    let one = uid(&testbed, REDRIVE, "one").await;
    let fake = FakeMover::at([127, 23, 1, 3]).await;
    fake.says(&one, RedrivePhase::ParkingGone, 3);
    fake.runs(&testbed, &found).await;
    let status = says(&testbed, REDRIVE, "one", "True ParkingNotFound").await;
    assert!(
        message(&status).starts_with("the parking queue doesn't exist"),
        "{status}"
    );
    drop(emulator);
}

/// The operator serves chains as ever.
#[tokio::test]
async fn without_the_crds_there_are_no_redrives_and_chains_are_served() {
    let emulator = Emulator::start().await;
    let testbed = Testbed::on_a_server_of_its_own(Some(CRD), &emulator).await;
    testbed.apply(&parking()).await;
    testbed.settle("orders").await;
    testbed.server.install_redrive_crds().await;
    create(&testbed, REDRIVE, "one", &json!({})).await;
    mover(&testbed, "a mover", |_| true).await;
}
