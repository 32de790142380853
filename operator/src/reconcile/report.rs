//! Report: writes the status, only when it has changed.

use crds::conditions::{ConditionType, Reason};
use crds::{ExecutorChain, ExecutorChainStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube_runtime::events::EventType;
use plan::status;
use serde_json::json;

use crate::api_server::call;
use crate::cache::status_echo::StatusEchoFilter;
use crate::chain::name_in;
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::events::{publish, publish_late};
use crate::reconcile::findings::Findings;

/// How many times one status is written, if other clients change the chain each time.
const MAX_WRITES: usize = 3;

/// A version of a chain, and its status.
struct Current {
    object: DynamicObject,
    status: Option<ExecutorChainStatus>,
}

/// Writes the findings to the chain's status, if it differs, and returns that status. A chain that is deleted
/// has none. `parsed` is the chain as it was watched; `None` if it can't be parsed.
pub async fn report(
    chain: &ObjectMeta,
    parsed: Option<&ExecutorChain>,
    context: &Context,
    findings: &Findings,
) -> Result<Option<ExecutorChainStatus>, Error> {
    let (namespace, name) = name_in(chain);
    if chain.deletion_timestamp.is_some() && findings.state.is_none() && findings.error.is_none() {
        context.metrics.conditions.remove(&namespace, &name);
        return Ok(None);
    }
    let uid = chain.uid.as_deref().unwrap_or_default();
    let echo = &context.caches.status_echo;
    let mut known = parsed.and_then(|parsed| watched(parsed, echo));
    let mut writes_left = MAX_WRITES;
    loop {
        let current = match known.take() {
            Some(current) => current,
            None => match read(chain, context).await? {
                Some(current) => current,
                None => return Ok(None),
            },
        };
        let status = next(chain, current.status.as_ref(), findings);
        context.metrics.conditions.set(&namespace, &name, &status);
        // Before the write: the watch may show it before the answer arrives.
        echo.written(uid, &status);
        if current.status.as_ref() == Some(&status) {
            return Ok(Some(status));
        }
        writes_left -= 1;
        match replace(current.object, &status, context).await {
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) if error.is_conflict() && writes_left > 0 => {}
            written => {
                context.metrics.status_written(written.as_ref().err());
                let written = written?;
                let version = written.metadata.resource_version.as_deref();
                echo.taken(uid, &status, version);
                context.caches.revisions.answered(written);
                publish_ready(context, chain, current.status.as_ref(), &status).await;
                return Ok(Some(status));
            }
        }
    }
}

/// The chain as it was watched, with its last status. `None` if the watch is behind, and nothing else is known:
/// from an older status, a condition that has not changed would get a new time.
fn watched(chain: &ExecutorChain, echo: &StatusEchoFilter) -> Option<Current> {
    let uid = chain.metadata.uid.as_deref().unwrap_or_default();
    let mut metadata = chain.metadata.clone();
    let status = if echo.is_stale(uid, chain.status.as_ref()) {
        let (version, status) = echo.unseen(uid)?;
        metadata.resource_version = Some(version.to_string());
        Some(status)
    } else {
        chain.status.clone()
    };
    let mut object = DynamicObject::new("", &ApiResource::erase::<ExecutorChain>(&()));
    object.metadata = metadata;
    object.data = json!({"spec": chain.spec});
    Some(Current { object, status })
}

/// The chain as the API server has it now; `None` if it doesn't exist any more.
async fn read(chain: &ObjectMeta, context: &Context) -> Result<Option<Current>, Error> {
    let (namespace, name) = name_in(chain);
    let api = context.untyped_chains(&namespace);
    let object = call("get the chain", api.get_opt(&name)).await?;
    let object = object.filter(|object| object.metadata.uid == chain.uid);
    Ok(object.map(|object| {
        let status = object.data.get("status");
        let status = status.and_then(|status| serde_json::from_value(status.clone()).ok());
        Current { object, status }
    }))
}

/// Replaces the whole status, so that lists which have become empty disappear. A PUT costs the API server less
/// than a patch, and conflicts if the chain has another version by now.
async fn replace(
    mut object: DynamicObject,
    status: &ExecutorChainStatus,
    context: &Context,
) -> Result<DynamicObject, Error> {
    object.data["status"] = json!(status);
    let (namespace, name) = name_in(&object.metadata);
    let api = context.untyped_chains(&namespace);
    let parameters = PostParams::default();
    let write = api.replace_status(&name, &parameters, &object);
    context.write("write the status", write).await
}

/// Writes an Event when the reason of Ready has changed. Pods have Events of their own.
async fn publish_ready(
    context: &Context,
    chain: &ObjectMeta,
    before: Option<&ExecutorChainStatus>,
    now: &ExecutorChainStatus,
) {
    let ready = |status: &ExecutorChainStatus| {
        let mut conditions = status.conditions.iter();
        let ready = conditions.find(|it| it.type_ == ConditionType::Ready.as_str());
        ready.cloned()
    };
    let before = before.and_then(ready);
    let Some(now) = ready(now) else { return };
    if before.is_some_and(|before| before.reason == now.reason) {
        return;
    }
    let Condition {
        reason, message, ..
    } = &now;
    match Reason::named(reason) {
        Some(Reason::Progressing | Reason::PodsNotReady | Reason::RoutePending) => {}
        Some(Reason::AsSpecified) => {
            publish_late(context, chain, EventType::Normal, reason, message);
        }
        _ => publish(context, chain, EventType::Warning, reason, message).await,
    }
}

/// The chain's new status.
fn next(
    chain: &ObjectMeta,
    current: Option<&ExecutorChainStatus>,
    findings: &Findings,
) -> ExecutorChainStatus {
    let problem = findings.error.as_ref().map(Error::problem);
    status(
        &current.cloned().unwrap_or_default(),
        chain.generation,
        findings.planned(),
        problem.as_ref(),
        Timestamp::now(),
    )
}
