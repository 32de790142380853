//! helm on a real API server: chains outlive their operator's release, the CRD is upgraded, and no two
//! releases serve one namespace.

use std::path::Path;

use serde_json::Value;
use testkit::{ApiServer, eventually};

use crate::rendered::{CHART, RELEASE};
use crate::scenario::{SOON, chain};

const CRD: &str = "crd/executorchains.executor-chain.dev";

async fn install(
    server: &ApiServer,
    release: &str,
    namespace: &str,
    sets: &[&str],
) -> testkit::Kubectl {
    let install = ["install", release, CHART, "-n", namespace];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let args = install
        .into_iter()
        .chain(["--create-namespace"])
        .chain(sets);
    server.helm(&args.collect::<Vec<_>>()).await
}

async fn uninstall(server: &ApiServer) -> String {
    let uninstall = ["uninstall", RELEASE, "-n", "system"];
    server.helm(&uninstall).await.expect_ok()
}

/// A chain that is there, with its UID.
async fn apply(server: &ApiServer) -> String {
    server.serves_chains().await;
    let orders = chain("orders", "Retain", &["fast"]);
    let apply = ["apply", "-f", "-"];
    server.kubectl_with_input(&apply, &orders).await.expect_ok();
    uid(server).await
}

async fn uid(server: &ApiServer) -> String {
    let get = ["get", "chain", "orders", "-o", "jsonpath={.metadata.uid}"];
    server.kubectl(&get).await.expect_ok()
}

#[tokio::test]
async fn chains_outlive_the_release() {
    let server = ApiServer::start().await;
    let notes = install(&server, RELEASE, "system", &[]).await.expect_ok();
    let next = "kubectl rollout status deployment/executor-chain -n system";
    assert!(notes.contains(next), "{notes}");
    let before = apply(&server).await;
    let said = uninstall(&server).await;
    let kept = "[CustomResourceDefinition] executorchains";
    assert!(said.contains(kept), "{said}");
    // Nothing of the operator is left.
    let kinds = "deployment,serviceaccount,role,rolebinding,poddisruptionbudget";
    let label = ["-l", "app.kubernetes.io/name=executor-chain", "-o", "name"];
    let left = [&["get", kinds, "-A"], &label[..]].concat();
    assert_eq!(server.kubectl(&left).await.expect_ok(), "");
    let left = [&["get", "clusterrole,clusterrolebinding"], &label[..]].concat();
    assert_eq!(server.kubectl(&left).await.expect_ok(), "");
    assert_eq!(uid(&server).await, before);
    // The same release takes them up again.
    install(&server, RELEASE, "system", &[]).await.expect_ok();
    assert_eq!(uid(&server).await, before);
    uninstall(&server).await;
    // Another one only if it is told to.
    let refused = install(&server, "another", "elsewhere", &[]).await;
    let refused = refused.expect_refused();
    let words = "cannot be imported into the current release";
    assert!(refused.contains(words), "{refused}");
    let take = ["install", "another", CHART, "--take-ownership"];
    let elsewhere = ["-n", "elsewhere", "--create-namespace"];
    let take = [&take[..], &elsewhere].concat();
    server.helm(&take).await.expect_ok();
    assert_eq!(uid(&server).await, before);
}

#[tokio::test]
async fn without_keep_chains_go_with_the_release() {
    let server = ApiServer::start().await;
    let said = install(&server, RELEASE, "system", &["crds.keep=false"])
        .await
        .expect_ok();
    assert!(said.contains("WARNING: crds.keep is false"), "{said}");
    apply(&server).await;
    uninstall(&server).await;
    eventually("no CRD", SOON, async || {
        let found = server.kubectl(&["get", CRD, "--ignore-not-found"]).await;
        (found.stdout.is_empty(), found.stdout)
    })
    .await;
}

