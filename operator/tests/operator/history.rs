//! The generations of a chain's spec: which are kept, by whom they were made, and when they go.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use testkit::{ApiServer, Emulator, GarbageCollector, eventually};

use crate::testbed::{ORDERS, RATE, SOON, Testbed, lax_crd, served};

const BY: &str = "executor-chain.dev/changed-by";
const GENERATION: &str = "executor-chain.dev/generation";
const AFTER: &str = "executor-chain.dev/after";

/// The revisions of chains of a name, those that were deleted included.
async fn all(testbed: &Testbed, chain: &str) -> Vec<ControllerRevision> {
    let api: Api<ControllerRevision> = Api::namespaced(testbed.client.clone(), &testbed.namespace);
    let label = format!("executor-chain.dev/chain={chain}");
    let found = api.list(&ListParams::default().labels(&label)).await;
    found.unwrap().items
}

/// The revisions of a chain, by number.
async fn revisions(testbed: &Testbed, chain: &str) -> BTreeMap<i64, ControllerRevision> {
    let all = all(testbed, chain).await.into_iter();
    all.map(|it| (it.revision, it)).collect()
}

/// Waits until the revisions have these numbers.
async fn has(testbed: &Testbed, chain: &str, numbers: &[i64]) -> BTreeMap<i64, ControllerRevision> {
    eventually(&format!("the revisions {numbers:?}"), SOON, async || {
        let found = revisions(testbed, chain).await;
        let is_so = found.keys().eq(numbers);
        is_so.then_some(found.clone()).ok_or_else(|| {
            let found: Vec<&i64> = found.keys().collect();
            format!("{found:?}\n{}", testbed.operator.log_tail())
        })
    })
    .await
}

/// Sets the first stage's rate, as a program of that name.
async fn set_rate(testbed: &Testbed, manager: &str, rate: u32) {
    let patch = json!([{
        "op": "replace",
        "path": "/spec/stages/0/rateLimits/maxDispatchesPerSecond",
        "value": rate,
    }]);
    let patch: Patch<crds::ExecutorChain> = Patch::Json(serde_json::from_value(patch).unwrap());
    let parameters = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    let chains = testbed.chains();
    chains.patch("orders", &parameters, &patch).await.unwrap();
}

fn rate(revision: &ControllerRevision) -> &Value {
    let data = &revision.data.as_ref().unwrap().0;
    &data["stages"][0]["rateLimits"]["maxDispatchesPerSecond"]
}

fn annotation<'a>(revision: &'a ControllerRevision, name: &str) -> Option<&'a str> {
    revision.annotations().get(name).map(String::as_str)
}

/// Whatever is written changes them.
async fn versions(testbed: &Testbed) -> Vec<Option<String>> {
    let found = revisions(testbed, "orders").await;
    found.values().map(ResourceExt::resource_version).collect()
}

#[tokio::test]
async fn the_last_ten_are_kept_and_an_old_spec_gets_a_new_number() {
    let (mut testbed, _emulator, _queues) = served("history", &[], ORDERS).await;
    let first = has(&testbed, "orders", &[1]).await;
    let chain = testbed.chains().get("orders").await.unwrap();
    let owners = first[&1].owner_references();
    assert_eq!(owners.len(), 1);
    assert_eq!(Some(&owners[0].uid), chain.uid().as_ref());
    let data = &first[&1].data.as_ref().unwrap().0;
    let raw = testbed
        .kubectl(&["get", "chain", "orders", "-o", "json"])
        .await;
    let raw: Value = serde_json::from_str(&raw.stdout).unwrap();
    assert_eq!(*data, raw["spec"], "no status, and no metadata");
    assert_eq!(annotation(&first[&1], AFTER), None);

    for number in 2..=13 {
        // Several edits are made in one second, which is as precise as the API server records them.
        let manager = format!("person-{number}");
        set_rate(&testbed, &manager, 400 + u32::try_from(number).unwrap()).await;
        let expected: Vec<i64> = (1.max(number - 9)..=number).collect();
        let found = has(&testbed, "orders", &expected).await;
        let newest = &found[&number];
        assert_eq!(*rate(newest), 400 + number);
        assert_eq!(annotation(newest, GENERATION), Some(&*number.to_string()));
        assert_eq!(annotation(newest, BY), Some(&*manager));
        let before = found[&(number - 1)].name_any();
        assert_eq!(annotation(newest, AFTER), Some(&*before));
    }
    let before = has(&testbed, "orders", &[4, 5, 6, 7, 8, 9, 10, 11, 12, 13]).await;

    // Back to what revision 8 has.
    set_rate(&testbed, "carol", 408).await;
    let after = has(&testbed, "orders", &[4, 5, 6, 7, 9, 10, 11, 12, 13, 14]).await;
    assert_eq!(after[&14].uid(), before[&8].uid(), "the same object");
    assert_eq!(*rate(&after[&14]), 408);
    assert_eq!(annotation(&after[&14], GENERATION), Some("14"));
    assert_eq!(annotation(&after[&14], BY), Some("carol"));
    let name = before[&13].name_any();
    assert_eq!(annotation(&after[&14], AFTER), Some(&*name));

    // A new operator has nothing to write, and goes on where the former one ended.
    let written = versions(&testbed).await;
    testbed.restart().await;
    testbed.rounds_pass("orders", 3).await;
    assert_eq!(versions(&testbed).await, written);
    set_rate(&testbed, "ann", 500).await;
    has(&testbed, "orders", &[5, 6, 7, 9, 10, 11, 12, 13, 14, 15]).await;

    // What changed while no operator was there is kept as soon as one is.
    testbed.operator.kill9();
    testbed.operator.exit(SOON).await;
    set_rate(&testbed, "dave", 320).await;
    testbed.restart_with("REVISION_HISTORY_LIMIT", "3").await;
    let found = has(&testbed, "orders", &[14, 15, 16]).await;
    assert_eq!(annotation(&found[&16], BY), Some("dave"));
}

