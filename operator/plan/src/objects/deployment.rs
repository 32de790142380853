//! The Deployment of a stage: the worker as its main container, the user's handlers beside it.

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, HTTPGetAction, PodSpec, PodTemplateSpec, Probe, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use serde_json::json;
use worker_contract::limits::AROUND_A_RUN;
use worker_contract::{admin_paths, ports};

use super::names::{self, is_applied};
use super::worker_env::{RetiredQueues, WORKER, keep_hand_overs, worker_env};
use crate::model::{ChainView, Desired, DesiredStage, RequiredToken, merge};
use crate::objects::ownership::owns_field;

/// How long a new pod must be ready before an old one is terminated. A handler without a probe is
/// ready from its start; one that crashes right away replaces no old pod.
const MIN_READY_SECONDS: i32 = 5;

/// The user of the worker's image.
const WORKER_USER: i64 = 65532;

/// The Deployment of the stage at `index`, whose workers require `required`.
pub fn deployment(
    view: ChainView<'_>,
    index: usize,
    retired: &RetiredQueues,
    required: Option<&RequiredToken>,
) -> Deployment {
    let ChainView { desired, observed } = view;
    let stage = &desired.stages[index];
    // Replicas that the spec no longer names would fall back to the API server's default of one pod.
    // So they stay as they are until another manager sets them. A renamed stage begins with as many
    // as it had.
    let former = || {
        let renamed = view.renamed_stages().into_iter();
        let mut former = renamed.filter(|it| it.queue == stage.queue);
        former.find_map(|it| observed.deployments.get(&it.deployment))
    };
    let kept = observed
        .deployments
        .get(&stage.child)
        .map_or_else(former, |found| {
            Some(found).filter(|it| owns_field(&it.metadata, &["spec", "replicas"]))
        });
    let kept = kept.and_then(|kept| kept.spec.as_ref()?.replicas);
    let mut deployment = Deployment {
        metadata: names::metadata(
            desired,
            stage,
            desired.worker_template.deployment_metadata.as_ref(),
        ),
        spec: Some(DeploymentSpec {
            replicas: stage.replicas.or(kept),
            selector: LabelSelector {
                match_labels: Some(names::selector(&desired.name, &stage.name)),
                match_expressions: None,
            },
            // Never fewer pods than the spec says: a push that reaches none lengthens its task's
            // backoff.
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            min_ready_seconds: Some(MIN_READY_SECONDS),
            template: template(desired, stage, worker(desired, index, retired, required)),
            ..DeploymentSpec::default()
        }),
        status: None,
    };
    annotate(&mut deployment, stage.queue.to_string());
    deployment
}

/// The same Deployment with the hand-overs of `found`; `None` if that is no change.
pub(crate) fn with_former_hand_overs(
    wanted: &Deployment,
    found: &Deployment,
) -> Option<Deployment> {
    let mut deployment = wanted.clone();
    let annotations = deployment.annotations_mut();
    annotations.remove(names::HASH_ANNOTATION);
    let queue = annotations.remove(names::QUEUE_ANNOTATION)?;
    // No annotations, as before the hash was made: it differs from an empty map's.
    deployment.metadata.annotations.take_if(|it| it.is_empty());
    let template = &mut deployment.spec.as_mut()?.template;
    let mut containers = template.spec.as_mut()?.containers.iter_mut();
    let worker = containers.find(|container| container.name == WORKER)?;
    let former = found.spec.as_ref()?.template.spec.as_ref()?;
    keep_hand_overs(worker.env.as_mut()?, former);
    annotate(&mut deployment, queue);
    (!is_applied(found, &deployment)).then_some(deployment)
}

fn annotate(deployment: &mut Deployment, queue: String) {
    let applied = names::applied(deployment);
    let ours = [(names::QUEUE_ANNOTATION.to_owned(), queue), applied];
    deployment.annotations_mut().extend(ours);
}

/// The user's template with the worker put in. The handlers become native sidecars: they start
/// before the worker, and get their SIGTERM only when it has drained.
fn template(desired: &Desired, stage: &DesiredStage, worker: Container) -> PodTemplateSpec {
    let mut template = stage.template.clone();
    let metadata = template.metadata.get_or_insert_default();
    metadata
        .labels
        .get_or_insert_default()
        .extend(names::labels(desired, stage));
    let spec = template.spec.get_or_insert_with(PodSpec::default);
    let sidecars = std::mem::take(&mut spec.containers)
        .into_iter()
        .map(|mut handler| {
            handler.restart_policy = Some("Always".into());
            handler
        });
    spec.init_containers
        .get_or_insert_default()
        .extend(sidecars);
    spec.init_containers
        .take_if(|containers| containers.is_empty());
    spec.containers = vec![worker];
    // The worker talks to Cloud Tasks, not to the API server.
    spec.automount_service_account_token.get_or_insert(false);
    let grace = (desired.drain_delay + stage.timeout + AROUND_A_RUN).as_secs();
    let grace = i64::try_from(grace).unwrap_or(i64::MAX);
    let asked = spec.termination_grace_period_seconds.unwrap_or_default();
    spec.termination_grace_period_seconds = Some(grace.max(asked));
    template
}

fn worker(
    desired: &Desired,
    index: usize,
    retired: &RetiredQueues,
    required: Option<&RequiredToken>,
) -> Container {
    let template = &desired.worker_template;
    let mut env = worker_env(desired, index, retired, required);
    env.extend(template.env.iter().cloned());
    Container {
        name: WORKER.into(),
        image: Some(desired.worker_image.clone()),
        env: Some(env),
        ports: Some(vec![
            port("tasks", ports::PUSHES),
            port("admin", ports::ADMIN),
        ]),
        readiness_probe: Some(probe(admin_paths::READINESS, 2)),
        liveness_probe: Some(probe(admin_paths::LIVENESS, 10)),
        resources: template.resources.clone(),
        volume_mounts: (!template.volume_mounts.is_empty()).then(|| template.volume_mounts.clone()),
        security_context: Some(security_context(
            template.security_context.as_ref(),
            desired.stages[index].template.spec.as_ref(),
        )),
        ..Container::default()
    }
}

/// What the Pod Security Standard restricted demands, and no user ID: a cluster may choose one. Unless
/// the pod's is root, which this refuses. A field of `template` replaces it.
pub(super) fn security_context(
    template: Option<&SecurityContext>,
    pod: Option<&PodSpec>,
) -> SecurityContext {
    let pod = pod.and_then(|pod| pod.security_context.as_ref());
    let is_root = pod.and_then(|pod| pod.run_as_user) == Some(0);
    let mut context = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    if is_root {
        context["runAsUser"] = json!(WORKER_USER);
    }
    merge(&mut context, json!(template.cloned().unwrap_or_default()));
    serde_json::from_value(context).expect("both are security contexts, and so is their merge")
}

pub(super) fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        container_port: i32::from(number),
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    }
}

pub(super) fn probe(path: &str, period_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String("admin".into()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        ..Probe::default()
    }
}
