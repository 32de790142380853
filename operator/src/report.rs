//! Report: the status, written only when it says something new.

use crds::{ExecutorChain, ExecutorChainStatus};
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use plan::status;
use serde_json::json;

use crate::context::{Context, call};
use crate::error::Error;
use crate::kubernetes::is_not_found;
use crate::reconcile::Round;

/// Writes what the round came to know into the chain's status, if that differs from what stands
/// there. A chain that is gone has none.
pub async fn report(chain: &ExecutorChain, context: &Context, round: &Round) -> Result<(), Error> {
    let ended = chain.metadata.deletion_timestamp.is_some() && round.error.is_none();
    if ended || next(chain, chain, round).is_none() {
        return Ok(());
    }
    // What we were given may be older than our own last write: told again from it, a condition
    // would get a new time for nothing.
    let namespace = chain.namespace().unwrap_or_default();
    let api: Api<ExecutorChain> = Api::namespaced(context.client.clone(), &namespace);
    let name = chain.name_any();
    let Some(current) = call("get the chain", api.get_opt(&name)).await? else {
        return Ok(());
    };
    let Some(status) = next(chain, &current, round) else {
        return Ok(());
    };
    // A list that became empty has to go, so the whole status is replaced where it stands.
    let patch = json!([{"op": "add", "path": "/status", "value": status}]);
    let patch: Patch<ExecutorChain> =
        Patch::Json(serde_json::from_value(patch).expect("an add of plain data is a JSON patch"));
    let parameters = PatchParams::default();
    let written = call(
        "write the status",
        api.patch_status(&name, &parameters, &patch),
    )
    .await;
    match written {
        Err(error) if is_not_found(&error) => Ok(()),
        written => {
            context.metrics.status_written(written.as_ref().err());
            written.map(drop)
        }
    }
}

/// The status that `current` should have after a round for `chain`, if it has another one.
fn next(
    chain: &ExecutorChain,
    current: &ExecutorChain,
    round: &Round,
) -> Option<ExecutorChainStatus> {
    let problem = round.error.as_ref().map(Error::problem);
    let status = status(
        &current.status.clone().unwrap_or_default(),
        chain.metadata.generation,
        round.desired.as_ref(),
        round.observed.as_ref(),
        problem.as_ref(),
        Timestamp::now(),
    );
    (current.status.as_ref() != Some(&status)).then_some(status)
}
