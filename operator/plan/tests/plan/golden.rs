//! What is planned in each situation, as text: the behavior that a reviewer reads.

use crate::world::{
    ORDERS, Transcript, apply, chain, default_queue, desired, foreign_deployment, planned,
    queue_mut, queue_path, settings, settle, settled, status,
};
use cloudtasks::QueueState;
use crds::conditions::Reason;
use crds::{DeletionPolicy, ExecutorChainStatus};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;
use plan::objects::queue_settings::settings_hash;
use plan::objects::worker_env::variable;
use plan::{Deletion, Desired, LocationQueues, Observed, Plan, Problem, Settings, plan_deletion};
use serde_json::json;

/// The plans of an edit, from a settled world; afterwards nothing is left to do.
fn edit(from: &str, to: &str, before: impl FnOnce(&mut Observed)) -> String {
    let mut observed = settled(from);
    before(&mut observed);
    transcript(&settle(&mut observed, &desired(to)))
}

/// What is done, a paragraph for each round that does something.
fn transcript(plans: &[Plan]) -> String {
    let plans: Vec<String> = plans.iter().map(ToString::to_string).collect();
    plans.join("\n")
}

pub fn deletion(yaml: &str, observed: &Observed) -> Plan {
    ending(Deletion::ByPolicy(DeletionPolicy::Retain), yaml, observed)
}

fn ending(deletion: Deletion, yaml: &str, observed: &Observed) -> Plan {
    let desired = desired(yaml);
    plan_deletion(
        deletion,
        &desired.queue_owner,
        desired.owner.as_ref(),
        observed,
    )
}

/// The orders with one more field in their spec.
pub fn with_field(field: &str) -> String {
    add_field(ORDERS, field)
}

pub fn add_field(yaml: &str, field: &str) -> String {
    let project = "  project: my-project\n";
    yaml.replace(project, &format!("{project}  {field}\n"))
}

pub fn with(from: &str, to: &str) -> String {
    assert!(ORDERS.contains(from), "{from}");
    ORDERS.replace(from, to)
}

#[test]
fn a_new_chain_gets_queues_and_workers() {
    let mut observed = Observed::default();
    let first = planned(ORDERS, &observed).unwrap();
    insta::assert_snapshot!(first.to_string());
    apply(&mut observed, &first);
    assert!(planned(ORDERS, &observed).unwrap().is_empty());
}

#[test]
fn a_stage_has_a_deployment_and_a_service() {
    let observed = settled(ORDERS);
    let yaml = |name: &str| {
        let mut deployment = observed.deployments[name].clone();
        let mut service = observed.services[name].clone();
        deployment.metadata.managed_fields = None;
        service.metadata.managed_fields = None;
        deployment.status = None;
        let deployment = serde_saphyr::to_string(&deployment).unwrap();
        let service = serde_saphyr::to_string(&service).unwrap();
        format!("{deployment}---\n{service}")
    };
    insta::assert_snapshot!(yaml("orders-fast"));
}

/// Edits of the orders, each with the plans that it leads to.
macro_rules! edits {
    ($($test:ident: $to:expr;)*) => {
        $(#[test]
        fn $test() {
            insta::assert_snapshot!(edit(ORDERS, &$to, |_| ()));
        })*
    };
}

edits! {
    a_rate_is_lowered: with("maxDispatchesPerSecond: 500", "maxDispatchesPerSecond: 20");
    attempts_are_lowered: with("maxAttempts: 3", "maxAttempts: 1");
    a_stage_is_added_in_the_middle: with(
        "  - name: slow",
        "  - {name: middle, queue: incoming-middle, maxAttempts: 1}\n  - name: slow",
    );
    a_stage_is_removed: ORDERS.split("  - name: slow").next().unwrap();
    stages_change_places: {
        let to = with("- name: fast", "- name: slow").replace(
            "- name: slow\n    queue: incoming-2",
            "- name: fast\n    queue: incoming",
        );
        to.replacen("queue: incoming\n", "queue: incoming-2\n", 1)
    };
    a_pause_does_not_wait_for_a_queue_that_is_missing: {
        let to = with("maxAttempts: 3", "maxAttempts: 3\n    paused: true");
        format!("{to}  - {{name: third, queue: incoming-3, maxAttempts: 1}}\n")
    };
}

