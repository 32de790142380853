//! Keeps the generations of chains' specs. Nothing waits for it: a chain is only noted when it was reconciled, and
//! its spec is kept beside other reconciles. A failure is logged, and tried again some times; after that, the next
//! reconcile notes the chain again.

use crds::ExecutorChain;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use plan::objects::ownership::FIELD_MANAGER;
use plan::objects::revision::{KeptRevision, RawChain};

use crate::api_server::{RETRY_PAUSE, call};
use crate::cache::revisions::DueRevision;
use crate::context::Context;
use crate::error::Error;

/// Keeps the specs of chains, one after the other: many at once would burden the API server at a first start.
pub async fn keep_revisions(context: &Context) {
    let revisions = &context.caches.revisions;
    loop {
        let since = revisions.next_due().await;
        // One edit alone is kept at once, before the next one of its chain.
        if revisions.are_many_due() {
            context.reconciles.lull(since).await;
        }
        if let Some(due) = revisions.oldest_due()
            && !keep_or_warn(&due, context).await
        {
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

/// Keeps the specs that are still to be kept.
pub async fn keep_due_revisions(context: &Context) {
    while let Some(due) = context.caches.revisions.oldest_due() {
        keep_or_warn(&due, context).await;
    }
}

/// Whether it is kept. It is no longer due then, or when it has failed too often.
async fn keep_or_warn(due: &DueRevision, context: &Context) -> bool {
    let kept = keep(due, context).await;
    if let Err(error) = &kept {
        let (namespace, chain) = &due.chain;
        tracing::warn!(chain = %format!("{namespace}/{chain}"), %error, "a revision of the spec could not be kept");
        context.caches.revisions.failed(due);
    } else {
        context.caches.revisions.done(due);
    }
    kept.is_ok()
}

async fn keep(due: &DueRevision, context: &Context) -> Result<(), Error> {
    let revisions = &context.caches.revisions;
    let Some(before) = revisions.before(due).await? else {
        return Ok(());
    };
    let (namespace, name) = &due.chain;
    // As it is on the API server: the watch has no managed fields, and nothing of a spec that can't be parsed.
    let found = if let Some(answer) = due.answer() {
        Some(answer)
    } else {
        let chains = context.untyped_chains(namespace);
        call("get the chain", chains.get_opt(name)).await?
    };
    let Some(found) = found.filter(|it| it.metadata.uid.as_ref() == Some(&due.uid)) else {
        return Ok(());
    };
    let (Some(spec), Some(owner)) = (found.data.get("spec"), owner(&found)) else {
        return Ok(());
    };
    let chain = RawChain {
        metadata: &found.metadata,
        spec,
        owner: &owner,
    };
    let Some(revision) = KeptRevision::next(chain, &before, due.seen) else {
        return Ok(());
    };
    let api = Api::namespaced(context.client.clone(), namespace);
    let is_kept = before.iter().any(|it| it.name == revision.name);
    let is_written = is_kept && renumber(&revision, &api, context).await?;
    if !is_written && !create(&revision.object(chain), &api, context).await? {
        renumber(&revision, &api, context).await?;
    }
    for old in revisions.written(due, revision) {
        delete(&old, &api, context).await?;
        revisions.deleted(due, &old.name);
    }
    Ok(())
}

/// What its revisions have as their owner. A chain that is deleted in the foreground doesn't wait for them.
fn owner(chain: &DynamicObject) -> Option<OwnerReference> {
    let owner = chain.controller_owner_ref(&ApiResource::erase::<ExecutorChain>(&()))?;
    Some(OwnerReference {
        block_owner_deletion: None,
        ..owner
    })
}

/// `false` if it no longer exists.
async fn renumber(
    revision: &KeptRevision,
    api: &Api<ControllerRevision>,
    context: &Context,
) -> Result<bool, Error> {
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(revision.patch());
    let write = api.patch(&revision.name, &parameters, &patch);
    match context.write("patch a ControllerRevision", write).await {
        Err(error) if error.is_not_found() => Ok(false),
        written => written.map(|_| true),
    }
}

/// `false` if it exists: a former leader has written it after this one had listed them.
async fn create(
    object: &ControllerRevision,
    api: &Api<ControllerRevision>,
    context: &Context,
) -> Result<bool, Error> {
    let parameters = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    let write = api.create(&parameters, object);
    match context.write("create a ControllerRevision", write).await {
        Err(error) if error.exists() => Ok(false),
        written => written.map(|_| true),
    }
}

async fn delete(
    revision: &KeptRevision,
    api: &Api<ControllerRevision>,
    context: &Context,
) -> Result<(), Error> {
    let parameters = DeleteParams::default();
    let deletion = api.delete(&revision.name, &parameters);
    match context.write("delete a ControllerRevision", deletion).await {
        Err(error) if error.is_not_found() => Ok(()),
        deleted => deleted.map(drop),
    }
}
