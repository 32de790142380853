//! The operator's metrics.

use std::sync::atomic::AtomicU64;

use crds::conditions::Reason;
use execute::CallObserver;
use parking_lot::Mutex;
use plan::Step;
use plan::model::{GatewayResourceKind, ObjectKind};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use crate::error::Error;
use crate::telemetry::condition_gauges::ConditionGauges;
use crate::telemetry::override_gauges::OverrideGauges;
use crate::telemetry::queue_gauges::QueueGauges;

type Labels = Vec<(&'static str, &'static str)>;

/// The operator's metrics.
pub struct Metrics {
    registry: Mutex<Registry>,
    effects: Family<Labels, Counter>,
    reconciles: Family<Labels, Counter>,
    drifts: Family<Labels, Counter>,
    lists: Family<Labels, Counter>,
    watch_failures: Counter,
    leader: Gauge,
    calls: Family<Labels, Counter>,
    rate_limit: Gauge<f64, AtomicU64>,
    /// The chains' conditions.
    pub conditions: ConditionGauges,
    /// The stages' queues.
    pub queues: QueueGauges,
    /// The ends of overrides.
    pub overrides: OverrideGauges,
}

impl Default for Metrics {
    #[rustfmt::skip]
    fn default() -> Self {
        let mut registry = Registry::with_prefix("executor_operator");
        let of = &mut registry;
        Self {
            effects: registered(of, "effects",
                "Writes to Cloud Tasks and Kubernetes, by kind and outcome"),
            reconciles: registered(of, "reconciles",
                "Reconciles of chains, by outcome"),
            drifts: registered(of, "queue_drifts",
                "Changes to queues from outside the operator, by field"),
            lists: registered(of, "queue_lists",
                "Lists of a location's queues, by outcome"),
            watch_failures: registered(of, "watch_failures",
                "Failures of watches of the API server; until a watch restarts, edits are not seen"),
            leader: registered(of, "leader",
                "1 for the leader, 0 for the other operators that share its lease"),
            calls: registered(of, "cloud_tasks_calls",
                "Calls to Cloud Tasks, by method and outcome"),
            rate_limit: registered(of, "cloud_tasks_calls_per_second",
                "The current limit of calls to Cloud Tasks a second, lower after an exhausted quota"),
            conditions: ConditionGauges::register(of),
            queues: QueueGauges::register(of),
            overrides: OverrideGauges::register(of),
            registry: Mutex::new(registry),
        }
    }
}

fn registered<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

impl Metrics {
    /// Sets whether this operator is the leader.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Counts one step of a plan.
    pub fn effect(&self, step: &Step, error: Option<&Error>) {
        let effect = match step {
            Step::AddFinalizer => "add_finalizer",
            Step::CreateQueue { .. } => "create_queue",
            Step::UpdateQueue { .. } => "update_queue",
            Step::PauseQueue { .. } => "pause_queue",
            Step::ResumeQueue { .. } => "resume_queue",
            Step::DeleteQueue { .. } => "delete_queue",
            Step::ApplyService(_) => "apply_service",
            Step::ApplyDeployment(_) => "apply_deployment",
            Step::ApplyGatewayResource { kind, .. } => match kind {
                GatewayResourceKind::HttpRoute => "apply_http_route",
                GatewayResourceKind::BackendPolicy | GatewayResourceKind::HealthCheckPolicy => {
                    "apply_policy"
                }
            },
            Step::Delete(object) => match object.kind {
                ObjectKind::Deployment => "delete_deployment",
                ObjectKind::Service => "delete_service",
                ObjectKind::Gateway(GatewayResourceKind::HttpRoute) => "delete_http_route",
                ObjectKind::Gateway(
                    GatewayResourceKind::BackendPolicy | GatewayResourceKind::HealthCheckPolicy,
                ) => "delete_policy",
            },
            Step::Release(object) => match object.kind {
                ObjectKind::Deployment => "release_deployment",
                ObjectKind::Service => "release_service",
                ObjectKind::Gateway(GatewayResourceKind::HttpRoute) => "release_http_route",
                ObjectKind::Gateway(
                    GatewayResourceKind::BackendPolicy | GatewayResourceKind::HealthCheckPolicy,
                ) => "release_policy",
            },
            Step::RemoveFinalizer => "remove_finalizer",
        };
        self.count_effect(effect, error);
    }

    /// Counts one write of a status.
    pub fn status_written(&self, error: Option<&Error>) {
        self.count_effect("write_status", error);
    }

    /// A write that was left to a new leader is not counted.
    fn count_effect(&self, effect: &'static str, error: Option<&Error>) {
        if let Some(Error::NotLeader) = error {
            return;
        }
        self.effects
            .get_or_create(&vec![("effect", effect), ("outcome", outcome(error))])
            .inc();
    }

    /// Counts a field of a queue that was changed outside the operator.
    pub fn drifted(&self, field: &'static str) {
        self.drifts.get_or_create(&vec![("field", field)]).inc();
    }

    /// Counts one list of a location's queues.
    pub fn listed(&self, error: Option<&cloudtasks::Error>) {
        let labels = vec![("outcome", outcome_of_call(error))];
        self.lists.get_or_create(&labels).inc();
    }

    /// Counts one failure of a watch.
    pub fn watch_failed(&self) {
        self.watch_failures.inc();
    }

    /// Counts one reconcile. The end of a term as the leader is no failure of the chain.
    pub fn reconciled(&self, error: Option<&Error>) {
        let error = error.filter(|error| !matches!(error, Error::NotLeader));
        let reason = error.map_or(Reason::AsSpecified, |error| error.problem().reason);
        self.reconciles
            .get_or_create(&vec![("reason", reason.as_str())])
            .inc();
    }

    /// The metrics in the format of `OpenMetrics`.
    pub fn text(&self) -> String {
        let registry = self.registry.lock();
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a String can't fail");
        text
    }
}

impl CallObserver for Metrics {
    fn called(&self, method: &'static str, error: Option<&cloudtasks::Error>) {
        let labels = vec![("method", method), ("outcome", outcome_of_call(error))];
        self.calls.get_or_create(&labels).inc();
    }

    fn rate_limited_to(&self, calls_per_second: f64) {
        self.rate_limit.set(calls_per_second);
    }
}

fn outcome_of_call(error: Option<&cloudtasks::Error>) -> &'static str {
    match error {
        None => "succeeded",
        Some(cloudtasks::Error::TimedOut { .. }) => "timed_out",
        Some(_) => "failed",
    }
}

fn outcome(error: Option<&Error>) -> &'static str {
    match error {
        None => "succeeded",
        Some(Error::TimedOut { .. } | Error::CloudTasks(cloudtasks::Error::TimedOut { .. })) => {
            "timed_out"
        }
        Some(_) => "failed",
    }
}
