//! What GKE's load balancer is told of a stage's Service, where the cluster has its policies.
//!
//! The fields are those of `networking.gke.io/v1`:
//! <https://googlecloudplatform.github.io/gke-gateway-api/>.

use std::time::Duration;

use kube::core::DynamicObject;
use serde_json::json;

use crate::attached::{Kind, Name, object};
use crate::desired::{AROUND_A_RUN, Desired, DesiredStage};
use crate::environment::ADMIN_PORT;

/// The load balancer waits so much longer than the worker takes at most, or its 504 would come first:
/// not counted, so that the task runs again, and again. Left alone it waits 30 s.
const LONGER_THAN_THE_WORKER: Duration = Duration::from_secs(10);
/// It lets connections end for at most an hour.
const LONGEST_DRAIN: Duration = Duration::from_hours(1);
/// How often it looks at a pod, and how many looks make it well or ill: a pod that is told to stop
/// gets no new pushes after 10 s, and accepts them for `drainDelay`.
const LOOK: Duration = Duration::from_secs(5);
const LOOKS: u64 = 2;

/// The policies of a stage's Service. It can have one of each kind, in its own namespace; of two the
/// older wins.
pub fn policies(desired: &Desired, stage: &DesiredStage) -> [(Kind, DynamicObject); 2] {
    [
        (Kind::BackendPolicy, backend(desired, stage)),
        (Kind::HealthCheckPolicy, health_check(desired, stage)),
    ]
}

fn backend(desired: &Desired, stage: &DesiredStage) -> DynamicObject {
    let timeout = stage.timeout + AROUND_A_RUN + LONGER_THAN_THE_WORKER;
    // As long as a pod may take to end; else what it has begun is cut off.
    let drain = desired.drain_delay + stage.timeout + AROUND_A_RUN;
    let spec = json!({
        "default": {
            "timeoutSec": seconds(timeout),
            "connectionDraining": {"drainingTimeoutSec": seconds(drain.min(LONGEST_DRAIN))},
        },
        "targetRef": target(stage),
    });
    attached(desired, stage, Kind::BackendPolicy, spec)
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
                    "port": ADMIN_PORT,
                    "requestPath": "/readyz",
                },
            },
        },
        "targetRef": target(stage),
    });
    attached(desired, stage, Kind::HealthCheckPolicy, spec)
}

fn attached(
    desired: &Desired,
    stage: &DesiredStage,
    kind: Kind,
    spec: serde_json::Value,
) -> DynamicObject {
    let name = stage.child.clone();
    object(desired, stage, Name { kind, name }, spec)
}

fn target(stage: &DesiredStage) -> serde_json::Value {
    json!({"group": "", "kind": "Service", "name": stage.child})
}

/// Whole seconds, rather more than fewer.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
