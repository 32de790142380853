//! A world in memory that carries out plans, as Cloud Tasks and the API server would.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use cloudtasks::{Queue, QueuePath, QueueSettings, QueueState};
use crds::{ExecutorChain, ExecutorChainStatus, WorkerTemplate};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::core::DynamicObject;
use plan::model::{Availability, GatewayResourceKind, ObjectKind, ObjectName};
use plan::objects::names::served_queue;
use plan::objects::names::{HASH_ANNOTATION, STAGE_LABEL};
use plan::objects::ownership::record;
use plan::objects::worker_env::hand_over_targets;
use plan::rules::absence::queues_to_look_up;
use plan::rules::drain::queues_to_count;
use serde_json::json;

use plan::{
    Backlog, ChainView, Desired, Observed, Plan, PlannedView, Pod, Problem, RequiredToken,
    Settings, Step, Tenants, TimedCondition, Timing, timed_conditions,
};

pub const ORDERS: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {name: orders, namespace: shop, uid: 1f0c}
spec:
  project: my-project
  location: europe-west1
  notifier: {queue: orders-notifier, url: 'https://api.example.com/task-events'}
  template: {spec: {containers: [{name: handler, image: 'shop:1'}]}}
  stages:
  - name: fast
    queue: incoming
    maxAttempts: 3
    rateLimits: {maxDispatchesPerSecond: 500, maxConcurrentDispatches: 200}
    backoff: {min: 100ms, max: 10s}
    replicas: 2
  - name: slow
    queue: incoming-2
    maxAttempts: 2
    rateLimits: {maxDispatchesPerSecond: 10}
";

pub fn chain(yaml: &str) -> ExecutorChain {
    serde_saphyr::from_str(yaml).unwrap()
}

pub fn settings() -> Settings {
    Settings {
        project: None,
        location: None,
        worker_image: "executor-worker:test".into(),
        worker_template: WorkerTemplate::default(),
        tenants: Tenants::default(),
        cluster: "cluster-a".into(),
        cluster_domain: "cluster.local".into(),
        emulator_host: None,
        timing: Timing::default(),
    }
}

pub fn desired(yaml: &str) -> Desired {
    Desired::new(&chain(yaml), &settings()).unwrap()
}

pub fn queue_path(id: &str) -> QueuePath {
    format!("projects/my-project/locations/europe-west1/queues/{id}")
        .parse()
        .unwrap()
}

pub fn queue_mut<'a>(observed: &'a mut Observed, id: &str) -> &'a mut Queue {
    observed.queues.get_mut(&queue_path(id)).unwrap()
}

/// A queue as Cloud Tasks makes it when nothing is said.
pub fn default_queue(path: QueuePath) -> Queue {
    Queue {
        path,
        state: QueueState::Running,
        max_dispatches_per_second: 500.0,
        max_concurrent_dispatches: 1000,
        max_attempts: 100,
        max_retry_duration: None,
        min_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_hours(1),
        max_doublings: 16,
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
            let queue = observed.queues.get_mut(path);
            set(queue.expect("an update revives no queue"), settings);
        }
        Step::DeleteQueue { queue } => {
            observed.queues.remove(queue);
            observed.absent_queues.insert(queue.clone());
        }
        Step::Release(ObjectName { kind, name }) => {
            let metadata = match kind {
                ObjectKind::Deployment => {
                    let found = observed.deployments.get_mut(name);
                    &mut found.expect("it was seen").metadata
                }
                ObjectKind::Service => {
                    let found = observed.services.get_mut(name);
                    &mut found.expect("it was seen").metadata
                }
                ObjectKind::Gateway(kind) => {
                    let found = gateway_objects_mut(observed, *kind).get_mut(name);
                    &mut found.expect("it was seen").metadata
                }
            };
            metadata.owner_references = None;
        }
        Step::ApplyGatewayResource { kind, object } => {
            let mut object = DynamicObject::clone(object);
            record(&mut object.metadata);
            if let Some(entry) = object.metadata.managed_fields.as_mut().unwrap().first_mut() {
                entry.time = Some(Time(observed.now));
            }
            gateway_objects_mut(observed, *kind).insert(object.name_any(), object);
        }
        Step::Delete(ObjectName { kind, name }) => match kind {
            ObjectKind::Deployment => drop(observed.deployments.remove(name)),
            ObjectKind::Service => drop(observed.services.remove(name)),
            ObjectKind::Gateway(kind) => drop(gateway_objects_mut(observed, *kind).remove(name)),
        },
        Step::PauseQueue { queue } => {
            observed.queues.get_mut(queue).expect("it was seen").state = QueueState::Paused;
        }
        Step::ResumeQueue { queue } => {
            observed.queues.get_mut(queue).expect("it was seen").state = QueueState::Running;
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

pub fn gateway_objects_mut(
    observed: &mut Observed,
    kind: GatewayResourceKind,
) -> &mut BTreeMap<String, DynamicObject> {
    match observed.availability.get_mut(&kind) {
        Some(Availability::Served(objects)) => objects,
        other => panic!("{kind} is {other:?}"),
    }
}

/// Lets the cluster have every kind that it may have.
pub fn with_gateways(observed: &mut Observed) {
    for kind in GatewayResourceKind::ALL {
        let offer = observed.availability.entry(kind).or_default();
        if *offer == Availability::Absent {
            *offer = Availability::Served(BTreeMap::new());
        }
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

/// Plans and applies until nothing is left to do or to wait for, with pods that get ready and time
/// that passes; every plan that had steps.
pub fn settle(observed: &mut Observed, desired: &Desired) -> Vec<Plan> {
    let mut plans = Vec::new();
    for _ in 0..60 {
        look(observed, desired, |_| 0);
        pass(observed, desired, Duration::from_secs(20));
        let plan = plan::plan(ChainView::new(desired, observed)).unwrap();
        if plan.is_empty() && plan.waits.is_empty() {
            return plans;
        }
        apply(observed, &plan);
        roll(observed);
        gateway_says(observed, "Accepted", "True", "Accepted");
        if !plan.is_empty() {
            plans.push(plan);
        }
    }
    panic!("it never ends: {:?}", plans.last());
}

/// A world in which the chain is as it should be.
pub fn settled(yaml: &str) -> Observed {
    let mut observed = Observed::default();
    settle(&mut observed, &desired(yaml));
    observed
}

/// A Deployment of another owner.
pub fn foreign_deployment(name: &str) -> BTreeMap<String, Deployment> {
    let deployment = serde_json::from_value(json!({"metadata": {"name": name}}));
    BTreeMap::from([(name.to_owned(), deployment.unwrap())])
}

/// The plan for a manifest.
pub fn planned(yaml: &str, observed: &Observed) -> Result<Plan, Problem> {
    plan::plan(ChainView::new(&desired(yaml), observed))
}

/// What the status says next of a chain that is served.
pub fn status(
    previous: &ExecutorChainStatus,
    desired: &Desired,
    observed: &Observed,
) -> ExecutorChainStatus {
    let view = ChainView::new(desired, observed);
    let plan = plan::plan(view);
    let seen = PlannedView { view, plan: &plan };
    plan::status(previous, None, Some(seen), None, Timestamp::UNIX_EPOCH)
}

/// What happens in a scenario: a paragraph for each moment that a reviewer reads.
#[derive(Default)]
pub struct Transcript(String);

impl Transcript {
    /// Adds what is planned or reported then.
    pub fn add(&mut self, when: &str, what: &impl fmt::Display) {
        let what = what.to_string();
        self.0.extend(["# ", when, "\n", what.trim_end(), "\n\n"]);
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.trim_end())
    }
}
