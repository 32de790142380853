//! What GKE's load balancer is told of a stage's Service, where the cluster has its policies.
//!
//! The fields are those of `networking.gke.io/v1`:
//! <https://googlecloudplatform.github.io/gke-gateway-api/>.

use std::time::Duration;

use kube::core::DynamicObject;
use serde_json::json;
use worker_contract::env::{DRAIN_DELAY, HANDLER_TIMEOUT};
use worker_contract::limits::AROUND_A_RUN;
use worker_contract::{ports, probes};

use super::gateway_resources::object;
use super::worker_env::variable;
use crate::model::{
    ChainView, Desired, DesiredStage, GatewayResourceKind, GatewayResourceName, Observed, Rollout,
};
use crate::objects::ownership::owns_field;

/// The load balancer waits so much longer than the worker takes at most, or its 504 would come first:
/// not counted, so that the task runs again, and again. Left alone it waits 30 s.
const LONGER_THAN_THE_WORKER: Duration = Duration::from_secs(10);
/// It lets connections end for at most an hour.
const LONGEST_DRAIN: Duration = Duration::from_hours(1);
/// How often it looks at a pod, and how many looks make it well or ill: a pod that is told to stop
/// gets no new pushes after 10 s, and accepts them for `drainDelay`.
const LOOK: Duration = Duration::from_secs(5);
const LOOKS: u64 = 2;

/// How long the load balancer waits, and lets connections end, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timeouts {
    timeout: u64,
    drain: u64,
}

impl Timeouts {
    fn of(desired: &Desired, stage: &DesiredStage) -> Self {
        let timeout = stage.timeout + AROUND_A_RUN + LONGER_THAN_THE_WORKER;
        // As long as a pod may take to end; else what it has begun is cut off.
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

/// Whether former workers may still be at work on runs that take longer than the spec says now, so that
/// the load balancer has to wait for them.
pub fn waits_for_former(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    let now = Timeouts::of(view.desired, stage);
    before(view.observed, stage).is_some_and(|before| now.or_longer(before) != now)
        && !has_only_new_workers(view, stage)
}

/// What we have told the load balancer. What somebody else has is put right at once.
fn before(observed: &Observed, stage: &DesiredStage) -> Option<Timeouts> {
    let found = observed.gateway_object(GatewayResourceKind::BackendPolicy, &stage.child)?;
    let spec = ["spec", "default", "timeoutSec"];
    owns_field(&found.metadata, &spec).then(|| Timeouts::found(found))?
}

fn has_only_new_workers(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    let Some(workers) = view.observed.deployments.get(&stage.child) else {
        return true;
    };
    let is_told = |name: &str, time: Duration| {
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
    is_told(HANDLER_TIMEOUT, stage.timeout)
        && is_told(DRAIN_DELAY, view.desired.drain_delay)
        && Rollout::of(Some(workers)).is_rolled
        // Those that were told to stop and haven't ended are counted here alone.
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

/// On the worker's own port: on that of the pushes a check is no push, and gets 500.
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
                    "requestPath": probes::READINESS_OF_LOAD_BALANCER,
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
    let name = stage.child.clone();
    object(desired, stage, GatewayResourceName { kind, name }, spec)
}

fn target(stage: &DesiredStage) -> serde_json::Value {
    json!({"group": "", "kind": "Service", "name": stage.child})
}

/// Whole seconds, rather more than fewer.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
