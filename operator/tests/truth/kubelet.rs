//! Stands in for kubelets and the deployment controller: tells of pods as it is told to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;

use crate::row::Pods;

const PERIOD: Duration = Duration::from_millis(100);

/// Of one namespace. Pods are ready unless it was told otherwise.
#[derive(Default)]
pub struct Kubelet(RefCell<BTreeMap<String, Pods>>);

impl Kubelet {
    /// From now on it says so of a Deployment, which may come later.
    pub fn set(&self, deployment: String, pods: Pods) {
        self.0.borrow_mut().insert(deployment, pods);
    }

    /// Works until it is dropped.
    pub async fn work(&self, deployments: &Api<Deployment>) {
        loop {
            // An API server that is busy is asked again.
            if let Ok(list) = deployments.list(&ListParams::default()).await {
                for deployment in list {
                    self.tell_of(deployments, &deployment).await;
                }
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    async fn tell_of(&self, deployments: &Api<Deployment>, deployment: &Deployment) {
        let name = deployment.name_any();
        let pods = self.0.borrow().get(&name).copied();
        let asked = deployment.spec.as_ref().and_then(|spec| spec.replicas);
        let asked = asked.unwrap_or(1);
        let (all, new, ready) = match pods.unwrap_or(Pods::Ready) {
            Pods::Asleep => return,
            Pods::Ready => (asked, asked, asked),
            Pods::Some { all, new, ready } => (all, new, ready),
        };
        let number = |number: i32| Some(number).filter(|number| *number > 0);
        let status = DeploymentStatus {
            observed_generation: deployment.metadata.generation,
            replicas: number(all),
            updated_replicas: number(new),
            ready_replicas: number(ready),
            available_replicas: number(ready),
            ..DeploymentStatus::default()
        };
        if deployment.status.as_ref() == Some(&status) {
            return;
        }
        // A merge would keep what is zero now.
        let patch = json!([{"op": "add", "path": "/status", "value": status}]);
        let patch = Patch::Json::<()>(serde_json::from_value(patch).unwrap());
        // It may be gone by now.
        let _ = deployments
            .patch_status(&name, &PatchParams::default(), &patch)
            .await;
    }
}
