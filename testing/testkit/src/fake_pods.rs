//! Stands in for the deployment controller and kubelets: reports pods that nobody runs.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;

/// How many pods a Deployment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pods {
    /// All of them.
    pub all: i32,
    /// Those of the current template.
    pub updated: i32,
    /// Those that are ready.
    pub ready: i32,
}

impl Pods {
    /// As many as the Deployment asks for, all of them updated and ready.
    pub fn all_ready(deployment: &Deployment) -> Self {
        let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas);
        let all = replicas.unwrap_or(1);
        Self {
            all,
            updated: all,
            ready: all,
        }
    }
}

/// Reports these pods in the Deployment's status, if it says otherwise.
pub async fn report(
    deployments: &Api<Deployment>,
    deployment: &Deployment,
    pods: Pods,
) -> kube::Result<()> {
    // As the controller does, which leaves out what is zero.
    let number = |number: i32| Some(number).filter(|number| *number > 0);
    let status = DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: number(pods.all),
        updated_replicas: number(pods.updated),
        ready_replicas: number(pods.ready),
        available_replicas: number(pods.ready),
        ..DeploymentStatus::default()
    };
    if deployment.status.as_ref() == Some(&status) {
        return Ok(());
    }
    // A merge would keep what is zero now.
    let patch = json!([{"op": "add", "path": "/status", "value": status}]);
    let patch = serde_json::from_value(patch).map_err(kube::Error::SerdeError)?;
    let (name, parameters) = (deployment.name_any(), PatchParams::default());
    let patch = Patch::Json::<()>(patch);
    let patched = deployments.patch_status(&name, &parameters, &patch).await;
    patched.map(drop)
}

/// Reports that all pods of all Deployments are ready. One may be deleted meanwhile.
pub async fn report_all_ready(deployments: &Api<Deployment>) -> kube::Result<()> {
    for deployment in deployments.list(&ListParams::default()).await? {
        let pods = Pods::all_ready(&deployment);
        if let Err(error) = report(deployments, &deployment, pods).await {
            let name = deployment.name_any();
            if deployments.get_opt(&name).await?.is_some() {
                return Err(error);
            }
        }
    }
    Ok(())
}
