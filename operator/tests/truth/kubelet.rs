//! Stands in for kubelets and the deployment controller: reports pods as a scenario says.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use testkit::fake_pods;

use crate::scenario::Pods;

const PERIOD: Duration = Duration::from_millis(100);

/// Of one namespace. Pods are ready unless a scenario says otherwise.
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
                    self.report(deployments, &deployment).await;
                }
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    async fn report(&self, deployments: &Api<Deployment>, deployment: &Deployment) {
        let name = deployment.name_any();
        let pods = self.0.borrow().get(&name).copied();
        let pods = match pods.unwrap_or(Pods::Ready) {
            Pods::Asleep => return,
            Pods::IfAdmitted => {
                let _ = fake_pods::report_admitted(deployments, deployment).await;
                return;
            }
            Pods::Ready => fake_pods::Pods::all_ready(deployment),
            Pods::Some { all, new, ready } => fake_pods::Pods {
                all,
                updated: new,
                ready,
            },
        };
        // It may be gone by now.
        let _ = fake_pods::report(deployments, deployment, pods).await;
    }
}
