//! Overrides: in force and gone without an edit of the chain, and each that isn't says why.

use std::time::Duration;

use cloudtasks::{QueueSettings, QueueState};
use crds::ChainOverride;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use testkit::http_get::exchange;
use testkit::{CRD, Emulator, OVERRIDE_CRD, eventually};

use crate::testbed::{ORDERS, RATE, SOON, Testbed, served};

/// Longer than the shortest override.
const LATER: Duration = Duration::from_secs(100);

fn overrides(testbed: &Testbed) -> Api<ChainOverride> {
    Api::namespaced(testbed.client.clone(), &testbed.namespace)
}

/// An override of stage fast for ten minutes, with these fields.
async fn create(testbed: &Testbed, name: &str, fields: Value) -> ChainOverride {
    let mut spec = json!({
        "chain": "orders", "stages": ["fast"], "for": "10m", "reason": "INC-42 provider down",
        "by": "alice@example.com",
    });
    let fields = fields.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(fields);
    let it = json!({
        "apiVersion": "executor-chain.dev/v1alpha1", "kind": "ChainOverride",
        "metadata": {"name": name}, "spec": spec,
    });
    let it: ChainOverride = serde_json::from_value(it).unwrap();
    let created = overrides(testbed).create(&PostParams::default(), &it).await;
    created.unwrap()
}

fn throttle(rate: u32) -> Value {
    json!({"rateLimits": {"maxDispatchesPerSecond": rate}})
}

async fn undo(testbed: &Testbed, name: &str) {
    let ended = json!({"spec": {"ended": true, "endedBy": "bob@example.com"}});
    let (api, parameters) = (overrides(testbed), PatchParams::default());
    let patched = api.patch(name, &parameters, &Patch::Merge(ended)).await;
    patched.unwrap();
}

/// Waits until an override has this condition: `True Applied`, and returns its message.
async fn says(testbed: &Testbed, name: &str, wanted: &str) -> String {
    says_within(testbed, name, wanted, SOON).await
}

async fn says_within(testbed: &Testbed, name: &str, wanted: &str, within: Duration) -> String {
    eventually(wanted, within, async || {
        let found = overrides(testbed)
            .get(name)
            .await
            .map_err(|it| it.to_string())?;
        let status = found.status.unwrap_or_default();
        let said = status.conditions.first();
        let said = said.map(|it| (format!("{} {}", it.status, it.reason), it.message.clone()));
        match said {
            Some((said, message)) if said == wanted => Ok(message),
            other => Err(format!("{other:?}\n{}", testbed.operator.log_tail())),
        }
    })
    .await
}

#[tokio::test]
async fn an_override_is_in_force_and_undone_without_an_edit() {
    let (testbed, _emulator, queues) = served("override", &[], ORDERS).await;
    let before = testbed.chains().get("orders").await.unwrap();
    create(&testbed, "inc-42", throttle(5)).await;
    queues.has_rate("incoming", 5.0).await;
    says(&testbed, "inc-42", "True Applied").await;
    let status = testbed
        .says(
            "orders",
            "Overridden=True OverrideInForce: fast: 400/s, overridden with 5/s until",
        )
        .await;
    assert_eq!(status.overridden.as_deref(), Some("fast by inc-42"));
    let events = events(&testbed, "OverrideBegan").await;
    assert!(
        events.contains("INC-42 provider down, by alice@example.com"),
        "{events}"
    );
    undo(&testbed, "inc-42").await;
    queues.has_rate("incoming", 400.0).await;
    let message = says(&testbed, "inc-42", "False Undone").await;
    assert_eq!(
        message,
        "the override was ended early by bob@example.com, and the chain's own settings are restored"
    );
    testbed.says("orders", "Overridden=False").await;
    self::events(&testbed, "OverrideEnded").await;
    let after = testbed.chains().get("orders").await.unwrap();
    assert_eq!(after.metadata.generation, before.metadata.generation);
    // It is the history.
    let kept = overrides(&testbed).get("inc-42").await.unwrap();
    let status = kept.status.unwrap();
    assert_eq!(status.was[0].max_dispatches_per_second, Some(400.0));
    assert!(status.ended_at.is_some());
}

