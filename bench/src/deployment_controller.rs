//! Pods: what the deployment controller and kubelets would tell of them. Nobody runs here.

use std::pin::pin;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube_runtime::{WatchStreamExt, watcher};
use testkit::fake_pods::{Pods, report};
use tokio::task::JoinSet;

const AT_ONCE: usize = 8;

/// Says of each Deployment that all its pods are ready, until it is dropped.
pub fn start(deployments: Api<Deployment>) -> JoinSet<()> {
    let mut controller = JoinSet::new();
    controller.spawn(async move {
        let watch = watcher(deployments.clone(), watcher::Config::default())
            .default_backoff()
            .applied_objects();
        pin!(watch)
            .for_each_concurrent(AT_ONCE, |seen| async {
                if let Ok(deployment) = seen {
                    let pods = Pods::all_ready(&deployment);
                    // The wait for ready chains reports one that never is.
                    let _ = report(&deployments, &deployment, pods).await;
                }
            })
            .await;
    });
    controller
}
