//! The Deployment of a mover: the worker's program, which carries out one redrive or discard of a chain.

use std::collections::BTreeMap;

use crds::child_name;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::ResourceExt;
use parking::{Action, RedriveOrder};
use worker_contract::env::{CLOUD_TASKS_EMULATOR_HOST, REDRIVE};
use worker_contract::{admin_paths, ports};

use super::deployment::{port, probe, security_context};
use super::names::{self, is_applied};
use super::worker_env::{WORKER, escaped, variable};
use crate::model::{Desired, DesiredStage};

/// The chain whose parked tasks a pod moves. It has no label of the chain itself, by which stages select
/// their pods.
pub const REDRIVE_LABEL: &str = "executor-chain.dev/redrive";

/// What the worker's program is started with, to be a mover.
pub const REDRIVE_ARGUMENT: &str = "redrive";

/// The name of a chain's mover.
pub fn mover_name(chain: &str) -> String {
    child_name(chain, "redrive")
}

/// Whether a Deployment is a mover of this chain, and not another's that has its name.
pub fn is_mover(found: &Deployment, chain: &str) -> bool {
    found.labels().get(REDRIVE_LABEL).map(String::as_str) == Some(chain)
}

/// The UID of the redrive that a mover carries out.
pub fn redrive_of(found: &Deployment) -> Option<&str> {
    let owners = found.metadata.owner_references.iter().flatten();
    let mut owners = owners.filter(|owner| owner.controller == Some(true));
    owners.next().map(|owner| owner.uid.as_str())
}

/// Whether what runs is what was applied last, with its one pod.
pub fn is_as_wanted(found: &Deployment, wanted: &Deployment) -> bool {
    let replicas = found.spec.as_ref().and_then(|spec| spec.replicas);
    is_applied(found, wanted) && replicas == Some(1)
}

/// Whether two movers take tasks from the same queue, and bring them to the same.
pub fn has_same_queues(one: &Deployment, other: &Deployment) -> bool {
    let queues = |it: &Deployment| {
        let order = variable(it, REDRIVE)?;
        let order: RedriveOrder = serde_json::from_str(&order).ok()?;
        let to = match order.action {
            Action::Move(to) => Some(to.to),
            Action::Discard => None,
        };
        Some((order.parked, to))
    };
    queues(one).is_some_and(|it| Some(it) == queues(other))
}

/// The mover that carries out an order, with pods as the workers of `stage` have them.
pub fn mover(
    desired: &Desired,
    stage: &DesiredStage,
    order: &RedriveOrder,
    owner: Option<OwnerReference>,
) -> Deployment {
    let labels = labels(&desired.name);
    let selector = BTreeMap::from([(REDRIVE_LABEL.to_owned(), desired.name.clone())]);
    let added = desired.worker_template.deployment_metadata.clone();
    let added = added.unwrap_or_default();
    let mut all = added.labels;
    all.extend(labels.clone());
    let mut deployment = Deployment {
        metadata: ObjectMeta {
            name: Some(mover_name(&desired.name)),
            namespace: Some(desired.namespace.clone()),
            labels: Some(all),
            annotations: Some(added.annotations).filter(|added| !added.is_empty()),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            selector: LabelSelector {
                match_labels: Some(selector),
                match_expressions: None,
            },
            // Two movers would move at twice the rate.
            strategy: Some(DeploymentStrategy {
                type_: Some("Recreate".into()),
                rolling_update: None,
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(desired, stage, order)),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    };
    let applied = names::applied(&deployment);
    deployment.annotations_mut().extend([applied]);
    deployment
}

fn labels(chain: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (REDRIVE_LABEL.to_owned(), chain.to_owned()),
        ("app.kubernetes.io/name".into(), "executor-redrive".into()),
        (
            "app.kubernetes.io/managed-by".into(),
            "executor-operator".into(),
        ),
    ])
}

/// It runs where the stage's workers may, as whom they do. Nothing of the handlers is in it.
fn pod(desired: &Desired, stage: &DesiredStage, order: &RedriveOrder) -> PodSpec {
    let workers = stage.template.spec.clone().unwrap_or_default();
    PodSpec {
        automount_service_account_token: workers.automount_service_account_token.or(Some(false)),
        containers: vec![container(desired, stage, order)],
        affinity: workers.affinity,
        dns_config: workers.dns_config,
        dns_policy: workers.dns_policy,
        host_aliases: workers.host_aliases,
        image_pull_secrets: workers.image_pull_secrets,
        node_selector: workers.node_selector,
        priority_class_name: workers.priority_class_name,
        runtime_class_name: workers.runtime_class_name,
        scheduler_name: workers.scheduler_name,
        security_context: workers.security_context,
        service_account_name: workers.service_account_name,
        tolerations: workers.tolerations,
        ..PodSpec::default()
    }
}

fn container(desired: &Desired, stage: &DesiredStage, order: &RedriveOrder) -> Container {
    let template = &desired.worker_template;
    let order = serde_json::to_string(order).expect("an order is plain data");
    let variable = |name: &str, value: String| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    };
    let mut env = vec![variable(REDRIVE, escaped(&order))];
    let emulator = desired.emulator_host.clone();
    env.extend(emulator.map(|host| variable(CLOUD_TASKS_EMULATOR_HOST, host)));
    env.extend(template.env.iter().cloned());
    Container {
        name: WORKER.into(),
        image: Some(desired.worker_image.clone()),
        args: Some(vec![REDRIVE_ARGUMENT.into()]),
        env: Some(env),
        ports: Some(vec![port("admin", ports::ADMIN)]),
        readiness_probe: Some(probe(admin_paths::READINESS, 2)),
        liveness_probe: Some(probe(admin_paths::LIVENESS, 10)),
        resources: template.resources.clone(),
        security_context: Some(security_context(
            template.security_context.as_ref(),
            stage.template.spec.as_ref(),
        )),
        ..Container::default()
    }
}
