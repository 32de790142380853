//! Pods: what the deployment controller and kubelets would tell of them. Nobody runs here.

use std::pin::pin;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube_runtime::{WatchStreamExt, watcher};
use serde_json::json;
use tokio::task::JoinSet;

/// How many Deployments at once.
const AT_ONCE: usize = 8;

/// Says of each Deployment that all its pods are ready, until it is dropped.
pub fn are_ready(deployments: Api<Deployment>) -> JoinSet<()> {
    let mut controller = JoinSet::new();
    controller.spawn(async move {
        let watch = watcher(deployments.clone(), watcher::Config::default())
            .default_backoff()
            .applied_objects();
        pin!(watch)
            .for_each_concurrent(AT_ONCE, |seen| async {
                if let Ok(deployment) = seen {
                    say(&deployments, &deployment).await;
                }
            })
            .await;
    });
    controller
}

async fn say(deployments: &Api<Deployment>, deployment: &Deployment) {
    let spec = deployment.spec.as_ref();
    let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let status = DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: Some(replicas),
        updated_replicas: Some(replicas),
        ready_replicas: Some(replicas),
        available_replicas: Some(replicas),
        ..DeploymentStatus::default()
    };
    if deployment.status.as_ref() == Some(&status) {
        return;
    }
    let patch = Patch::Merge(json!({"status": status}));
    let name = deployment.name_any();
    let parameters = PatchParams::default();
    // Whoever waits for a chain to be ready tells if one never is.
    let _ = deployments.patch_status(&name, &parameters, &patch).await;
}
