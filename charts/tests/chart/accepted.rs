//! What the API server says of the objects, by its own schema.

use serde_json::json;
use testkit::ApiServer;

use crate::rendered::{ALL, Rendered};

/// Kinds that an API server has only when they are installed.
const OTHERS: [&str; 2] = ["monitoring.coreos.com/v1", "monitoring.googleapis.com/v1"];

#[tokio::test]
async fn every_object_is_what_the_api_server_knows() {
    let server = ApiServer::shared().await;
    let namespace = server.namespace("accepted").await;
    let watched = server.namespace("watched").await;
    let with_namespace = format!("{ALL}watchNamespaces: [{watched}]\n");
    let sets = [
        "",
        ALL,
        &with_namespace,
        "{gateway: {enabled: false}, networkPolicy: {enabled: true}, crds: {keep: false}}",
        "{replicas: 1, podDisruptionBudget: {enabled: false}, serviceAccount: {name: mine, create: false}}",
    ];
    for values in sets {
        let rendered = Rendered::in_namespace(&namespace, values).await;
        // Unknown fields are errors, not warnings.
        let try_ = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
        let known = rendered.of_groups_but(&OTHERS);
        let tried = server.kubectl_with_input(&try_, &known).await;
        let said = tried.expect_ok();
        assert!(said.contains("(server dry run)"), "{said}");
    }
}

#[tokio::test]
async fn a_namespace_that_enforces_the_restricted_profile_takes_the_pods() {
    let server = ApiServer::shared().await;
    let namespace = server.namespace("restricted").await;
    let label = "pod-security.kubernetes.io/enforce=restricted";
    let enforce = ["label", "namespace", &namespace, label];
    server.kubectl(&enforce).await.expect_ok();
    let rendered = Rendered::of("").await;
    let template = &rendered.only("Deployment")["spec"]["template"];
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "operator", "namespace": namespace},
        "spec": template["spec"],
    });
    let create = ["create", "--dry-run=server", "-f", "-"];
    let made = server.kubectl_with_input(&create, &pod.to_string()).await;
    made.expect_ok();
    pod["spec"]["containers"][0]["securityContext"]["capabilities"] = json!({});
    let made = server.kubectl_with_input(&create, &pod.to_string()).await;
    let said = made.expect_refused();
    assert!(said.contains("violates PodSecurity"), "{said}");
}
