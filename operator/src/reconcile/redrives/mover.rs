//! The mover of a chain, in the cluster.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt};
use parking::RedriveProgress;
use plan::MoverSeen;
use plan::model::rollout::pod_refusal;
use plan::objects::blocked_containers::blocked_containers;
use plan::objects::mover::{REDRIVE_LABEL, mover_name};
use plan::objects::ownership::FIELD_MANAGER;

use crate::admin_pages::AdminPages;
use crate::api_server::call;
use crate::chain::NamespacedName;
use crate::context::Context;
use crate::error::Error;

/// Where a mover says how far it is.
const PROGRESS: &str = "/redrive";

/// What exists of a chain's mover, and what it says.
pub async fn see_mover(
    (namespace, chain): &NamespacedName,
    pages: &AdminPages,
    context: &Context,
) -> Result<MoverSeen, Error> {
    let deployments: Api<Deployment> = Api::namespaced(context.client.clone(), namespace);
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), namespace);
    let name = mover_name(chain);
    let labeled = ListParams::default().labels(&format!("{REDRIVE_LABEL}={chain}"));
    let (deployment, pods) = futures::try_join!(
        call(format!("get Deployment {name}"), deployments.get_opt(&name)),
        call("list the pods of a mover", pods.list(&labeled)),
    )?;
    let mut pods: Vec<Pod> = pods
        .items
        .into_iter()
        .filter(|pod| !has_ended(pod))
        .collect();
    // The newest last.
    pods.sort_by_key(|pod| pod.creation_timestamp().map(|time| time.0));
    let progress = match pods
        .iter()
        .rev()
        .find(|it| it.metadata.deletion_timestamp.is_none())
    {
        Some(pod) => ask(pod, pages).await,
        None => None,
    };
    let trouble = pods.last().and_then(trouble);
    let refused = || deployment.as_ref().and_then(pod_refusal).map(str::to_owned);
    Ok(MoverSeen {
        has_pods: !pods.is_empty(),
        trouble: trouble.or_else(refused),
        progress,
        deployment,
    })
}

async fn ask(pod: &Pod, pages: &AdminPages) -> Option<RedriveProgress> {
    let address = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
    let page = pages.get(address, PROGRESS).await?;
    serde_json::from_slice(&page).ok()
}

/// One that was evicted stays as an object.
fn has_ended(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// What keeps a pod from running.
fn trouble(pod: &Pod) -> Option<String> {
    let blocked: Vec<String> = blocked_containers(pod)
        .iter()
        .map(ToString::to_string)
        .collect();
    if !blocked.is_empty() {
        return Some(blocked.join("; "));
    }
    let mut conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let scheduled = conditions.find(|it| it.type_ == "PodScheduled" && it.status == "False")?;
    scheduled.message.clone()
}

/// Creates it, or changes it.
pub async fn apply_mover(wanted: &Deployment, context: &Context) -> Result<(), Error> {
    let name = wanted.name_any();
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let patch = Patch::Apply(wanted);
    let api = api(wanted, context);
    let write = api.patch(&name, &parameters, &patch);
    let action = format!("apply Deployment {name}");
    context.write(action, write).await.map(drop)
}

/// Deletes it, if it is still the one that was seen.
pub async fn remove_mover(seen: Option<&Deployment>, context: &Context) -> Result<(), Error> {
    let Some(seen) = seen else { return Ok(()) };
    let name = seen.name_any();
    let preconditions = Preconditions {
        uid: seen.uid(),
        resource_version: None,
    };
    let parameters = DeleteParams::background().preconditions(preconditions);
    let api = api(seen, context);
    let deletion = api.delete(&name, &parameters);
    let action = format!("delete Deployment {name}");
    match context.write(action, deletion).await {
        Err(error) if error.is_not_found() => Ok(()),
        deleted => deleted.map(drop),
    }
}

fn api(deployment: &Deployment, context: &Context) -> Api<Deployment> {
    let namespace = deployment.namespace().unwrap_or_default();
    Api::namespaced(context.client.clone(), &namespace)
}
