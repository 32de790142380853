//! Tokens of pushes, from the spec to the queues and the workers.

use std::collections::BTreeMap;
use std::process::Command;

use cloudtasks::{CloudTasks, OidcToken};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use testkit::{Process, binary, eventually};

use crate::place::{ORDERS, Place, SOON, condition, http, queue, variable, with_emulator};

fn public(oidc: &str) -> String {
    let push = format!("  push: {{url: 'https://{{stage}}.push.example.com'}}\n{oidc}  stages:\n");
    ORDERS.replace("  stages:\n", &push)
}

fn with_audiences(audiences: &str) -> String {
    public(&format!(
        "  oidc: {{serviceAccountEmail: pusher@demo.example, audiences: [{audiences}]}}\n"
    ))
}

/// The audience of the token that a queue sends.
async fn sent(queues: &CloudTasks, id: &str) -> Option<String> {
    let found = queues.get_queue(&queue(id)).await.unwrap();
    let token: Option<OidcToken> = found.http_target?.token;
    Some(token?.audience)
}

async fn workers(place: &Place) -> Deployment {
    place.deployments().get("orders-fast").await.unwrap()
}

/// Waits until the workers of the first stage are told to take tokens for these audiences.
async fn told(place: &Place, audiences: Option<&str>) {
    eventually("the audiences that workers take", SOON, async || {
        place.pods_are_ready().await;
        let told = variable(&workers(place).await, "OIDC_AUDIENCES");
        if told.as_deref() == audiences {
            Ok(())
        } else {
            Err(told)
        }
    })
    .await;
}

async fn reason(place: &Place, kind: &str, wanted: &str) {
    let is_it = |status: &crds::ExecutorChainStatus| {
        condition(status, kind).is_some_and(|(_, reason, _)| reason == wanted)
    };
    place.status("orders", wanted, is_it).await;
}

/// A pod of the first stage as its Deployment is now.
async fn pod(place: &Place, name: &str) -> Api<Pod> {
    let deployment = serde_json::to_value(workers(place).await).unwrap();
    let template = &deployment["spec"]["template"];
    let mut spec = template["spec"].clone();
    // Nobody runs it: all that counts is what it was told.
    spec["initContainers"] = json!([]);
    spec["containers"][0]["readinessProbe"] = json!(null);
    let pod = json!({
        "metadata": {"name": name, "labels": template["metadata"]["labels"]},
        "spec": spec,
    });
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), &place.namespace);
    let pod = serde_json::from_value(pod).unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    pods
}

#[tokio::test]
async fn oidc_is_set_on_the_queues_and_required_by_the_workers() {
    let (place, _emulator, queues) = with_emulator("oidc").await;
    place.apply(&with_audiences("orders, former")).await;
    place.settle("orders").await;
    for id in ["incoming", "incoming-2", "incoming-3"] {
        let found = queues.get_queue(&queue(id)).await.unwrap();
        let token = found.http_target.unwrap().token.unwrap();
        assert_eq!(token.service_account_email, "pusher@demo.example");
        assert_eq!(token.audience, "orders");
    }
    assert_eq!(sent(&queues, "orders-notifier").await, None);
    let workers = workers(&place).await;
    let told = |name| variable(&workers, name).unwrap_or_default();
    assert_eq!(told("OIDC_AUDIENCES"), "former,orders");
    assert_eq!(told("OIDC_SERVICE_ACCOUNT_EMAILS"), "pusher@demo.example");
    reason(&place, "PushesUnauthenticated", "TokensDemanded").await;
    reason(&place, "PushesRefused", "WorkersNotAsked").await;
    // It has come to rest.
    let before = place.writes("").await;
    place.rounds_pass("orders", 2).await;
    assert_eq!(place.writes("").await, before);
}

#[tokio::test]
async fn a_token_is_turned_on_and_off_without_a_refused_push() {
    let args = ["--address-delay", "1s"];
    let (place, _emulator, queues) = Place::with("on-off", &args).await;
    place.apply(&public("")).await;
    place.settle("orders").await;
    reason(&place, "PushesUnauthenticated", "NoTokenDemanded").await;

    place.apply(&with_audiences("orders")).await;
    reason(&place, "PushesUnauthenticated", "TokenNotDemandedYet").await;
    told(&place, Some("orders")).await;
    assert_eq!(sent(&queues, "incoming").await.as_deref(), Some("orders"));
    place.settle("orders").await;
    reason(&place, "PushesUnauthenticated", "TokensDemanded").await;

    // One that is slow to end.
    let pods = pod(&place, "former").await;
    place.apply(&public("")).await;
    told(&place, None).await;
    place
        .status("orders", "a wait for the former pod", |status| {
            let said = condition(status, "QueuesReady");
            said.is_some_and(|(_, _, sentence)| sentence.contains("stops sending a token once"))
        })
        .await;
    assert_eq!(sent(&queues, "incoming").await.as_deref(), Some("orders"));
    let at_once = DeleteParams::default().grace_period(0);
    pods.delete("former", &at_once).await.unwrap();
    place.settle("orders").await;
    assert_eq!(sent(&queues, "incoming").await, None);
}

