//! What the status says where it is easy to say too much: of pauses with several reasons, of workers
//! of other owners, or not as applied.

use cloudtasks::QueueState;
use k8s_openapi::api::apps::v1::DeploymentStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;
use plan::model::queue_headers::PauseReason;
use plan::{Observed, Pod};
use serde_json::json;

use crate::golden::{said, seen, sentence};
use crate::phases::{round, set_ready, state, without_slow};
use crate::world::{ORDERS, desired, foreign_deployment, queue_mut, settle, settled};

#[test]
fn pauses_of_different_origin_are_all_named() {
    let mut observed = settled(ORDERS);
    set_ready(&mut observed, "orders-slow", 0);
    round(&mut observed, ORDERS, 0, 0);
    round(&mut observed, ORDERS, 30, 0);
    let outside = queue_mut(&mut observed, "incoming");
    outside.state = QueueState::Paused;
    insta::assert_snapshot!(said(ORDERS, &observed, "Paused"), @"PausedOutside: paused outside the operator (resume it yourself, or set paused: false on its stage): incoming; paused by the operator until a worker of the stage is ready: incoming-2");
}

#[test]
fn a_drained_queue_of_a_stage_that_is_back_is_paused_until_a_worker_is_ready() {
    let mut observed = settled(ORDERS);
    settle(&mut observed, &desired(without_slow()));
    assert_eq!(seen(without_slow(), &observed).paused, None);
    round(&mut observed, ORDERS, 0, 0);
    assert_eq!(
        state(&observed, "incoming-2"),
        (QueueState::Paused, Some(PauseReason::Drained))
    );
    let status = seen(ORDERS, &observed);
    assert_eq!(status.paused.as_deref(), Some("incoming-2"));
    insta::assert_snapshot!(sentence(&status, "Paused"), @"PausedByOperator: paused by the operator until a worker of the stage is ready: incoming-2");
}

#[test]
fn pods_of_a_foreign_deployment_are_not_counted() {
    let mut observed = Observed {
        deployments: foreign_deployment("orders-slow"),
        ..Observed::default()
    };
    let theirs = observed.deployments.get_mut("orders-slow").unwrap();
    theirs.status = Some(DeploymentStatus {
        ready_replicas: Some(3),
        ..DeploymentStatus::default()
    });
    let ready: Vec<_> = seen(ORDERS, &observed)
        .stages
        .iter()
        .map(|stage| stage.ready_replicas)
        .collect();
    assert_eq!(ready, [Some(0), Some(0)]);
}

#[test]
fn workers_that_were_changed_by_hand_are_not_up_to_date() {
    let mut observed = settled(ORDERS);
    assert!(seen(ORDERS, &observed).stages[0].workers_up_to_date);
    let deployment = observed.deployments.get_mut("orders-fast").unwrap();
    // The manager that changes a field owns it from then on.
    let ours = &mut deployment.metadata.managed_fields.as_mut().unwrap()[0];
    ours.fields_v1 = Some(FieldsV1(json!({
        "f:metadata": {},
        "f:spec": {"f:replicas": {}, "f:selector": {}, "f:strategy": {}},
    })));
    let status = seen(ORDERS, &observed);
    assert!(!status.stages[0].workers_up_to_date);
    insta::assert_snapshot!(sentence(&status, "WorkersReady"), @"PodsNotReady: stages whose pods are not all ready and up to date: fast");
}

#[test]
fn what_keeps_containers_from_running_is_named_once_for_all_pods() {
    let mut observed = settled(ORDERS);
    set_ready(&mut observed, "orders-slow", 0);
    let template = observed.deployments["orders-slow"].spec.clone();
    let template = json!(template.unwrap().template);
    let waiting = |container: &str, reason: &str, message: &str| {
        json!({
            "name": container, "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": message}},
        })
    };
    let pod = |name: &str, pull: &str| {
        let root = format!(
            "container has runAsNonRoot and image will run as root (pod: \"{name}_shop(1f0c)\", container: worker)"
        );
        let pod = json!({
            "metadata": {"name": name, "labels": template["metadata"]["labels"]},
            "spec": template["spec"],
            "status": {
                "initContainerStatuses": [waiting("handler", pull, name)],
                "containerStatuses": [
                    waiting("worker", "CreateContainerConfigError", &root),
                    waiting("extra", "PodInitializing", ""),
                ],
            },
        });
        Pod::of(&serde_json::from_value(pod).unwrap()).unwrap()
    };
    observed.pods = vec![
        pod("orders-slow-1", "ErrImagePull"),
        pod("orders-slow-2", "ImagePullBackOff"),
    ];
    insta::assert_snapshot!(said(ORDERS, &observed, "WorkersReady"), @"PodsNotReady: stages whose pods are not all ready and up to date: slow; stage slow has pods with container handler: ImagePullBackOff; stage slow has pods with container worker: CreateContainerConfigError (container has runAsNonRoot and image will run as root)");
}
