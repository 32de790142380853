//! What the API server says of the objects, by its own schema.

use testkit::ApiServer;

use crate::rendered::{ALL, Rendered};

/// Kinds that an API server has only when somebody has installed them.
const OTHERS: [&str; 2] = ["monitoring.coreos.com/v1", "monitoring.googleapis.com/v1"];

#[tokio::test]
async fn every_object_is_what_the_api_server_knows() {
    let server = ApiServer::shared().await;
    let namespace = server.namespace("accepted").await;
    let place = server.namespace("served").await;
    let with_place = format!("{ALL}watchNamespaces: [{place}]\n");
    let sets = [
        "",
        ALL,
        &with_place,
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
