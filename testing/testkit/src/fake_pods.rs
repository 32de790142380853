//! Stands in for the deployment controller and kubelets: reports pods that nobody runs.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
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
    set(deployments, deployment, status(deployment, pods)).await
}

/// Reports that all pods are ready if the API server admits one; else, as the controllers do, that
/// there are none and what it says.
pub async fn report_admitted(
    deployments: &Api<Deployment>,
    deployment: &Deployment,
) -> kube::Result<()> {
    let Some(refused) = refusal(deployments, deployment).await? else {
        return report(deployments, deployment, Pods::all_ready(deployment)).await;
    };
    let none = Pods {
        all: 0,
        updated: 0,
        ready: 0,
    };
    let status = DeploymentStatus {
        conditions: Some(vec![DeploymentCondition {
            type_: "ReplicaFailure".into(),
            status: "True".into(),
            reason: Some("FailedCreate".into()),
            message: Some(refused),
            ..DeploymentCondition::default()
        }]),
        ..status(deployment, none)
    };
    set(deployments, deployment, status).await
}

/// Why the API server refuses a pod of the Deployment, in its words.
async fn refusal(
    deployments: &Api<Deployment>,
    deployment: &Deployment,
) -> kube::Result<Option<String>> {
    let namespace = deployment.namespace().unwrap_or_default();
    let pods: Api<Pod> = Api::namespaced(deployments.clone().into_client(), &namespace);
    let template = deployment.spec.as_ref().map(|spec| spec.template.clone());
    let template = template.unwrap_or_default();
    let pod = Pod {
        metadata: template.metadata.unwrap_or_default(),
        spec: template.spec,
        ..Pod::default()
    };
    let named = Pod {
        metadata: kube::api::ObjectMeta {
            name: Some(format!("{}-5c8d9f-x2x4z", deployment.name_any())),
            ..pod.metadata
        },
        ..pod
    };
    let parameters = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match pods.create(&parameters, &named).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(refused)) if refused.code == 403 => Ok(Some(refused.message.clone())),
        Err(error) => Err(error),
    }
}

fn status(deployment: &Deployment, pods: Pods) -> DeploymentStatus {
    // As the controller does, which leaves out what is zero.
    let number = |number: i32| Some(number).filter(|number| *number > 0);
    DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: number(pods.all),
        updated_replicas: number(pods.updated),
        ready_replicas: number(pods.ready),
        available_replicas: number(pods.ready),
        ..DeploymentStatus::default()
    }
}

async fn set(
    deployments: &Api<Deployment>,
    deployment: &Deployment,
    status: DeploymentStatus,
) -> kube::Result<()> {
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