async fn events(testbed: &Testbed, reason: &str) -> String {
    let selector = format!("reason={reason}");
    let notes = "jsonpath={.items[*].message}";
    eventually(reason, SOON, async || {
        let args = ["get", "events", "--field-selector", &selector, "-o", notes];
        let events = testbed.kubectl(&args).await;
        (!events.stdout.is_empty()).then_some(events.stdout)
    })
    .await
}

#[tokio::test]
async fn a_pause_of_an_override_holds_and_is_lifted() {
    let (testbed, _emulator, queues) = served("override-pause", &[], ORDERS).await;
    create(&testbed, "inc-42", json!({"paused": true, "stages": ["*"]})).await;
    testbed.says("orders", "Paused=True PausedByOverride").await;
    says(&testbed, "inc-42", "True Applied").await;
    for queue in ["incoming", "incoming-2", "incoming-3"] {
        assert_eq!(queues.get(queue).await.state, QueueState::Paused, "{queue}");
    }
    // A deletion ends it too.
    let (api, parameters) = (overrides(&testbed), DeleteParams::default());
    api.delete("inc-42", &parameters).await.unwrap();
    testbed.says("orders", "Paused=False").await;
    let runs = queues.get("incoming").await;
    assert_eq!(runs.state, QueueState::Running);
    let target = runs.http_target.unwrap();
    assert!(!target.headers.contains_key("executor-pause"), "{target:?}");
}

/// The spec says nothing of the concurrency: others may have set it, and get it back.
#[tokio::test]
async fn what_the_spec_leaves_to_others_comes_back() {
    let (testbed, _emulator, queues) = served("override-was", &[], ORDERS).await;
    let by_hand = QueueSettings {
        max_concurrent_dispatches: Some(77),
        ..QueueSettings::default()
    };
    queues.update("incoming", &by_hand).await;
    let limit = json!({"rateLimits": {"maxConcurrentDispatches": 3}});
    create(&testbed, "inc-42", limit).await;
    let has = |count| {
        let has = move |found: &cloudtasks::Queue| found.max_concurrent_dispatches == count;
        queues.becomes("incoming", "another concurrency", has)
    };
    has(3).await;
    undo(&testbed, "inc-42").await;
    let after = has(77).await.http_target.unwrap();
    assert!(
        !after.headers.contains_key("executor-replaced"),
        "{after:?}"
    );
}

/// An operator that starts finds what is in force, and doesn't undo it for a moment; one that was created or
/// that ended meanwhile begins and ends.
#[tokio::test]
async fn overrides_outlive_the_operator() {
    let (mut testbed, _emulator, queues) = served("override-away", &[], ORDERS).await;
    create(&testbed, "short", json!({"for": "1m", "paused": true})).await;
    create(&testbed, "inc-42", throttle(5)).await;
    queues.has_rate("incoming", 5.0).await;
    says(&testbed, "short", "True Applied").await;
    testbed.operator.kill9();
    let fields = json!({"stages": ["slow"], "rateLimits": {"maxDispatchesPerSecond": 2}});
    create(&testbed, "inc-43", fields).await;
    create(
        &testbed,
        "missed",
        json!({"for": "1m", "stages": ["middle"], "paused": true}),
    )
    .await;
    let ended = eventually("the end of the short ones", LATER, async || {
        let missed = overrides(&testbed).get("missed").await.unwrap();
        let begin = missed.metadata.creation_timestamp.unwrap().0;
        jiff::Timestamp::now() > begin + Duration::from_secs(61)
    });
    ended.await;
    let incoming = queues.get("incoming").await;
    assert_eq!(incoming.state, QueueState::Paused);
    testbed.restart().await;
    queues.has_rate("incoming-3", 2.0).await;
    says(&testbed, "inc-43", "True Applied").await;
    let message = says(&testbed, "short", "False Expired").await;
    assert!(message.contains("settings are restored"), "{message}");
    let message = says(&testbed, "missed", "False Expired").await;
    assert!(message.contains("was never in force"), "{message}");
    let incoming = queues.get("incoming").await;
    assert_eq!(incoming.state, QueueState::Running);
    assert!((incoming.max_dispatches_per_second - 5.0).abs() < f64::EPSILON);
    // Since it started, only what has begun and ended was written: nothing of inc-42.
    assert_eq!(
        testbed.writes("update_queue").await,
        2,
        "{:?}",
        testbed.metrics().await
    );
}

