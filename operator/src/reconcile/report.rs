//! Report: writes the status, only when it has changed.

use crds::ExecutorChainStatus;
use crds::conditions::{ConditionType, Reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube_runtime::events::EventType;
use plan::status;
use serde_json::json;

use crate::api_server::call;
use crate::chain::name_in;
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::events::publish;
use crate::reconcile::findings::Findings;

/// Writes the findings to the chain's status, if it differs, and returns that status. A chain that is deleted
/// has none. `given` is the status that the chain was read with, unless the chain can't be parsed.
pub async fn report(
    chain: &ObjectMeta,
    given: Option<Option<&ExecutorChainStatus>>,
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
    let api = context.untyped_chains(&namespace);
    // The given status may be older than our last write, such as of drift in this very reconcile: then a
    // condition that has not changed would get a new time.
    let current = match given.filter(|given| !echo.is_stale(uid, *given)) {
        Some(given) => given.cloned(),
        None => match echo.unseen(uid) {
            Some(unseen) => Some(unseen),
            None => match call("get the chain", api.get_opt(&name)).await? {
                Some(current) => status_of(&current),
                None => return Ok(None),
            },
        },
    };
    let status = next(chain, current.as_ref(), findings);
    if let Some(known) = status.as_ref().or(current.as_ref()) {
        context.metrics.conditions.set(&namespace, &name, known);
    }
    let Some(status) = status else {
        if let Some(current) = &current {
            echo.written(uid, current);
        }
        return Ok(current);
    };
    // Before the write: the watch may show it before the answer arrives.
    echo.written(uid, &status);
    // The whole status is replaced, so that lists which have become empty disappear.
    let patch = json!([{"op": "add", "path": "/status", "value": status}]);
    let patch: Patch<DynamicObject> =
        Patch::Json(serde_json::from_value(patch).expect("an add of plain data is a JSON patch"));
    let parameters = PatchParams::default();
    let write = api.patch_status(&name, &parameters, &patch);
    match context.write("write the status", write).await {
        Err(error) if error.is_not_found() => Ok(None),
        written => {
            context.metrics.status_written(written.as_ref().err());
            let answered = written?.metadata;
            echo.taken(uid, &status, answered.resource_version.as_deref());
            publish_ready(context, chain, current.as_ref(), &status).await;
            Ok(Some(status))
        }
    }
}

fn status_of(chain: &DynamicObject) -> Option<ExecutorChainStatus> {
    let status = chain.data.get("status")?;
    serde_json::from_value(status.clone()).ok()
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
    let type_ = match Reason::named(&now.reason) {
        Some(Reason::Progressing | Reason::PodsNotReady | Reason::RoutePending) => return,
        Some(Reason::AsSpecified) => EventType::Normal,
        _ => EventType::Warning,
    };
    publish(context, chain, type_, &now.reason, &now.message).await;
}

/// The chain's new status, if it differs.
fn next(
    chain: &ObjectMeta,
    current: Option<&ExecutorChainStatus>,
    findings: &Findings,
) -> Option<ExecutorChainStatus> {
    let problem = findings.error.as_ref().map(Error::problem);
    let status = status(
        &current.cloned().unwrap_or_default(),
        chain.generation,
        findings.planned(),
        problem.as_ref(),
        Timestamp::now(),
    );
    (current != Some(&status)).then_some(status)
}