#[test]
fn a_limit_that_the_spec_no_longer_sets_stays() {
    let to = with("rateLimits: {maxDispatchesPerSecond: 10}", "rateLimits: {}");
    insta::assert_snapshot!(edit(ORDERS, &to, |_| ()), @"");
}

#[test]
fn a_queue_with_limited_attempts_is_adopted() {
    let mut observed = Observed::default();
    let mut queue = default_queue(queue_path("incoming"));
    queue.max_attempts = 5;
    queue.max_retry_duration = Some(std::time::Duration::from_mins(10));
    observed.queues.insert(queue);
    insta::assert_snapshot!(planned(ORDERS, &observed).unwrap().to_string());
}

#[test]
fn limited_attempts_set_by_hand_are_drift() {
    let plan = edit(ORDERS, ORDERS, |observed| {
        queue_mut(observed, "incoming").max_attempts = 7;
    });
    insta::assert_snapshot!(plan);
}

#[test]
fn workers_still_look_up_the_former_notifiers_queue() {
    let to = with("queue: orders-notifier", "queue: other-notifier");
    let mut observed = settled(ORDERS);
    let change = planned(&to, &observed).unwrap();
    insta::assert_snapshot!(change.to_string());
    apply(&mut observed, &change);
    assert!(planned(&to, &observed).unwrap().is_empty());
    let told = |name| variable(&observed.deployments["orders-fast"], name);
    let old = queue_path("orders-notifier").to_string();
    assert_eq!(told("RETIRED_NOTIFIER_QUEUES"), Some(old));
    assert_eq!(
        told("NOTIFIER_QUEUE"),
        Some(queue_path("other-notifier").to_string())
    );
}

