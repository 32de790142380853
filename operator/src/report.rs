//! Report: the status, written only when it says something new.

use crds::ExecutorChain;
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use plan::status;
use serde_json::json;

use crate::context::{Context, call};
use crate::error::Error;
use crate::reconcile::Round;

/// Writes what the round came to know into the chain's status, if that differs from what stands
/// there. A chain that is gone has none.
pub async fn report(chain: &ExecutorChain, context: &Context, round: &Round) -> Result<(), Error> {
    let ended = chain.metadata.deletion_timestamp.is_some() && round.error.is_none();
    if ended {
        return Ok(());
    }
    let previous = chain.status.clone().unwrap_or_default();
    let problem = round.error.as_ref().map(Error::problem);
    let status = status(
        &previous,
        chain.metadata.generation,
        round.desired.as_ref(),
        round.observed.as_ref(),
        problem.as_ref(),
        Timestamp::now(),
    );
    if chain.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let namespace = chain.namespace().unwrap_or_default();
    let api: Api<ExecutorChain> = Api::namespaced(context.client.clone(), &namespace);
    // A list that became empty has to go, so the whole status is replaced where it stands.
    let patch = json!([{"op": "add", "path": "/status", "value": status}]);
    let patch: Patch<ExecutorChain> =
        Patch::Json(serde_json::from_value(patch).expect("an add of plain data is a JSON patch"));
    let name = chain.name_any();
    let written = call(
        "write the status",
        api.patch_status(&name, &PatchParams::default(), &patch),
    )
    .await;
    match written {
        Err(Error::Kubernetes { source, .. }) if matches!(source.as_ref(), kube::Error::Api(status) if status.code == 404) => {
            Ok(())
        }
        written => {
            context.metrics.status_written(written.as_ref().err());
            written.map(drop)
        }
    }
}
