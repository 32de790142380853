//! What is said of tokens, against what queues send and workers require.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value;

use super::{Seen, check, text};
use crate::testbed::variable;

pub fn lies(seen: &Seen, lies: &mut Vec<String>) {
    let spec = &seen.chain["spec"];
    let is_public = !spec["push"].is_null();
    let leftovers = seen.leftovers().into_keys();
    let leftovers = leftovers.filter_map(|child| seen.deployments.get(child));
    let stages = seen.stages().iter();
    let workers = stages.filter_map(|stage| seen.deployment(stage));
    let is_open = workers
        .chain(leftovers)
        .any(|workers| variable(workers, "OIDC_AUDIENCES").is_none());
    let says_open = seen.condition("PushesUnauthenticated") == "True";
    let must_say = is_public && (is_open || spec["oidc"].is_null());
    check(lies, says_open || !must_say, || {
        "strangers may push, and it doesn't say so".to_owned()
    });
    check(lies, !says_open || is_public, || {
        "it says that strangers may push, and they find no address".to_owned()
    });
    for stage in seen.stages() {
        if seen.condition("QueuesReady") == "True" {
            let sent = sent(seen, text(&stage["queue"]));
            let wanted = wanted(spec);
            check(lies, sent == wanted, || {
                format!("QueuesReady, and a queue sends {sent:?}, not {wanted:?}")
            });
        }
        let workers = seen.deployment(stage);
        if let Some(workers) = workers.filter(|_| seen.condition("WorkersReady") == "True") {
            let (accepted, wanted) = (accepted(workers), audiences(spec));
            check(lies, accepted == wanted, || {
                format!("WorkersReady, and {stage} takes {accepted:?}, not {wanted:?}")
            });
        }
    }
}

/// Account and audience that the spec puts on a queue.
fn wanted(spec: &Value) -> Option<(String, String)> {
    let oidc = spec["oidc"].as_object()?;
    let audience = text(&oidc["audiences"][0]);
    Some((text(&oidc["serviceAccountEmail"]).into(), audience.into()))
}

fn sent(seen: &Seen, id: &str) -> Option<(String, String)> {
    let target = seen.queues.get(id)?.http_target.as_ref()?;
    let token = target.token.clone()?;
    Some((token.service_account_email, token.audience))
}

fn audiences(spec: &Value) -> BTreeSet<String> {
    let audiences = spec["oidc"]["audiences"].as_array();
    let audiences = audiences.into_iter().flatten();
    audiences.map(|it| text(it).to_owned()).collect()
}

fn accepted(workers: &Deployment) -> BTreeSet<String> {
    let variable = variable(workers, "OIDC_AUDIENCES").unwrap_or_default();
    let words = variable.split(',').filter(|it| !it.is_empty());
    words.map(str::to_owned).collect()
}