/// A chart of an earlier day: its CRD shows no columns.
fn earlier_chart(folder: &Path) {
    let copied = std::process::Command::new("cp")
        .args(["-r", CHART])
        .arg(folder)
        .status();
    assert!(copied.unwrap().success());
    let path = folder.join("executor-chain/files/executorchains.yaml");
    let crd = std::fs::read_to_string(&path).unwrap();
    let mut crd: Value = serde_saphyr::from_str(&crd).unwrap();
    let version = &mut crd["spec"]["versions"][0];
    let columns = "additionalPrinterColumns";
    assert!(version.as_object_mut().unwrap().remove(columns).is_some());
    std::fs::write(path, crd.to_string()).unwrap();
}

#[tokio::test]
async fn the_crd_is_upgraded_and_rolled_back() {
    let server = ApiServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    earlier_chart(folder.path());
    let earlier = folder.path().join("executor-chain");
    let earlier = earlier.to_str().unwrap();
    let there = ["-n", "system", "--create-namespace"];
    let first = [&["install", RELEASE, earlier], &there[..]].concat();
    server.helm(&first).await.expect_ok();
    let before = apply(&server).await;
    let columns = async || {
        let names = "jsonpath={.spec.versions[0].additionalPrinterColumns[*].name}";
        server.kubectl(&["get", CRD, "-o", names]).await.expect_ok()
    };
    assert_eq!(columns().await, "");
    let upgrade = [&["upgrade", RELEASE, CHART], &there[..2]].concat();
    server.helm(&upgrade).await.expect_ok();
    assert!(columns().await.contains("Ready"), "{}", columns().await);
    assert_eq!(uid(&server).await, before);
    let back = [&["rollback", RELEASE, "1"], &there[..2]].concat();
    server.helm(&back).await.expect_ok();
    assert_eq!(columns().await, "");
    assert_eq!(uid(&server).await, before);
}

#[tokio::test]
async fn a_second_release_gets_namespaces_of_its_own_or_is_refused() {
    let server = ApiServer::start().await;
    for namespace in ["shop", "hall", "yard"] {
        let create = ["create", "namespace", namespace];
        server.kubectl(&create).await.expect_ok();
    }
    let refused = async |release, namespace, sets: &[&str], sentence: &str| {
        let said = install(&server, release, namespace, sets).await;
        let said = said.expect_refused();
        assert!(said.contains(sentence), "{sentence}: {said}");
    };
    let (shop, hall) = ("watchNamespaces={shop}", "watchNamespaces={hall}");
    let no_crd = "crds.install=false";

    // One serves all: there is nothing left for another.
    install(&server, RELEASE, "system", &[]).await.expect_ok();
    let all = "the chains of all namespaces are served by the release executor-chain in namespace system: \
               two operators would write the same queues. Set watchNamespaces so that each release serves \
               its own namespaces, or uninstall the other release";
    refused("second", "other", &[], all).await;
    refused(RELEASE, "other", &[], all).await;
    refused("second", "other", &[no_crd, shop], all).await;
    uninstall(&server).await;

    // Each has its own.
    install(&server, RELEASE, "system", &[shop])
        .await
        .expect_ok();
    let crd = r#"CustomResourceDefinition "executorchains.executor-chain.dev" in namespace "" exists and cannot be imported"#;
    refused("second", "other", &[hall], crd).await;
    install(&server, "second", "other", &[no_crd, hall])
        .await
        .expect_ok();
    let one = "the chains of namespace hall are served by the release second in namespace other";
    refused("third", "system", &[no_crd, hall], one).await;
    let same = "two operators would write the same queues";
    refused("third", "system", &[no_crd], same).await;
    // One that Helm doesn't know of is seen as well.
    let by_hand = "create rolebinding executor-chain-operator --role=any --serviceaccount=any:operator -n yard";
    let by_hand: Vec<&str> = by_hand.split(' ').collect();
    server.kubectl(&by_hand).await.expect_ok();
    let yard = "the chains of namespace yard are served by another operator, whose role binding belongs to no Helm release";
    refused("third", "other", &[no_crd, "watchNamespaces={yard}"], yard).await;
    // And may be upgraded as it likes.
    let upgrade = ["upgrade", "second", CHART, "-n", "other", "--reuse-values"];
    server.helm(&upgrade).await.expect_ok();
}
