//! A Deployment's status, as it is.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus};

use crate::rollout::Seen;

/// The status of a Deployment that wants so many pods. Pods that are to stop aren't counted.
pub fn status(deployment: &Deployment, pods: &[Seen], wanted: usize) -> DeploymentStatus {
    let count = |is: &dyn Fn(&Seen) -> bool| {
        let living = pods.iter().filter(|pod| !pod.stopping && is(pod));
        i32::try_from(living.count()).unwrap_or(i32::MAX)
    };
    let wanted = i32::try_from(wanted).unwrap_or(i32::MAX);
    let (all, updated) = (count(&|_| true), count(&|pod| pod.is_new));
    let ready = count(&|pod| pod.ready);
    let is_done = updated == wanted && all == updated && ready == wanted;
    DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: Some(all),
        updated_replicas: Some(updated),
        ready_replicas: Some(ready),
        available_replicas: Some(ready),
        unavailable_replicas: Some((wanted - ready).max(0)),
        conditions: Some(vec![
            condition("Available", ready >= wanted, "MinimumReplicas"),
            DeploymentCondition {
                reason: Some(
                    if is_done {
                        "NewReplicaSetAvailable"
                    } else {
                        "ReplicaSetUpdated"
                    }
                    .to_owned(),
                ),
                ..condition("Progressing", true, "")
            },
        ]),
        ..DeploymentStatus::default()
    }
}

fn condition(kind: &str, holds: bool, reason: &str) -> DeploymentCondition {
    let end = if holds { "Available" } else { "Unavailable" };
    DeploymentCondition {
        type_: kind.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: Some(format!("{reason}{end}")),
        ..DeploymentCondition::default()
    }
}
