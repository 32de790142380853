//! What a user adds to the workers and to their objects.

use crds::WorkerTemplate;
use crds::conditions::Reason;
use kube::ResourceExt;
use plan::objects::worker_env::variable;
use plan::{ChainView, Desired, Settings};
use serde_json::{Value, json};
use worker_contract::env::OPERATOR_OWNED;

use crate::world::{ORDERS, chain, desired, settings, settle, settled};

const ADDED: &str = "
  workerTemplate:
    resources: {requests: {cpu: 1, memory: 64Mi}}
    env: [{name: RUST_LOG, value: debug}]
    securityContext: {runAsUser: 1000, readOnlyRootFilesystem: false}
    deploymentMetadata: {labels: {team: shop}, annotations: {reloader.stakater.com/auto: 'true'}}
    serviceMetadata: {annotations: {cloud.google.com/backend-config: '{}'}}
  stages:";

fn with_template() -> String {
    ORDERS.replace("\n  stages:", ADDED)
}

/// The worker's container of the first stage.
fn worker(observed: &plan::Observed) -> Value {
    let deployment = json!(observed.deployments["orders-fast"]);
    deployment["spec"]["template"]["spec"]["containers"][0].clone()
}

#[test]
fn the_template_reaches_the_worker_and_its_objects() {
    let before = settled(ORDERS);
    let mut observed = before.clone();
    settle(&mut observed, &desired(&with_template()));

    let worker_now = worker(&observed);
    let resources = json!({"requests": {"cpu": "1", "memory": "64Mi"}});
    assert_eq!(worker_now["resources"], resources);
    let last = worker_now["env"].as_array().unwrap().last().unwrap();
    assert_eq!(*last, json!({"name": "RUST_LOG", "value": "debug"}));
    let context = &worker_now["securityContext"];
    assert_eq!(context["runAsUser"], 1000);
    assert_eq!(context["readOnlyRootFilesystem"], false);
    assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));

    let deployment = &observed.deployments["orders-fast"];
    assert_eq!(deployment.labels()["team"], "shop");
    assert_eq!(
        deployment.annotations()["reloader.stakater.com/auto"],
        "true"
    );
    assert!(
        deployment
            .annotations()
            .contains_key("executor-chain.dev/queue")
    );
    let service = &observed.services["orders-fast"];
    assert_eq!(
        service.annotations()["cloud.google.com/backend-config"],
        "{}"
    );
    assert!(!service.labels().contains_key("team"));

    // Taken back, everything is as before: what is applied, and what is recorded of it.
    settle(&mut observed, &desired(ORDERS));
    assert_eq!(observed.deployments, before.deployments);
    assert_eq!(observed.services, before.services);
}

#[test]
fn without_a_template_no_user_id_is_written() {
    let worker = worker(&settled(ORDERS));
    assert_eq!(worker["securityContext"]["runAsNonRoot"], true);
    assert_eq!(worker["securityContext"]["runAsUser"], Value::Null);
    assert_eq!(worker["resources"], Value::Null);
}

#[test]
fn beside_handlers_that_run_as_root_the_worker_has_its_images_user() {
    let pod = |context: &str| {
        ORDERS.replace(
            "{spec: {",
            &format!("{{spec: {{securityContext: {context}, "),
        )
    };
    let user = |yaml: &str| worker(&settled(yaml))["securityContext"]["runAsUser"].clone();
    assert_eq!(user(&pod("{runAsUser: 0}")), 65532);
    assert_eq!(user(&pod("{runAsUser: 1000}")), Value::Null);
    assert_eq!(user(&pod("{fsGroup: 0}")), Value::Null);
    let template = "workerTemplate: {securityContext: {runAsUser: 7}}\n  stages:";
    let chosen = pod("{runAsUser: 0}").replace("stages:", template);
    assert_eq!(user(&chosen), 7);
}

#[test]
fn the_operators_template_holds_for_chains_that_say_nothing() {
    let defaults: WorkerTemplate =
        r#"{"resources": {"limits": {"memory": "64Mi"}}}"#.parse().unwrap();
    let settings = Settings {
        worker_template: defaults,
        ..settings()
    };
    let desired = Desired::new(&chain(ORDERS), &settings).unwrap();
    let mut observed = settled(ORDERS);
    settle(&mut observed, &desired);
    assert_eq!(worker(&observed)["resources"]["limits"]["memory"], "64Mi");
}

#[test]
fn metadata_alone_restarts_no_pod() {
    let to = ORDERS.replace(
        "\n  stages:",
        "\n  workerTemplate: {deploymentMetadata: {annotations: {a: b}}}\n  stages:",
    );
    let mut observed = settled(ORDERS);
    let template = |observed: &plan::Observed| {
        let deployment = &observed.deployments["orders-fast"];
        json!(deployment.spec.as_ref().unwrap().template)
    };
    let before = template(&observed);
    let desired = desired(&to);
    let plan = plan::plan(ChainView::new(&desired, &observed)).unwrap();
    assert!(!plan.is_empty());
    settle(&mut observed, &desired);
    assert_eq!(template(&observed), before);
}

#[test]
fn a_variable_of_the_operator_is_refused() {
    let to = with_template().replace("name: RUST_LOG", "name: QUEUE");
    let refused = Desired::new(&chain(&to), &settings()).unwrap_err();
    assert_eq!(refused.reason, Reason::InvalidSpec);
    insta::assert_snapshot!(refused.message, @"the worker's environment has QUEUE, which the operator sets: remove it from workerTemplate.env, or from the operator's --worker-template (the chart's worker.env)");
}

#[test]
fn a_volume_of_the_pods_is_mounted_and_another_is_refused() {
    let mount = "workerTemplate: {volumeMounts: [{name: ca, mountPath: /ca}]}\n  stages:";
    let to = ORDERS.replace("stages:", mount);
    let volume = "{spec: {volumes: [{name: ca, configMap: {name: company-ca}}], ";
    let mut observed = settled(ORDERS);
    settle(&mut observed, &desired(&to.replace("{spec: {", volume)));
    let mounts = json!([{"name": "ca", "mountPath": "/ca"}]);
    assert_eq!(worker(&observed)["volumeMounts"], mounts);

    let refused = Desired::new(&chain(&to), &settings()).unwrap_err();
    assert_eq!(refused.reason, Reason::InvalidSpec);
    insta::assert_snapshot!(refused.message, @"workerTemplate.volumeMounts has the volume ca, which stage fast lacks: add it to template.spec.volumes of this stage, or remove the mount");
}

#[test]
fn every_variable_that_is_written_is_the_operators_own_and_the_rule_names_all() {
    let rule = crds::RULES
        .iter()
        .find(|rule| rule.message.starts_with("workerTemplate.env"));
    let rule = rule.unwrap().rule;
    for name in OPERATOR_OWNED {
        assert!(
            rule.contains(&format!("'{name}'")),
            "{name} is not in the rule"
        );
    }
    assert_eq!(rule.matches('\'').count(), 2 * OPERATOR_OWNED.len());
    let observed = settled(ORDERS);
    let deployment = &observed.deployments["orders-fast"];
    for variable_ in worker(&observed)["env"].as_array().unwrap() {
        let name = variable_["name"].as_str().unwrap();
        assert!(OPERATOR_OWNED.contains(&name), "{name}");
        assert!(variable(deployment, name).is_some());
    }
}
