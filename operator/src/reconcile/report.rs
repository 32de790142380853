//! Report: the status, written only when it says something new.

use crds::conditions::{ConditionType, Reason};
use crds::{ExecutorChain, ExecutorChainStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Resource};
use kube_runtime::events::EventType;
use plan::{ChainView, PlannedView, plan, status};
use serde_json::json;

use crate::api_server::call;
use crate::chain::Chain;
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::events::publish;
use crate::reconcile::findings::Findings;

/// Writes what the findings came to know into the chain's status, if that differs from what stands
/// there. A chain that is gone has none.
pub async fn report(chain: &Chain, context: &Context, findings: &Findings) -> Result<(), Error> {
    let seen = chain.0.as_ref().ok().map(|chain| chain.status.as_ref());
    let chain = chain.meta();
    let name = chain.name.as_deref().unwrap_or_default();
    let namespace = chain.namespace.as_deref().unwrap_or_default();
    if chain.deletion_timestamp.is_some() && findings.observed.is_none() && findings.error.is_none()
    {
        context.metrics.conditions.remove(namespace, name);
        return Ok(());
    }
    let uid = chain.uid.as_deref().unwrap_or_default();
    // Without the type of the spec, which may not be readable.
    let resource = ApiResource::erase::<ExecutorChain>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), namespace, &resource);
    // What we were given may be older than our own last write, such as of a drift in this very findings:
    // told again from it, a condition would get a new time for nothing.
    let current = match seen.filter(|seen| !context.caches.status_echo.is_stale(uid, *seen)) {
        Some(seen) => seen.cloned(),
        None => match call("get the chain", api.get_opt(name)).await? {
            Some(current) => status_of(&current),
            None => return Ok(()),
        },
    };
    let status = next(chain, current.as_ref(), findings);
    if let Some(known) = status.as_ref().or(current.as_ref()) {
        context.metrics.conditions.set(namespace, name, known);
    }
    let Some(status) = status else {
        if let Some(current) = &current {
            context.caches.status_echo.written(uid, current);
        }
        return Ok(());
    };
    // Before it is written: it may come back by the watch before the answer does.
    context.caches.status_echo.written(uid, &status);
    // A list that became empty has to go, so the whole status is replaced where it stands.
    let patch = json!([{"op": "add", "path": "/status", "value": status}]);
    let patch: Patch<DynamicObject> =
        Patch::Json(serde_json::from_value(patch).expect("an add of plain data is a JSON patch"));
    let parameters = PatchParams::default();
    let write = api.patch_status(name, &parameters, &patch);
    let written = context.write("write the status", write).await;
    match written {
        Err(error) if error.is_not_found() => Ok(()),
        written => {
            context.metrics.status_written(written.as_ref().err());
            written?;
            tell_of_ready(context, chain, current.as_ref(), &status).await;
            Ok(())
        }
    }
}

fn status_of(chain: &DynamicObject) -> Option<ExecutorChainStatus> {
    let status = chain.data.get("status")?;
    serde_json::from_value(status.clone()).ok()
}

/// An Event when what stands in the chain's way has changed. That pods come and go is told by their own.
async fn tell_of_ready(
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

/// The status that the chain should have after a findings, if it has another one.
fn next(
    chain: &ObjectMeta,
    current: Option<&ExecutorChainStatus>,
    findings: &Findings,
) -> Option<ExecutorChainStatus> {
    let problem = findings.error.as_ref().map(Error::problem);
    let view = findings.desired.as_ref().zip(findings.observed.as_ref());
    let view = view.map(|(desired, observed)| ChainView { desired, observed });
    let planned = view.map(|view| (view, plan(view)));
    let planned = planned.as_ref();
    let planned = planned.map(|(view, plan)| PlannedView { view: *view, plan });
    let status = status(
        &current.cloned().unwrap_or_default(),
        chain.generation,
        planned,
        problem.as_ref(),
        Timestamp::now(),
    );
    (current != Some(&status)).then_some(status)
}
