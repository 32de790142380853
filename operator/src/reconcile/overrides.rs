//! Reports what has become of the overrides of a chain, and deletes those that nobody looks for any more.

use std::sync::Arc;

use crds::{ChainOverride, ChainOverrideStatus, ExecutorChain, IN_FORCE};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Resource, ResourceExt};
use kube_runtime::events::EventType;
use plan::{is_forgotten, override_status};
use serde_json::json;

use crate::chain::NamespacedName;
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::events::publish;

/// Reports the overrides that name a chain: `None` if it doesn't exist. A failure is only logged, since the chain
/// itself is served.
pub async fn report_overrides(
    (namespace, name): &NamespacedName,
    chain: Option<&ExecutorChain>,
    context: &Context,
) {
    let Ok(overrides) = context.caches.overrides.of(namespace, name).await else {
        // The chain's own status says so.
        return;
    };
    let now = Timestamp::now();
    for it in &overrides {
        let reported = if is_forgotten(it, now) {
            delete(it, context).await
        } else {
            report(it, chain, &overrides, now, context).await
        };
        if let Err(error) = reported {
            tracing::warn!(chain = name, name = it.name_any(), %error, "an override could not be reported");
        }
    }
}

async fn report(
    it: &ChainOverride,
    chain: Option<&ExecutorChain>,
    overrides: &[Arc<ChainOverride>],
    now: Timestamp,
    context: &Context,
) -> Result<(), Error> {
    if it.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let status = override_status(it, chain, overrides.iter().map(AsRef::as_ref), now);
    if it.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let patch = json!([{"op": "add", "path": "/status", "value": status}]);
    let patch: Patch<ChainOverride> =
        Patch::Json(serde_json::from_value(patch).expect("an add of plain data is a JSON patch"));
    let parameters = PatchParams::default();
    let api = api(it, context);
    let name = it.name_any();
    let write = api.patch_status(&name, &parameters, &patch);
    match context
        .write("write the status of an override", write)
        .await
    {
        Err(error) if error.is_not_found() => return Ok(()),
        written => {
            context.metrics.status_written(written.as_ref().err());
            written.map(drop)?;
        }
    }
    if let Some(chain) = chain {
        publish_change(it, &status, chain, context).await;
    }
    Ok(())
}

/// Writes an Event on the chain when an override begins to be in force, and when it ends.
async fn publish_change(
    it: &ChainOverride,
    status: &ChainOverrideStatus,
    chain: &ExecutorChain,
    context: &Context,
) {
    let before = it.status.as_ref().and_then(in_force);
    let Some(now) = in_force(status) else { return };
    let was_in_force = before.is_some_and(|it| it.status == "True");
    let is_in_force = now.status == "True";
    let reason = match (was_in_force, is_in_force) {
        (false, true) => "OverrideBegan",
        (true, false) => "OverrideEnded",
        (true, true) | (false, false) => return,
    };
    let by = it.spec.by.as_ref().map(|by| format!(", by {by}"));
    let note = format!(
        "{} ({}{}): {}: {}",
        it.name_any(),
        it.spec.reason,
        by.unwrap_or_default(),
        now.reason,
        now.message
    );
    publish(context, chain.meta(), EventType::Normal, reason, &note).await;
}

fn in_force(status: &ChainOverrideStatus) -> Option<&Condition> {
    status.conditions.iter().find(|it| it.type_ == IN_FORCE)
}

async fn delete(it: &ChainOverride, context: &Context) -> Result<(), Error> {
    let preconditions = Preconditions {
        uid: it.uid(),
        resource_version: None,
    };
    let parameters = DeleteParams::default().preconditions(preconditions);
    let api = api(it, context);
    let name = it.name_any();
    let deletion = api.delete(&name, &parameters);
    match context.write("delete an old override", deletion).await {
        Err(error) if error.is_not_found() => Ok(()),
        deleted => deleted.map(drop),
    }
}

fn api(it: &ChainOverride, context: &Context) -> Api<ChainOverride> {
    Api::namespaced(context.client.clone(), &it.namespace().unwrap_or_default())
}