#[tokio::test]
async fn an_audience_changes_while_both_are_accepted() {
    let args = ["--address-delay", "1s"];
    let (place, _emulator, queues) = Place::with("audience", &args).await;
    place.apply(&with_audiences("old")).await;
    place.settle("orders").await;
    let pods = pod(&place, "former").await;

    place.apply(&with_audiences("new")).await;
    told(&place, Some("new,old")).await;
    place
        .status("orders", "a wait for the former pod", |status| {
            let said = condition(status, "QueuesReady");
            said.is_some_and(|(_, _, sentence)| {
                sentence.contains("every worker of stage fast accepts that")
            })
        })
        .await;
    assert_eq!(sent(&queues, "incoming").await.as_deref(), Some("old"));
    let at_once = DeleteParams::default().grace_period(0);
    pods.delete("former", &at_once).await.unwrap();
    told(&place, Some("new")).await;
    assert_eq!(sent(&queues, "incoming").await.as_deref(), Some("new"));
    place.settle("orders").await;
}

/// A real worker of the first stage, on an address of its own as pods have one.
fn worker(deployment: &Deployment, ip: &str) -> Process {
    let pod = deployment.spec.as_ref().unwrap().template.spec.as_ref();
    let told = pod.unwrap().containers[0].env.iter().flatten();
    let mut variables: BTreeMap<String, String> = told
        .map(|it| (it.name.clone(), it.value.clone().unwrap_or_default()))
        .collect();
    variables.insert("LISTEN_ADDR".into(), format!("{ip}:9480"));
    variables.insert("ADMIN_ADDR".into(), format!("{ip}:9481"));
    variables.insert("DRAIN_DELAY".into(), "0s".into());
    let mut command = Command::new(binary("executor-worker"));
    command.envs(variables);
    Process::spawn(&command)
}

#[tokio::test]
async fn refused_pushes_are_reported_in_the_status() {
    // Of the loopback range, and nobody else's.
    let ip = "127.11.7.3";
    let args = ["--refusal-poll-interval", "200ms"];
    let (place, _emulator, _queues) = Place::with("refused", &args).await;
    let only = with_audiences("orders").replace(
        "  - {name: middle, queue: incoming-2, maxAttempts: 2}\n",
        "",
    );
    let only = only.split("  - {name: slow").next().unwrap().to_owned();
    place.apply(&only).await;
    place.settle("orders").await;
    let worker = worker(&workers(&place).await, ip);
    let pods = pod(&place, "orders-fast-1").await;
    let status = Patch::Merge(
        json!({"status": {"podIP": ip, "phase": "Running", "conditions": [
            {"type": "Ready", "status": "True"},
        ]}}),
    );
    let parameters = PatchParams::default();
    let patched = pods.patch_status("orders-fast-1", &parameters, &status);
    patched.await.unwrap();
    // Any edit has the pods looked at.
    place.rounds_pass("orders", 1).await;
    reason(&place, "PushesRefused", "NoneRefused").await;

    // What is no push is not told of.
    let pushed = format!("{ip}:9480");
    assert!(http("GET", &pushed, "/").await.starts_with("HTTP/1.1 500"));
    let head = "/ HTTP/1.1\r\nX-CloudTasks-QueueName: incoming\r\nX: ";
    assert!(
        http("POST", &pushed, head)
            .await
            .starts_with("HTTP/1.1 500")
    );
    reason(&place, "PushesRefused", "TokensRefused").await;
    let status = place.chains().get("orders").await.unwrap().status.unwrap();
    let (_, _, sentence) = condition(&status, "PushesRefused").unwrap();
    assert!(sentence.contains(": incoming (missing). "), "{sentence}");

    // Nothing is claimed of one that doesn't answer.
    worker.kill9();
    reason(&place, "PushesRefused", "WorkersNotAsked").await;
}
