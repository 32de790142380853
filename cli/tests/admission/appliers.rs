//! Two appliers of one chain, such as Flux and a person in an incident.

use serde_json::{Value, json};
use testkit::ApiServer;

use crate::table::base;

struct Appliers {
    server: &'static ApiServer,
    namespace: String,
}

impl Appliers {
    async fn apply(&self, manager: &str, manifest: &Value) -> String {
        let manager = format!("--field-manager={manager}");
        let apply = ["-n", &self.namespace, "apply", "--server-side", &manager];
        let apply = [&apply[..], &["-f", "-"]].concat();
        let manifest = manifest.to_string();
        let applied = self.server.kubectl_with_input(&apply, &manifest);
        applied.await.expect_ok()
    }

    async fn stages(&self) -> String {
        let path = "jsonpath={.spec.stages[*].name}";
        let get = ["-n", &self.namespace, "get", "chain", "orders", "-o", path];
        self.server.kubectl(&get).await.expect_ok()
    }
}

/// `docs/edits.md` says what to do about it.
#[tokio::test]
async fn a_stage_that_two_appliers_own_is_removed_by_both_or_by_an_edit() {
    let server = ApiServer::shared_with_crd().await;
    let namespace = server.namespace("appliers").await;
    let place = Appliers { server, namespace };
    let mut in_git = base();
    place.apply("git", &in_git).await;
    // In an incident a stage is added, alone: it comes last. Later it is in Git too.
    let added = json!({"name": "rescue", "queue": "incoming-4", "maxAttempts": 1});
    let incident = json!({
        "apiVersion": in_git["apiVersion"],
        "kind": in_git["kind"],
        "metadata": {"name": "orders"},
        "spec": {"stages": [added]},
    });
    place.apply("incident", &incident).await;
    assert_eq!(place.stages().await, "fast slow last rescue");
    place.apply("git", &in_git).await;
    assert_eq!(
        place.stages().await,
        "fast slow last rescue",
        "it isn't Git's"
    );

    let without = in_git.clone();
    in_git["spec"]["stages"].as_array_mut().unwrap().push(added);
    place.apply("git", &in_git).await;
    place.apply("git", &without).await;
    assert_eq!(place.stages().await, "fast slow last rescue", "both own it");

    // The person's part of it is given up: an apply that doesn't name it any more.
    let mut empty = incident.clone();
    empty["spec"] = json!({});
    place.apply("incident", &empty).await;
    assert_eq!(place.stages().await, "fast slow last");

    // An edit removes it, no matter who owns it.
    place.apply("incident", &incident).await;
    place.apply("git", &in_git).await;
    let remove = r#"[{"op": "remove", "path": "/spec/stages/3"}]"#;
    let patch = [
        "-n",
        &place.namespace,
        "patch",
        "chain",
        "orders",
        "--type=json",
        "-p",
        remove,
    ];
    server.kubectl(&patch).await.expect_ok();
    assert_eq!(place.stages().await, "fast slow last");
    place.apply("git", &without).await;
    assert_eq!(place.stages().await, "fast slow last");
}
