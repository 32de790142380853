//! A world in memory that carries out plans, as Cloud Tasks, the API server and the kubelets would if all
//! goes well.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cloudtasks::queue::{
    DEFAULT_CONCURRENT_DISPATCHES, DEFAULT_DISPATCHES_PER_SECOND, DEFAULT_MAX_BACKOFF,
    DEFAULT_MAX_DOUBLINGS, DEFAULT_MIN_BACKOFF,
};
use cloudtasks::{Queue, QueuePath, QueueSettings, QueueState};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::ResourceExt;
use kube::core::DynamicObject;
use serde_json::json;

use crate::model::{
    Availability, Backlog, ChainView, Desired, GatewayResourceKind, ObjectKind, ObjectName,
    Observed, Plan, Pod, RequiredToken, Step, TimedCondition,
};
use crate::objects::names::{HASH_ANNOTATION, STAGE_LABEL, served_queue};
use crate::objects::ownership::record;
use crate::objects::worker_env::hand_over_targets;
use crate::rules::absence::queues_to_look_up;
use crate::rules::drain::queues_to_count;
use crate::rules::timed_conditions::timed_conditions;

/// A queue as Cloud Tasks makes it when nothing is said.
pub fn default_queue(path: QueuePath) -> Queue {
    Queue {
        path,
        state: QueueState::Running,
        max_dispatches_per_second: DEFAULT_DISPATCHES_PER_SECOND,
        max_concurrent_dispatches: DEFAULT_CONCURRENT_DISPATCHES,
        max_attempts: 100,
        max_retry_duration: None,
        min_backoff: DEFAULT_MIN_BACKOFF,
        max_backoff: DEFAULT_MAX_BACKOFF,
        max_doublings: DEFAULT_MAX_DOUBLINGS,
        http_target: None,
    }
}

fn set(queue: &mut Queue, settings: &QueueSettings) {
    let QueueSettings {
        max_dispatches_per_second,
        max_concurrent_dispatches,
        max_attempts,
        max_retry_duration,
        min_backoff,
        max_backoff,
        max_doublings,
        http_target,
    } = settings.clone();
    queue.max_dispatches_per_second =
        max_dispatches_per_second.unwrap_or(queue.max_dispatches_per_second);
    queue.max_concurrent_dispatches =
        max_concurrent_dispatches.unwrap_or(queue.max_concurrent_dispatches);
    queue.max_attempts = max_attempts.unwrap_or(queue.max_attempts);
    queue.max_retry_duration = max_retry_duration.unwrap_or(queue.max_retry_duration);
    queue.min_backoff = min_backoff.unwrap_or(queue.min_backoff);
    queue.max_backoff = max_backoff.unwrap_or(queue.max_backoff);
    queue.max_doublings = max_doublings.unwrap_or(queue.max_doublings);
    queue.http_target = http_target.or(queue.http_target.take());
}

/// Carries out one step.
pub fn apply_step(observed: &mut Observed, step: &Step) {
    match step {
        Step::AddFinalizer => observed.has_finalizer = true,
        Step::RemoveFinalizer => observed.has_finalizer = false,
        Step::CreateQueue {
            queue: path,
            settings,
        } => {
            if !observed.queues.contains_key(path) {
                let mut queue = default_queue(path.clone());
                set(&mut queue, settings);
                observed.queues.insert(queue);
            }
        }
        Step::UpdateQueue {
            queue: path,
            settings,
        } => {
            if let Some(queue) = observed.queues.get_mut(path) {
                set(queue, settings);
            }
        }
        Step::DeleteQueue { queue } => {
            observed.queues.remove(queue);
            observed.absent_queues.insert(queue.clone());
        }
        Step::Release(object) => {
            if let Some(metadata) = metadata_mut(observed, object) {
                metadata.owner_references = None;
            }
        }
        Step::ApplyGatewayResource { kind, object } => {
            let mut object = DynamicObject::clone(object);
            record(&mut object.metadata);
            let entries = object.metadata.managed_fields.iter_mut().flatten();
            for entry in entries {
                entry.time = Some(Time(observed.now));
            }
            if let Some(objects) = gateway_objects_mut(observed, *kind) {
                objects.insert(object.name_any(), object);
            }
        }
        Step::Delete(ObjectName { kind, name }) => match kind {
            ObjectKind::Deployment => drop(observed.deployments.remove(name)),
            ObjectKind::Service => drop(observed.services.remove(name)),
            ObjectKind::Gateway(kind) => {
                gateway_objects_mut(observed, *kind).map(|objects| objects.remove(name));
            }
        },
        Step::PauseQueue { queue } => {
            set_state(observed, queue, QueueState::Paused);
        }
        Step::ResumeQueue { queue } => {
            set_state(observed, queue, QueueState::Running);
        }
        Step::ApplyService(service) => {
            let mut service = Service::clone(service);
            record(&mut service.metadata);
            observed.services.insert(service.name_any(), service);
        }
        Step::ApplyDeployment(deployment) => {
            let mut deployment = Deployment::clone(deployment);
            record(&mut deployment.metadata);
            observed
                .deployments
                .insert(deployment.name_any(), deployment);
        }
    }
}

