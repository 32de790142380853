//! The policies of GKE's load balancer for a stage's Service, where the cluster has their kinds.
//!
//! The fields are those of `networking.gke.io/v1`:
//! <https://googlecloudplatform.github.io/gke-gateway-api/>.

use std::time::Duration;

use kube::core::DynamicObject;
use serde_json::json;
use worker_contract::env::{DRAIN_DELAY, HANDLER_TIMEOUT};
use worker_contract::limits::AROUND_A_RUN;
use worker_contract::{admin_paths, ports};

use super::gateway_resources::object;
use super::worker_env::variable;
use crate::model::{ChainView, Desired, DesiredStage, GatewayResourceKind, Observed, Rollout};
use crate::objects::ownership::owns_field;

/// So much longer than the worker's longest answer the load balancer waits. Else its 504 comes first,
/// which isn't counted as an attempt, and the task runs again and again. Its default is 30 s.
const LONGER_THAN_THE_WORKER: Duration = Duration::from_secs(10);
/// The longest connection draining that it allows.
const LONGEST_DRAIN: Duration = Duration::from_hours(1);
/// The interval of its health checks, and how many change a pod's state: a terminating pod gets no
/// new pushes after 10 s, and accepts them for `drainDelay`.
const LOOK: Duration = Duration::from_secs(5);
const LOOKS: u64 = 2;

/// The load balancer's timeout and connection draining, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timeouts {
    timeout: u64,
    drain: u64,
}

impl Timeouts {
    fn of(desired: &Desired, stage: &DesiredStage) -> Self {
        let timeout = stage.timeout + AROUND_A_RUN + LONGER_THAN_THE_WORKER;
        // As long as a pod may take to terminate; else its runs are cut off.
        let drain = desired.drain_delay + stage.timeout + AROUND_A_RUN;
        Self {
            timeout: seconds(timeout),
            drain: seconds(drain.min(LONGEST_DRAIN)),
        }
    }

    fn found(policy: &DynamicObject) -> Option<Self> {
        let number = |path: &str| policy.data.pointer(path)?.as_u64();
        Some(Self {
            timeout: number("/spec/default/timeoutSec")?,
            drain: number("/spec/default/connectionDraining/drainingTimeoutSec")?,
        })
    }

    fn or_longer(self, other: Self) -> Self {
        Self {
            timeout: self.timeout.max(other.timeout),
            drain: self.drain.max(other.drain),
        }
    }
}

/// Whether former workers may have runs that take longer than the spec allows now, so that the load
/// balancer has to wait for them.
pub fn waits_for_former(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    let now = Timeouts::of(view.desired, stage);
    before(view.observed, stage).is_some_and(|before| now.or_longer(before) != now)
        && !has_only_new_workers(view, stage)
}

/// The values that the operator applied. Others are corrected at once.
fn before(observed: &Observed, stage: &DesiredStage) -> Option<Timeouts> {
    let found = observed.gateway_object(GatewayResourceKind::BackendPolicy, &stage.child)?;
    let spec = ["spec", "default", "timeoutSec"];
    owns_field(&found.metadata, &spec).then(|| Timeouts::found(found))?
}

fn has_only_new_workers(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    let Some(workers) = view.observed.deployments.get(&stage.child) else {
        return true;
    };
    let has_variable = |name: &str, time: Duration| {
        variable(workers, name) == Some(crds::Duration(time).to_string())
    };
    let status = workers.status.as_ref();
    let all = status
        .and_then(|status| status.replicas)
        .unwrap_or_default();
    let pods = view
        .observed
        .pods
        .iter()
        .filter(|pod| pod.queue == stage.queue);
    has_variable(HANDLER_TIMEOUT, stage.timeout)
        && has_variable(DRAIN_DELAY, view.desired.drain_delay)
        && Rollout::of(Some(workers)).is_rolled
        // Terminating pods are counted here only.
        && pods.count() <= usize::try_from(all).unwrap_or_default()
}

/// The policies of a stage's Service. It can have one of each kind, in its own namespace; of two the
/// older wins.
pub fn policies(
    view: ChainView<'_>,
    stage: &DesiredStage,
) -> [(GatewayResourceKind, DynamicObject); 2] {
    [
        (GatewayResourceKind::BackendPolicy, backend(view, stage)),
        (
            GatewayResourceKind::HealthCheckPolicy,
            health_check(view.desired, stage),
        ),
    ]
}

fn backend(view: ChainView<'_>, stage: &DesiredStage) -> DynamicObject {
    let now = Timeouts::of(view.desired, stage);
    let before = before(view.observed, stage).filter(|_| waits_for_former(view, stage));
    let Timeouts { timeout, drain } = before.map_or(now, |before| now.or_longer(before));
    let spec = json!({
        "default": {
            "timeoutSec": timeout,
            "connectionDraining": {"drainingTimeoutSec": drain},
        },
        "targetRef": target(stage),
    });
    attached(
        view.desired,
        stage,
        GatewayResourceKind::BackendPolicy,
        spec,
    )
}

/// On the worker's admin port: on the push port a health check is not a push and gets 500.
fn health_check(desired: &Desired, stage: &DesiredStage) -> DynamicObject {
    let spec = json!({
        "default": {
            "checkIntervalSec": seconds(LOOK),
            "timeoutSec": seconds(LOOK),
            "healthyThreshold": LOOKS,
            "unhealthyThreshold": LOOKS,
            "config": {
                "type": "HTTP",
                "httpHealthCheck": {
                    "portSpecification": "USE_FIXED_PORT",
                    "port": ports::ADMIN,
                    "requestPath": admin_paths::READINESS_OF_LOAD_BALANCER,
                },
            },
        },
        "targetRef": target(stage),
    });
    attached(desired, stage, GatewayResourceKind::HealthCheckPolicy, spec)
}

fn attached(
    desired: &Desired,
    stage: &DesiredStage,
    kind: GatewayResourceKind,
    spec: serde_json::Value,
) -> DynamicObject {
    object(desired, stage, kind, stage.child.clone(), spec)
}

fn target(stage: &DesiredStage) -> serde_json::Value {
    json!({"group": "", "kind": "Service", "name": stage.child})
}

/// Whole seconds, rather more than fewer.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