/// By itself, with the operator there.
#[tokio::test]
async fn an_override_ends_by_itself() {
    let (testbed, _emulator, queues) = served("override-ends", &[], ORDERS).await;
    let mut fields = throttle(5);
    fields["for"] = json!("1m");
    create(&testbed, "inc-42", fields).await;
    queues.has_rate("incoming", 5.0).await;
    let message = says_within(&testbed, "inc-42", "False Expired", LATER).await;
    assert_eq!(
        message,
        "the override has expired, and the chain's own settings are restored"
    );
    queues.has_rate("incoming", 400.0).await;
}

#[tokio::test]
async fn an_override_of_a_chain_that_does_not_exist_waits_for_it() {
    let (testbed, _emulator, queues) = Testbed::with("override-early", &[]).await;
    create(&testbed, "inc-42", throttle(5)).await;
    let message = says(&testbed, "inc-42", "False ChainNotFound").await;
    assert!(message.contains("has no chain orders"), "{message}");
    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    queues.has_rate("incoming", 5.0).await;
    says(&testbed, "inc-42", "True Applied").await;
    testbed.delete("orders").await;
    let message = says(&testbed, "inc-42", "False ChainDeleted").await;
    assert!(
        message.contains("was deleted while this override was in force"),
        "{message}"
    );
}

/// Other tools and people edit the chain meanwhile.
#[tokio::test]
async fn an_edit_of_the_chain_changes_what_is_under_the_override() {
    let (testbed, _emulator, queues) = served("override-edit", &[], ORDERS).await;
    create(&testbed, "inc-42", throttle(5)).await;
    queues.has_rate("incoming", 5.0).await;
    testbed.apply_with(RATE, "maxDispatchesPerSecond: 15").await;
    let text = "Overridden=True: fast: 15/s, overridden with 5/s until";
    testbed.says("orders", text).await;
    let found = queues.get("incoming").await.max_dispatches_per_second;
    assert!((found - 5.0).abs() < f64::EPSILON, "{found}");
    undo(&testbed, "inc-42").await;
    queues.has_rate("incoming", 15.0).await;
}

/// A queue that another client changes is brought back to what the override says.
#[tokio::test]
async fn drift_is_corrected_to_the_override() {
    let (testbed, _emulator, queues) = served("override-drift", &[], ORDERS).await;
    create(&testbed, "inc-42", throttle(5)).await;
    queues.has_rate("incoming", 5.0).await;
    says(&testbed, "inc-42", "True Applied").await;
    let by_hand = QueueSettings {
        max_dispatches_per_second: Some(100.0),
        ..QueueSettings::default()
    };
    queues.update("incoming", &by_hand).await;
    queues.has_rate("incoming", 5.0).await;
    let notes = events(&testbed, "QueueChanged").await;
    let sentence = "incoming has rate 100/s, the spec and its overrides say rate 5/s";
    assert!(notes.contains(sentence), "{notes}");
}

/// After an upgrade by Helm the CRD of overrides may be missing: chains are served as before.
#[tokio::test]
async fn without_the_crd_of_overrides_chains_are_served() {
    let emulator = Emulator::start().await;
    let testbed = Testbed::on_a_server_of_its_own(Some(CRD), &emulator).await;
    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    let applied = testbed
        .server
        .kubectl_with_input(&["apply", "-f", "-"], OVERRIDE_CRD);
    applied.await.expect_ok();
    eventually("an override that is admitted", SOON, async || {
        let it = json!({
            "apiVersion": "executor-chain.dev/v1alpha1", "kind": "ChainOverride",
            "metadata": {"name": "inc-42"},
            "spec": {
                "chain": "orders", "stages": ["fast"], "for": "10m", "reason": "INC-42",
                "paused": true,
            },
        });
        let args = ["-n", &testbed.namespace, "apply", "-f", "-"];
        let applied = testbed
            .server
            .kubectl_with_input(&args, &it.to_string())
            .await;
        (applied.ok, applied.stderr)
    })
    .await;
    says(&testbed, "inc-42", "True Applied").await;
}

