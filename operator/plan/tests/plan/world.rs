//! A world in memory that carries out plans, as Cloud Tasks and the API server would.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use cloudtasks::{Queue, QueuePath};
use crds::{ExecutorChain, ExecutorChainStatus, WorkerTemplate};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::core::DynamicObject;
use plan::model::{Availability, GatewayResourceKind};
use serde_json::json;

use plan::{ChainView, Desired, Observed, Plan, PlannedView, Problem, Settings, Tenants, Timing};

pub use plan::preview::world::{
    apply, apply_step, default_queue, gateway_says, look, pass, pod, roll,
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

pub fn gateway_objects_mut(
    observed: &mut Observed,
    kind: GatewayResourceKind,
) -> &mut BTreeMap<String, DynamicObject> {
    let objects = plan::preview::world::gateway_objects_mut(observed, kind);
    objects.unwrap_or_else(|| panic!("{kind} isn't served"))
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
