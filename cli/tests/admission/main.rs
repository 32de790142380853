//! `dev` and a real API server admit and reject the same manifests.

mod appliers;
mod limits;
mod overrides;
mod patch;
mod redrives;
mod server;
mod table;

use crds::RULES;
use crds::conditions::{ConditionType, Reason};
use executor_chain::admission::{Rejection, admit};
use serde_json::Value;
use testkit::ApiServer;

use server::Server;
use table::Case;

#[tokio::test]
async fn both_enforce_each_rule_with_the_same_message() {
    agree(table::rules()).await;
}

#[tokio::test]
async fn both_enforce_each_limit_of_the_schema() {
    agree(table::limits()).await;
}

#[tokio::test]
async fn an_update_that_only_reorders_stages_is_admitted_by_both() {
    let old = table::base();
    let mut new = old.clone();
    new["spec"]["stages"].as_array_mut().unwrap().rotate_left(1);
    assert_ne!(old, new);
    let name = "reordered".to_owned();
    let case = Case {
        name,
        old: Some(old),
        manifest: new,
        rejected: None,
    };
    agree(vec![case]).await;
}

#[test]
fn every_rule_has_cases() {
    let rows = table::rows_by_message();
    for message in RULES.iter().map(|rule| rule.message) {
        let has_row = rows.contains_key(message);
        assert!(has_row, "no row in rules.yaml: {message}");
    }
}

#[test]
fn every_limit_has_cases() {
    let rows = table::limits_with_rows();
    let missing: Vec<_> = limits::all()
        .into_iter()
        .filter(|limit| !rows.contains(limit))
        .collect();
    assert!(missing.is_empty(), "no row in schema.yaml: {missing:?}");
    for keyword in limits::SOMEWHERE {
        let has_row = rows.iter().any(|(_, limit)| limit == keyword);
        assert!(has_row, "no row in schema.yaml: {keyword}");
    }
}

#[tokio::test]
async fn the_ingress_in_the_docs_is_admitted() {
    let server = ApiServer::shared_with_crd().await;
    let namespace = server.namespace("ingress").await;
    let page = include_str!("../../../docs/push.md");
    let fence = page.split("```yaml\n").nth(1).unwrap();
    let (ingress, _) = fence.split_once("```").unwrap();
    let apply = ["apply", "--dry-run=server", "-n", &namespace, "-f", "-"];
    let applied = server.kubectl_with_input(&apply, ingress).await.expect_ok();
    let created = "ingress.networking.k8s.io/refunds";
    assert!(applied.contains(created), "{applied}");
}

#[tokio::test]
async fn the_examples_are_admitted_by_both() {
    let server = ApiServer::shared_with_crd().await;
    let namespace = server.namespace("examples").await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        admit(&text, None).unwrap_or_else(|rejection| panic!("{}: {rejection}", path.display()));
        let apply = ["apply", "--dry-run=server", "-n", &namespace, "-f", "-"];
        server.kubectl_with_input(&apply, &text).await.expect_ok();
        count += 1;
    }
    assert!(count > 0, "no example in {folder}");
}

#[test]
fn the_readme_quotes_a_message_that_users_see() {
    let readme = include_str!("../../../README.md");
    let quoted = "two stages use the same queue: give each stage its own queue";
    assert!(readme.contains(quoted));
    assert!(RULES.iter().any(|rule| rule.message == quoted));
}

#[test]
fn every_condition_and_reason_is_documented() {
    let text = include_str!("../../../docs/status.md");
    let types = ConditionType::ALL.iter().map(ToString::to_string);
    let reasons = Reason::ALL.iter().map(ToString::to_string);
    for word in types.chain(reasons) {
        let is_documented = text.contains(&format!("`{word}`"));
        assert!(is_documented, "docs/status.md lacks {word}");
    }
}

#[tokio::test]
async fn a_plain_apply_of_the_crd_warns_of_nothing_and_is_idempotent() {
    let server = ApiServer::shared_with_crd().await;
    let again = server.kubectl(&["apply", "-f", server::CRD]).await;
    assert!(!again.stderr.contains("Warning"), "{}", again.stderr);
    assert!(again.expect_ok().contains("unchanged"));
    // kubectl keeps the manifest in an annotation, which may have 256 KiB.
    let last = ["apply", "view-last-applied", "-o=json", "-f", server::CRD];
    let kept: Value = serde_json::from_str(&server.kubectl(&last).await.expect_ok()).unwrap();
    let size = kept.to_string().len();
    assert!((50_000..200_000).contains(&size), "{size} bytes");
}