/// POST of JSON to the operator's API.
async fn post(testbed: &Testbed, path: &str, body: &Value) -> (u16, Value) {
    let addr = testbed.admin();
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let addr = addr.parse().unwrap();
    eventually("an answer", SOON, async || {
        let answer = exchange(addr, &request).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).ok()?))
    })
    .await
}

fn steps(reply: &Value) -> Vec<String> {
    let rounds = reply["rounds"].as_array().unwrap().iter();
    let steps = rounds.flat_map(|round| round["steps"].as_array().unwrap());
    steps
        .map(|it| it["step"].as_str().unwrap().to_owned())
        .collect()
}

/// What is planned is what is done, and nothing is done by planning.
#[tokio::test]
async fn an_edit_is_planned_without_being_made() {
    let (testbed, _emulator, queues) = served("plan", &[], ORDERS).await;
    let plan = async |chain: &str, edit: Value| {
        let request = json!({"namespace": testbed.namespace, "chain": chain, "edit": edit});
        post(&testbed, "/api/v1/plan", &request).await
    };
    let spec = json!({
        "chain": "orders", "stages": ["fast"], "for": "10m", "reason": "INC-42",
        "rateLimits": {"maxDispatchesPerSecond": 5}, "replicas": 1,
    });
    let writes = testbed.writes("").await;
    let (status, reply) = plan("orders", json!({"override": spec})).await;
    assert_eq!(status, 200, "{reply}");
    let planned = steps(&reply);
    assert!(
        planned[0].starts_with("update queue incoming (rate 5/s, "),
        "{planned:?}"
    );
    assert_eq!(planned[1..], ["apply deployment orders-fast"]);
    assert_eq!(reply["restarts"], json!([]));
    // The emulator has no numbers of queues, and no pod counts anything.
    let unknown = reply["noEffect"].as_str().unwrap();
    assert!(unknown.starts_with("no forecast: "), "{unknown}");
    testbed.rounds_pass("orders", 2).await;
    assert_eq!(testbed.writes("").await, writes);
    create(&testbed, "inc-42", spec).await;
    queues.has_rate("incoming", 5.0).await;
    says(&testbed, "inc-42", "True Applied").await;
    testbed.settle("orders").await;
    let (status, reply) = plan("orders", json!({"undo": ["inc-42"]})).await;
    assert_eq!(status, 200, "{reply}");
    // The pods come before the pushes.
    let planned = steps(&reply);
    assert_eq!(planned[0], "apply deployment orders-fast");
    let last = planned.last().unwrap();
    assert!(
        last.starts_with("update queue incoming (rate 400/s, "),
        "{planned:?}"
    );
    let wait = reply["rounds"][0]["waits"][0].as_str().unwrap();
    assert!(
        wait.contains("once stage fast has 2 ready workers"),
        "{wait}"
    );
    let mut edited = testbed.chains().get("orders").await.unwrap();
    edited.spec.stages[0].max_attempts = 7;
    let (_, reply) = plan("orders", json!({"spec": edited.spec})).await;
    assert_eq!(steps(&reply), ["apply deployment orders-fast"]);
    assert_eq!(reply["restarts"], json!(["fast"]));
    edited.spec.location = Some("nowhere/else".into());
    let (_, reply) = plan("orders", json!({"spec": edited.spec})).await;
    let refused = reply["refused"].as_str().unwrap();
    assert!(refused.starts_with("InvalidSpec: "), "{refused}");
    for (edit, status, sentence) in [
        (json!({"undo": ["inc-43"]}), 404, "has no override inc-43"),
        (
            json!({"override": {
                "chain": "orders", "stages": ["fasst"], "for": "10m", "reason": "INC-42", "paused": true,
            }}),
            404,
            "has no stage fasst: its stages are fast, middle, slow",
        ),
        (json!({"other": 1}), 422, "unknown variant"),
    ] {
        let (answered, reply) = plan("orders", edit).await;
        assert_eq!(answered, status, "{reply}");
        let error = reply["error"].as_str().unwrap();
        assert!(error.contains(sentence), "{error}");
    }
    let (status, reply) = plan("orderz", json!({"undo": []})).await;
    assert_eq!(status, 404, "{reply}");
}