fn set_state(observed: &mut Observed, queue: &QueuePath, state: QueueState) {
    if let Some(queue) = observed.queues.get_mut(queue) {
        queue.state = state;
    }
}

fn metadata_mut<'a>(observed: &'a mut Observed, object: &ObjectName) -> Option<&'a mut ObjectMeta> {
    let name = &object.name;
    Some(match object.kind {
        ObjectKind::Deployment => &mut observed.deployments.get_mut(name)?.metadata,
        ObjectKind::Service => &mut observed.services.get_mut(name)?.metadata,
        ObjectKind::Gateway(kind) => {
            &mut gateway_objects_mut(observed, kind)?.get_mut(name)?.metadata
        }
    })
}

/// The objects of a kind, if the API server has it and lets them be read.
pub fn gateway_objects_mut(
    observed: &mut Observed,
    kind: GatewayResourceKind,
) -> Option<&mut BTreeMap<String, DynamicObject>> {
    match observed.availability.get_mut(&kind)? {
        Availability::Served(objects) => Some(objects),
        Availability::Absent | Availability::Forbidden(_) => None,
    }
}

/// Has the Gateway say this of each route that there is: the condition, its status and its reason.
pub fn gateway_says(observed: &mut Observed, condition: &str, status: &str, reason: &str) {
    let routes = observed
        .availability
        .get_mut(&GatewayResourceKind::HttpRoute);
    let Some(Availability::Served(routes)) = routes else {
        return;
    };
    for route in routes.values_mut() {
        let parent = route.data["spec"]["parentRefs"][0].clone();
        let said = |kind: &str, status: &str, reason: &str| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": "says the Gateway",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let mut conditions = vec![said(condition, status, reason)];
        // As GKE does when its load balancer has the route.
        if status == "True" {
            conditions.push(said("Reconciled", "True", "ReconciliationSucceeded"));
        }
        route.data["status"] = json!({"parents": [{
            "parentRef": parent,
            "controllerName": "networking.gke.io/gateway",
            "conditions": conditions,
        }]});
    }
}

/// Carries out a plan.
pub fn apply(observed: &mut Observed, plan: &Plan) {
    for planned in &plan.steps {
        apply_step(observed, &planned.step);
    }
}

/// Brings every Deployment's pods to what it says, as its controller and the kubelets would.
pub fn roll(observed: &mut Observed) {
    for deployment in observed.deployments.values_mut() {
        let spec = deployment.spec.as_ref();
        let replicas = Some(spec.and_then(|spec| spec.replicas).unwrap_or(1));
        deployment.status = Some(DeploymentStatus {
            observed_generation: deployment.metadata.generation,
            replicas,
            updated_replicas: replicas,
            ready_replicas: replicas,
            ..DeploymentStatus::default()
        });
    }
    observed.pods = observed.deployments.values().filter_map(pod).collect();
}

/// A pod of a Deployment as it is now.
pub fn pod(deployment: &Deployment) -> Option<Pod> {
    Some(Pod {
        name: format!("{}-{}", deployment.name_any(), child_hash(deployment)),
        queue: served_queue(deployment)?,
        targets: hand_over_targets(deployment),
        stage: deployment.labels().get(STAGE_LABEL)?.clone(),
        required_token: RequiredToken::of_deployment(deployment),
        blocked: BTreeSet::new(),
    })
}

fn child_hash(deployment: &Deployment) -> String {
    let annotations = deployment.annotations();
    annotations
        .get(HASH_ANNOTATION)
        .cloned()
        .unwrap_or_default()
}

/// Asks for the queues that weren't listed, and counts the tasks of those that have to be counted; none
/// has any, unless `left` says so.
pub fn look(observed: &mut Observed, desired: &Desired, left: impl Fn(&QueuePath) -> usize) {
    observed.absent_queues.clear();
    observed.absent_queues = queues_to_look_up(ChainView::new(desired, observed));
    let looks = queues_to_count(ChainView::new(desired, observed));
    let counted = looks.into_iter().map(|queue| {
        let tasks = left(&queue);
        (queue, Backlog::of(tasks))
    });
    observed.backlogs = counted.collect();
    observed.last_backlogs.extend(observed.backlogs.clone());
}

/// Lets time pass.
pub fn pass(observed: &mut Observed, desired: &Desired, time: Duration) {
    let known = |condition: &TimedCondition| Some(observed.elapsed.contains_key(condition));
    let held = timed_conditions(ChainView::new(desired, observed), known)
        .into_iter()
        .map(|condition| {
            let before = observed.elapsed.get(&condition);
            let held = before.map_or(Duration::ZERO, |held| *held + time);
            (condition, held)
        });
    observed.elapsed = held.collect();
    observed.now += time;
}