#[tokio::test]
async fn what_waits_for_a_lull_is_kept_before_the_operator_stops() {
    let (testbed, _emulator, _queues) = Testbed::with("history-stop", &[]).await;
    let numbers = 1..=5;
    let manifests = numbers.clone().map(|number| {
        let named = ORDERS.replace("{name: orders}", &format!("{{name: orders-{number}}}"));
        named.replace("incoming", &format!("incoming-of-{number}"))
    });
    let manifests: Vec<String> = manifests.collect();
    testbed.apply(&manifests.join("\n---\n")).await;
    let names: Vec<String> = numbers.map(|number| format!("orders-{number}")).collect();
    for name in &names {
        testbed.status(name, "a status", |_| true).await;
    }
    testbed.operator.terminate();
    testbed.operator.exit(SOON).await;
    for name in &names {
        has(&testbed, name, &[1]).await;
    }
}

#[tokio::test]
async fn nothing_is_kept_where_none_are_wanted() {
    let args = ["--revision-history-limit", "0"];
    let (testbed, _emulator, queues) = served("no-history", &args, ORDERS).await;
    testbed
        .apply_with(RATE, "maxDispatchesPerSecond: 300")
        .await;
    queues.has_rate("incoming", 300.0).await;
    testbed.rounds_pass("orders", 3).await;
    assert_eq!(versions(&testbed).await.len(), 0);
}

#[tokio::test]
async fn a_chain_that_cant_be_parsed_has_a_revision_and_a_deleted_one_takes_its_own_along() {
    let server: &ApiServer = Box::leak(Box::new(ApiServer::start().await));
    server.install_crd(&lax_crd()).await;
    let emulator = Emulator::start().await;
    let namespace = server.namespace("history").await;
    let args = ["--leader-election=false"];
    let config = server.kubeconfig();
    let mut testbed = Testbed::of(server, namespace, config, emulator.addr(), &args).await;
    let unreadable = ORDERS.replace("spec:\n", "spec:\n  drainDelay: a while\n");
    testbed.apply(&unreadable).await;
    testbed.not_readable("orders").await;
    let found = has(&testbed, "orders", &[1]).await;
    let data = &found[&1].data.as_ref().unwrap().0;
    assert_eq!(data["drainDelay"], "a while");
    let former = owner(&found[&1]);

    // One of the same name begins anew, while the former one's is still there.
    testbed.delete("orders").await;
    testbed.apply(&unreadable).await;
    has_of_new(&testbed, &former, &[1]).await;
    assert_eq!(all(&testbed, "orders").await.len(), 2);
    testbed.restart().await;
    testbed
        .apply(&unreadable.replace("a while", "another while"))
        .await;
    has_of_new(&testbed, &former, &[1, 2]).await;

    let _collector = GarbageCollector::start(server);
    eventually("no revision of the former chain", SOON, async || {
        let found = all(&testbed, "orders").await;
        (found.len() == 2, found.len())
    })
    .await;
    testbed.delete("orders").await;
    has(&testbed, "orders", &[]).await;
}

/// Waits until the revisions that the former chain doesn't own have these numbers.
async fn has_of_new(testbed: &Testbed, former: &str, numbers: &[i64]) {
    eventually("the new chain's revisions", SOON, async || {
        let mut found = all(testbed, "orders").await;
        found.retain(|it| owner(it) != former);
        let mut found: Vec<i64> = found.iter().map(|it| it.revision).collect();
        found.sort_unstable();
        (found == numbers, found)
    })
    .await;
}

fn owner(revision: &ControllerRevision) -> String {
    revision.owner_references()[0].uid.clone()
}
