//! Carries out redrives and discards, beside the reconciles of chains: what is to be done is decided in
//! [`plan::redrives`].
//!
//! Each turn of a chain begins with what exists. So an operator that dies at any step, or another that leads
//! after it, goes on.

pub mod mover;
pub mod seen;

use std::time::Duration;

use crds::{ChainDiscard, ChainRedrive, RedriveReason, RedriveStatus};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::NamespaceResourceScope;
use kube_runtime::events::EventType;
use plan::redrives::{head, turn};
use plan::{MoverStep, Redrive, Turn, is_redrive_forgotten};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::admin_pages::AdminPages;
use crate::chain::NamespacedName;
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::events::publish;
use mover::{apply_mover, remove_mover, see_mover};
use seen::{SeenChain, see_chain};

/// Between two turns: statuses are written no more often.
const PAUSE: Duration = Duration::from_secs(1);
/// How many chains are looked at at once.
const CONCURRENCY: usize = 8;

/// Carries out redrives until it is dropped.
pub async fn carry_out_redrives(context: &Context) {
    let pages = AdminPages::default();
    loop {
        let due = context.caches.redrives.due().await;
        futures::stream::iter(due)
            .for_each_concurrent(CONCURRENCY, async |chain| {
                if let Err(error) = look(&chain, &pages, context).await {
                    let (namespace, name) = &chain;
                    tracing::warn!(chain = %format!("{namespace}/{name}"), %error, "a redrive can't continue: the operator retries");
                }
            })
            .await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// One turn of a chain.
async fn look(chain: &NamespacedName, pages: &AdminPages, context: &Context) -> Result<(), Error> {
    let cache = &context.caches.redrives;
    // Until something else is known.
    cache.looked_at(chain, false);
    let Some(redrives) = cache.of(chain) else {
        return Ok(());
    };
    let now = Timestamp::now();
    let (old, redrives): (Vec<Redrive>, Vec<Redrive>) = redrives
        .into_iter()
        .partition(|it| is_redrive_forgotten(it, now));
    for it in &old {
        delete(it, context).await?;
    }
    let Some(seen) = see_chain(chain, context).await? else {
        return Ok(());
    };
    let mover = see_mover(chain, pages, context).await?;
    let Turn {
        statuses,
        mover: step,
    } = turn(&chain.1, seen.redriven(), &redrives, &mover, now);
    let mut is_over = head(&redrives).is_none();
    for (redrive, status) in redrives.iter().zip(statuses) {
        if let Some(status) = status {
            write(redrive, status, &seen, context).await?;
            is_over = false;
        }
    }
    let is_gone = !mover.has_pods && step == MoverStep::Keep;
    match step {
        MoverStep::Keep => {}
        MoverStep::Apply(wanted) => apply_mover(&wanted, context).await?,
        MoverStep::Remove => remove_mover(mover.deployment.as_ref(), context).await?,
    }
    cache.looked_at(chain, is_over && is_gone);
    Ok(())
}

async fn write(
    redrive: &Redrive,
    status: RedriveStatus,
    seen: &SeenChain,
    context: &Context,
) -> Result<(), Error> {
    let written = match redrive {
        Redrive::Move(it) => write_status::<ChainRedrive>(&it.metadata, &status, context).await,
        Redrive::Discard(it) => write_status::<ChainDiscard>(&it.metadata, &status, context).await,
    };
    let now = match written {
        Err(error) if error.is_not_found() => return Ok(()),
        written => {
            context.metrics.status_written(written.as_ref().err());
            written?
        }
    };
    let cache = &context.caches.redrives;
    cache.written(redrive, &now, status.clone());
    if let Some(chain) = seen.metadata() {
        publish_change(redrive, &status, chain, context).await;
    }
    Ok(())
}

async fn write_status<K>(
    metadata: &ObjectMeta,
    status: &RedriveStatus,
    context: &Context,
) -> Result<ObjectMeta, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned,
    K: Serialize + std::fmt::Debug,
{
    let name = metadata.name.clone().unwrap_or_default();
    // Not of another object that has got its name since.
    let patch = json!([
        {"op": "test", "path": "/metadata/uid", "value": metadata.uid},
        {"op": "add", "path": "/status", "value": status},
    ]);
    let patch: Patch<K> =
        Patch::Json(serde_json::from_value(patch).expect("plain data is a JSON patch"));
    let parameters = PatchParams::default();
    let api = api::<K>(metadata, context);
    let write = api.patch_status(&name, &parameters, &patch);
    let action = format!("write the status of a {}", K::kind(&()));
    let written = context.write(action, write).await?;
    Ok(written.meta().clone())
}

/// Writes an Event on the chain when one begins, and when it has ended.
async fn publish_change(
    redrive: &Redrive,
    status: &RedriveStatus,
    chain: &ObjectMeta,
    context: &Context,
) {
    let now = redrive.clone().with_status(status.clone());
    let Some(condition) = now.condition() else {
        return;
    };
    let what = match redrive {
        Redrive::Move(_) => "Redrive",
        Redrive::Discard(_) => "Discard",
    };
    let by = redrive.by().map(|by| format!(", by {by}"));
    let about = format!(
        "{} ({}{})",
        redrive.name(),
        redrive.reason(),
        by.unwrap_or_default()
    );
    if now.is_finished() && !redrive.is_finished() {
        let is_done = now.state() == Some(RedriveReason::Done);
        let (type_, ended) = match now.state() {
            Some(RedriveReason::Done | RedriveReason::Stopped) => (EventType::Normal, is_done),
            _ => (EventType::Warning, false),
        };
        let reason = format!("{what}{}", if ended { "Finished" } else { "Stopped" });
        let note = format!("{about}: {}: {}", condition.reason, condition.message);
        publish(context, chain, type_, &reason, &note).await;
    } else if now.has_started() && !redrive.has_started() {
        let rate = redrive.rate();
        let note = match redrive.to() {
            Some(to) => format!("{about}: parked tasks are moved to stage {to}, {rate} a second"),
            None => format!("{about}: parked tasks are deleted"),
        };
        publish(
            context,
            chain,
            EventType::Normal,
            &format!("{what}Began"),
            &note,
        )
        .await;
    }
}

async fn delete(redrive: &Redrive, context: &Context) -> Result<(), Error> {
    let deleted = match redrive {
        Redrive::Move(it) => delete_object::<ChainRedrive>(&it.metadata, context).await,
        Redrive::Discard(it) => delete_object::<ChainDiscard>(&it.metadata, context).await,
    };
    match deleted {
        Err(error) if error.is_not_found() => Ok(()),
        deleted => deleted,
    }
}

async fn delete_object<K>(metadata: &ObjectMeta, context: &Context) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned,
    K: std::fmt::Debug,
{
    let name = metadata.name.clone().unwrap_or_default();
    let preconditions = Preconditions {
        uid: metadata.uid.clone(),
        resource_version: None,
    };
    let parameters = DeleteParams::default().preconditions(preconditions);
    let api = api::<K>(metadata, context);
    let deletion = api.delete(&name, &parameters);
    let action = format!("delete an old {}", K::kind(&()));
    context.write(action, deletion).await.map(drop)
}

fn api<K>(metadata: &ObjectMeta, context: &Context) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let namespace = metadata.namespace.clone().unwrap_or_default();
    Api::namespaced(context.client.clone(), &namespace)
}