#[test]
fn a_stage_is_paused_by_the_spec_and_resumed() {
    let mut transcript = Transcript::default();
    let paused = with("maxAttempts: 3", "maxAttempts: 3\n    paused: true");
    transcript.add("paused: true", &edit(ORDERS, &paused, |_| ()));
    transcript.add("without paused", &edit(&paused, ORDERS, |_| ()));
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn a_pause_made_outside_stays_until_the_spec_says_otherwise() {
    let mut transcript = Transcript::default();
    let pause = |observed: &mut Observed| {
        queue_mut(observed, "incoming").state = QueueState::Paused;
    };
    transcript.add("the spec says nothing", &edit(ORDERS, ORDERS, pause));
    let resumed = with("maxAttempts: 3", "maxAttempts: 3\n    paused: false");
    transcript.add("paused: false", &edit(ORDERS, &resumed, pause));
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn a_deployment_that_was_changed_by_hand_is_restored() {
    let plan = edit(ORDERS, ORDERS, |observed| {
        let deployment = observed.deployments.get_mut("orders-fast").unwrap();
        deployment.spec.as_mut().unwrap().replicas = Some(0);
        // The manager that changes a field owns it from then on.
        let ours = &mut deployment.metadata.managed_fields.as_mut().unwrap()[0];
        ours.fields_v1 = Some(FieldsV1(json!({
            "f:metadata": {},
            "f:spec": {"f:selector": {}, "f:strategy": {}, "f:template": {}},
        })));
    });
    insta::assert_snapshot!(plan);
}

#[test]
fn a_foreign_header_stays_on_the_queue() {
    let to = with("maxAttempts: 2", "maxAttempts: 2\n    paused: true");
    let theirs = |observed: &mut Observed| {
        for id in ["incoming", "incoming-2"] {
            let queue = queue_mut(observed, id);
            let headers = &mut queue.http_target.as_mut().unwrap().headers;
            headers.insert("x-team".into(), "shop".into());
        }
    };
    insta::assert_snapshot!(edit(ORDERS, &to, theirs));
}

#[test]
fn a_stage_of_another_chain_is_refused_as_a_notifiers_queue() {
    let elsewhere = with("name: orders,", "name: parcels,");
    let observed = settled(&elsewhere);
    let to = ORDERS
        .replace("queue: orders-notifier", "queue: incoming")
        .replace("queue: incoming\n", "queue: other\n");
    assert_refused(
        &to,
        &observed,
        Reason::QueueOwnedByAnother,
        "cluster-a/shop/parcels",
    );
}

/// A client changes a rate and the attempts of a queue that was as the spec says.
fn meddle(observed: &mut Observed) {
    observed.was_in_force = true;
    let queue = queue_mut(observed, "incoming");
    queue.max_dispatches_per_second = 7.0;
    queue.max_attempts = 5;
}

#[test]
fn the_first_of_two_chains_sets_the_limits_of_a_shared_notifiers_queue() {
    let limits = "task-events', rateLimits: {maxDispatchesPerSecond: RATE}}";
    let orders = with("task-events'}", &limits.replace("RATE", "50"));
    let mut observed = settled(&orders);
    let parcels = orders
        .replace("name: orders,", "name: parcels,")
        .replace("uid: 1f0c", "uid: 2f0c")
        .replace("queue: incoming", "queue: parcels")
        .replace("Second: 50}", "Second: 10}");
    let mut theirs = Observed {
        queues: observed.queues.clone(),
        ..Observed::default()
    };
    let first = planned(&parcels, &theirs).unwrap();
    apply(&mut theirs, &first);
    let rate = |observed: &Observed| {
        let queue = observed.queues.get(&queue_path("orders-notifier")).unwrap();
        queue.max_dispatches_per_second
    };
    assert!((rate(&theirs) - 50.0).abs() < f64::EPSILON);
    // Nothing to undo, in either direction, and the second says why it isn't as its spec says.
    assert!(planned(&parcels, &theirs).unwrap().is_empty());
    observed.queues.clone_from(&theirs.queues);
    let again = planned(&orders, &observed).unwrap();
    assert!(again.is_empty(), "{again}");
    insta::assert_snapshot!(said(&parcels, &theirs, "QueuesReady"), @"QueueOwnedByAnother: the notifier's queue orders-notifier is shared with chain cluster-a/shop/orders (cluster/namespace/name), which used it first and alone sets its limits: omit notifier.rateLimits, use the values that the queue has, or use another queue");
    // When the first goes, the second may.
    let end = deletion(&orders, &observed);
    apply(&mut observed, &end);
    theirs.queues = observed.queues;
    let then = planned(&parcels, &theirs).unwrap();
    apply(&mut theirs, &then);
    assert!((rate(&theirs) - 10.0).abs() < f64::EPSILON);
}

#[test]
fn the_settings_hash_survives_a_failed_read() {
    let good = seen(ORDERS, &settled(ORDERS));
    assert!(good.queues_hash.is_some());
    let away = Problem::new(Reason::CloudTasksAway, "away");
    let now = jiff::Timestamp::UNIX_EPOCH;
    let blind = plan::status(&good, None, None, Some(&away), now);
    assert_eq!(sentence(&blind, "Drifted"), "CloudTasksAway: unknown: away");
    assert_eq!(blind.queues_hash, good.queues_hash);
    // Another rate is an edit, another number of attempts doesn't concern the queues.
    let rate = with("maxDispatchesPerSecond: 500", "maxDispatchesPerSecond: 20");
    assert_ne!(seen(&rate, &settled(&rate)).queues_hash, good.queues_hash);
    let attempts = with("maxAttempts: 3", "maxAttempts: 4");
    assert_eq!(
        seen(&attempts, &settled(&attempts)).queues_hash,
        good.queues_hash
    );
}

#[test]
fn what_the_operator_itself_writes_on_queues_is_not_in_the_settings_hash() {
    let orders = desired(ORDERS);
    let elsewhere = Settings {
        cluster: "cluster-b".into(),
        ..settings()
    };
    let elsewhere = Desired::new(&chain(ORDERS), &elsewhere).unwrap();
    assert_ne!(orders.queue_owner, elsewhere.queue_owner);
    assert_eq!(settings_hash(&orders), settings_hash(&elsewhere));
    // Another text: an upgrade would overwrite each limit that was set by hand under driftPolicy Report.
    insta::assert_snapshot!(settings_hash(&orders), @"9cd55f8c");
    let notifier = "task-events'";
    for (from, to) in [
        ("queue: incoming-2", "queue: incoming-3"),
        ("queue: orders-notifier", "queue: ends"),
        ("500", "400"),
        ("100ms", "200ms"),
        (
            notifier,
            "task-events', rateLimits: {maxDispatchesPerSecond: 5}",
        ),
        (
            "\n  stages:",
            "\n  push: {url: 'https://{stage}.push.example.com'}\n  stages:",
        ),
    ] {
        assert_ne!(
            settings_hash(&desired(&with(from, to))),
            settings_hash(&orders),
            "{to}"
        );
    }
    let public = with(
        "\n  stages:",
        "\n  push: {url: 'https://{stage}.push.example.com'}\n  oidc: {serviceAccountEmail: a@b.example, audiences: [c]}\n  stages:",
    );
    for (from, to) in [("a@b", "b@b"), ("[c]", "[d]")] {
        let other = desired(&public.replace(from, to));
        assert_ne!(
            settings_hash(&other),
            settings_hash(&desired(&public)),
            "{to}"
        );
    }
}

#[test]
fn drift_is_corrected_or_reported() {
    insta::assert_snapshot!(edit(ORDERS, ORDERS, meddle));
    let report = with_field("driftPolicy: Report");
    insta::assert_snapshot!(edit(&report, &report, meddle), @"update queue incoming (unlimited attempts): the queue would delete tasks, or differs from the spec");
    let mut observed = settled(&report);
    meddle(&mut observed);
    insta::assert_snapshot!(said(&report, &observed, "Drifted"), @"QueueChanged: incoming has rate 7/s, attempts 5, the spec says rate 500/s, unlimited attempts; driftPolicy is Report, so rates, concurrency and backoff stay as they are");
    observed.was_in_force = false;
    insta::assert_snapshot!(said(&report, &observed, "Drifted"), @"NoDrift: no queue was changed outside the operator");
}

#[test]
fn fields_of_others_and_normalized_amounts_are_no_difference() {
    let from = with(
        "image: 'shop:1'",
        "image: 'shop:1', resources: {limits: {cpu: 1000m}}",
    );
    let plan = edit(&from, &from, |observed| {
        let deployment: &mut Deployment = observed.deployments.get_mut("orders-fast").unwrap();
        let annotations = deployment.metadata.annotations.as_mut().unwrap();
        annotations.insert("deployment.kubernetes.io/revision".into(), "1".into());
        let json = serde_json::to_string(deployment).unwrap();
        *deployment = serde_json::from_str(&json.replace("\"1000m\"", "\"1\"")).unwrap();
    });
    insta::assert_snapshot!(plan, @"");
}

#[test]
fn a_chain_is_deleted_and_applied_again() {
    let mut transcript = Transcript::default();
    let mut observed = settled(ORDERS);
    let end = deletion(ORDERS, &observed);
    transcript.add("deleted", &end);
    apply(&mut observed, &end);
    assert!(deletion(ORDERS, &observed).is_empty());
    let again = planned(ORDERS, &observed).unwrap();
    transcript.add("applied again", &again);
    apply(&mut observed, &again);
    assert!(planned(ORDERS, &observed).unwrap().is_empty());
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn queues_are_deleted_by_the_policy_delete() {
    let observed = settled(ORDERS);
    insta::assert_snapshot!(
        ending(
            Deletion::ByPolicy(DeletionPolicy::Delete),
            ORDERS,
            &observed
        )
        .to_string()
    );
}

#[test]
fn an_orphaned_chain_is_adopted_when_it_is_applied_again() {
    let mut observed = settled(ORDERS);
    let end = ending(
        Deletion::ByPolicy(DeletionPolicy::Orphan),
        ORDERS,
        &observed,
    );
    insta::assert_snapshot!(end.to_string());
    apply(&mut observed, &end);
    assert_eq!(observed.deployments.len(), 2);
    let again = planned(ORDERS, &observed).unwrap();
    apply(&mut observed, &again);
    assert!(planned(ORDERS, &observed).unwrap().is_empty());
}

#[test]
fn a_chain_whose_queues_cant_be_read_is_deleted_nevertheless() {
    let mut observed = settled(ORDERS);
    observed.queues = LocationQueues::default();
    let deleted = ending(Deletion::WithoutQueues, ORDERS, &observed);
    insta::assert_snapshot!(deleted.to_string());
}

#[test]
fn a_renamed_stage_keeps_its_queue() {
    let to = with("name: fast", "name: quick");
    insta::assert_snapshot!(edit(ORDERS, &to, |_| ()));
    let mut observed = settled(ORDERS);
    let renamed = planned(&to, &observed).unwrap();
    apply(&mut observed, &renamed);
    let status = seen(&to, &observed);
    assert_eq!(status.draining, None, "its queue is a live one");
    insta::assert_snapshot!(sentence(&status, "Draining"), @"StageRemoved: former workers of renamed stages, which are deleted once their queues push to the new workers: orders-fast");
}

#[test]
fn a_stage_that_was_paused_and_is_removed_drains() {
    let paused = with("maxAttempts: 2", "maxAttempts: 2\n    paused: true");
    let without = ORDERS.split("  - name: slow").next().unwrap();
    insta::assert_snapshot!(edit(&paused, without, |_| ()));
    // A pause made outside stays, and is reported.
    let mut observed = settled(ORDERS);
    let pause = queue_mut(&mut observed, "incoming-2");
    pause.state = QueueState::Paused;
    let status = seen(without, &observed);
    assert_eq!(status.paused.as_deref(), Some("incoming-2"));
    insta::assert_snapshot!(sentence(&status, "Draining"), @"StageRemoved: incoming-2 drains once no other worker can hand tasks over to it");
}

#[test]
fn the_queues_of_removed_stages_are_known_after_the_chain_is_applied_again() {
    let without = ORDERS.split("  - name: slow").next().unwrap();
    let mut observed = settled(ORDERS);
    let removal = planned(without, &observed).unwrap();
    apply(&mut observed, &removal);
    let end = deletion(without, &observed);
    apply(&mut observed, &end);
    let again = planned(without, &observed).unwrap();
    apply(&mut observed, &again);
    let lookup = variable(&observed.deployments["orders-fast"], "LOOKUP_QUEUES").unwrap();
    assert!(lookup.contains("incoming-2"), "{lookup}");
    let status = seen(without, &observed);
    insta::assert_snapshot!(sentence(&status, "Draining"), @"StageRemoved: incoming-2 drains once no other worker can hand tasks over to it");
    insta::assert_snapshot!(sentence(&status, "Paused"), @"PausedByOperator: paused by the operator until a worker of the stage is ready: incoming, incoming-2");
}

#[test]
fn a_queue_that_carried_notifications_is_refused_as_a_stages_queue() {
    let moved = with("queue: orders-notifier", "queue: other-notifier");
    let mut observed = settled(ORDERS);
    let edit = planned(&moved, &observed).unwrap();
    apply(&mut observed, &edit);
    let taken = format!("{moved}  - {{name: third, queue: orders-notifier, maxAttempts: 1}}\n");
    assert_refused(
        &taken,
        &observed,
        Reason::QueueOwnedByAnother,
        "stage third",
    );
}

#[test]
fn replicas_that_the_spec_no_longer_names_stay_as_they_are() {
    let to = with("    replicas: 2\n", "");
    insta::assert_snapshot!(edit(ORDERS, &to, |_| ()), @"");
}

#[test]
fn changed_defaults_of_the_operator_are_refused_with_their_names() {
    let observed = settled(ORDERS);
    let to = with("location: europe-west1", "location: europe-west3");
    assert_refused(
        &to,
        &observed,
        Reason::InvalidSpec,
        "operator's defaults are now",
    );
}

#[test]
fn healthy_workers_that_are_not_up_to_date_are_not_ready() {
    let mut observed = settled(ORDERS);
    let holds = |status: &ExecutorChainStatus| {
        let mut conditions = status.conditions.iter();
        let found = conditions.find(|it| it.type_ == "WorkersReady").unwrap();
        (found.status.clone(), status.stages[0].workers_up_to_date)
    };
    for deployment in observed.deployments.values_mut() {
        let replicas = deployment.spec.as_ref().unwrap().replicas.or(Some(1));
        deployment.status = Some(DeploymentStatus {
            replicas,
            updated_replicas: replicas,
            ready_replicas: replicas,
            ..DeploymentStatus::default()
        });
    }
    assert_eq!(holds(&seen(ORDERS, &observed)), ("True".into(), true));
    let edited = with("maxAttempts: 3", "maxAttempts: 5");
    assert_eq!(holds(&seen(&edited, &observed)), ("False".into(), false));
}

/// The status of what was seen.
pub fn seen(yaml: &str, observed: &Observed) -> ExecutorChainStatus {
    status(&ExecutorChainStatus::default(), &desired(yaml), observed)
}

/// The reason and the message of a condition, in the status of what was seen.
pub fn said(yaml: &str, observed: &Observed, kind: &str) -> String {
    sentence(&seen(yaml, observed), kind)
}

/// That a manifest is refused for this reason, with a message that has these words.
#[track_caller]
pub fn assert_refused(yaml: &str, observed: &Observed, reason: Reason, words: &str) {
    let problem = planned(yaml, observed).unwrap_err();
    assert_eq!(problem.reason, reason);
    assert!(problem.message.contains(words), "{problem}");
}

pub fn sentence(status: &ExecutorChainStatus, kind: &str) -> String {
    let mut conditions = status.conditions.iter();
    let found = conditions
        .find(|condition| condition.type_ == kind)
        .unwrap();
    format!("{}: {}", found.reason, found.message)
}

#[test]
fn a_queue_of_another_chain_is_refused_with_its_name_and_left_alone_at_the_end() {
    let elsewhere = with("name: orders,", "name: parcels,");
    let mut observed = settled(&elsewhere);
    observed.deployments.clear();
    observed.services.clear();
    assert_refused(
        ORDERS,
        &observed,
        Reason::QueueOwnedByAnother,
        "cluster-a/shop/parcels",
    );
    let end = deletion(ORDERS, &observed);
    insta::assert_snapshot!(end.to_string());
}

#[test]
fn the_name_of_a_draining_stage_is_refused_for_another_queue() {
    let mut transcript = Transcript::default();
    let without = ORDERS.split("  - name: slow").next().unwrap();
    let mut observed = settled(ORDERS);
    let removal = planned(without, &observed).unwrap();
    apply(&mut observed, &removal);
    let again = format!("{without}  - {{name: slow, queue: other, maxAttempts: 1}}\n");
    assert_refused(
        &again,
        &observed,
        Reason::NameTaken,
        "still serve projects/my-project",
    );
    // With its old queue it just comes back.
    let back = planned(ORDERS, &observed).unwrap();
    transcript.add("the stage is back", &back);
    transcript.add("or the chain is deleted", &deletion(without, &observed));
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn a_name_that_is_taken_is_refused() {
    let observed = Observed {
        deployments: foreign_deployment("orders-slow"),
        ..Observed::default()
    };
    assert_refused(
        ORDERS,
        &observed,
        Reason::NameTaken,
        "Deployment orders-slow",
    );
}