#[tokio::test]
async fn delete_all_leaves_the_chains() {
    let server = ApiServer::shared_with_crd().await;
    let namespace = server.namespace("all").await;
    let args = |args: &[&'static str]| -> Vec<String> {
        let namespaced = ["-n", &namespace].into_iter().chain(args.iter().copied());
        namespaced.map(str::to_owned).collect()
    };
    let kubectl = async |words: &[&'static str]| {
        let words = args(words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        server.kubectl(&words).await.expect_ok()
    };
    let apply = ["-n", &namespace, "apply", "-f", "-"];
    let manifest = table::base().to_string();
    server
        .kubectl_with_input(&apply, &manifest)
        .await
        .expect_ok();
    kubectl(&["create", "service", "clusterip", "none", "--tcp=80"]).await;
    let deleted = kubectl(&["delete", "all", "--all", "--wait=false"]).await;
    assert!(deleted.contains("service \"none\" deleted"), "{deleted}");
    let left = kubectl(&[
        "get",
        "chain",
        "-o",
        "jsonpath={.items[*].metadata.deletionTimestamp}",
    ]);
    let left = left.await;
    let names = kubectl(&["get", "chain", "-o", "name"]).await;
    assert_eq!(names.lines().count(), 1, "{deleted}{names}{left}");
    assert_eq!(left, "", "{deleted}");
}

/// One case of each rule: the other tests send the rest to the server.
#[tokio::test]
async fn a_dry_run_and_a_diff_say_how_to_fix_a_manifest() {
    let server = ApiServer::shared_with_crd().await;
    let namespace = server.namespace("dry-run").await;
    let mut tried: Vec<String> = Vec::new();
    for case in table::rules() {
        let Some(words) = case.rejected else { continue };
        if tried.contains(&words.server[0]) {
            continue;
        }
        if let Some(old) = &case.old {
            let apply = ["-n", &namespace, "apply", "-f", "-"];
            let applied = server.kubectl_with_input(&apply, &old.to_string()).await;
            applied.expect_ok();
        }
        for args in [
            &["apply", "--dry-run=server", "-f", "-"][..],
            &["diff", "-f", "-"],
        ] {
            let args = [&["-n", namespace.as_str()], args].concat();
            let manifest = case.manifest.to_string();
            let said = server.kubectl_with_input(&args, &manifest).await;
            let said = said.expect_refused();
            assert!(said.contains(&words.server[0]), "{}: {said}", case.name);
        }
        if let Some(old) = &case.old {
            let delete = ["-n", &namespace, "delete", "-f", "-"];
            let deleted = server.kubectl_with_input(&delete, &old.to_string()).await;
            deleted.expect_ok();
        }
        tried.extend(words.server);
    }
    assert_eq!(tried.len(), RULES.len(), "every rule was tried");
}

#[tokio::test]
async fn explain_has_units_and_defaults() {
    let server = ApiServer::shared_with_crd().await;
    let explain = ["explain", "executorchain.spec.stages"];
    let text = server.kubectl(&explain).await.expect_ok();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "how many times the handler runs",
        "defaults to 480h",
        "at the same time. defaults to 100",
        "restarts no pods",
    ] {
        let is_said = text.to_lowercase().contains(said);
        assert!(is_said, "{said:?} is not in: {text}");
    }
}

/// Checks that both admit the manifest, or that both reject it with the case's messages.
async fn agree(cases: Vec<Case>) {
    let server = Server::ready().await;
    let mut wrong = Vec::new();
    for case in cases {
        let by_server = server.admits(case.old.as_ref(), &case.manifest).await;
        let by_dev =
            dev(case.old.as_ref(), &case.manifest).map_err(|rejection| rejection.to_string());
        let words = case.rejected.map(|words| (words.server, words.dev)).unzip();
        for (who, answer, words) in [("server", by_server, words.0), ("dev", by_dev, words.1)] {
            let right = match (&answer, words) {
                (Ok(()), None) => true,
                (Err(said), Some(words)) => words.iter().all(|word| said.contains(word)),
                _ => false,
            };
            if !right {
                wrong.push(format!("{}\n  {who}: {answer:?}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn dev(old: Option<&Value>, manifest: &Value) -> Result<(), Rejection> {
    let old = old.map(|old| admit(&old.to_string(), None).expect("old is admitted"));
    let old = old.map(|old| old.value);
    admit(&manifest.to_string(), old.as_ref()).map(|_| ())
}
