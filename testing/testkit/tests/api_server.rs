//! The control plane: it starts, and it is a real one.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use testkit::ApiServer;

#[tokio::test]
async fn a_namespace_is_seen_by_kubectl() {
    let server = ApiServer::shared().await;
    let namespace = server.namespace("kit").await;
    let other = server.namespace("kit").await;
    assert_ne!(namespace, other);

    let listed = server
        .kubectl(&["get", "ns", "-o", "name"])
        .await
        .expect_ok();
    for name in [namespace, other] {
        let line = format!("namespace/{name}");
        assert!(listed.lines().any(|listed| listed == line), "{listed}");
    }
}

#[tokio::test]
async fn kubectl_reads_its_input_and_reports_refusals() {
    let server = ApiServer::shared().await;
    let namespace = server.namespace("kit-input").await;
    let args = ["apply", "-n", &namespace, "-f", "-"];
    let good = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n";
    let created = server.kubectl_with_input(&args, good).await.expect_ok();
    assert_eq!(created.trim(), "configmap/settings created");

    let bad = good.replace("settings", "Not-A-Name");
    let refused = server
        .kubectl_with_input(&args, &bad)
        .await
        .expect_refused();
    assert!(refused.contains("Invalid value"), "{refused}");
}

#[tokio::test]
async fn a_service_account_has_the_rights_it_was_given_and_no_others() {
    let server = ApiServer::shared().await;
    let namespace = server.namespace("kit-rights").await;
    let role = ["role", "reader", "--verb=list", "--resource=configmaps"];
    let role = [&["create", "-n", &namespace], &role[..]].concat();
    server.kubectl(&role).await.expect_ok();
    let kubeconfig = server.service_account(&namespace, "reader").await;
    let client = testkit::api_server::connect(&kubeconfig).await;
    for (verb, expected) in [("list", true), ("delete", false)] {
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(namespace.clone()),
                    resource: Some("configmaps".to_owned()),
                    verb: Some(verb.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let allowed = Api::all(client.clone())
            .create(&PostParams::default(), &review)
            .await
            .expect("anyone may ask what they may do")
            .status
            .expect("the server answers")
            .allowed;
        assert_eq!(allowed, expected, "{verb}");
    }
}
