//! Commands that can be pasted: with every name, and harmless where the cause isn't certain.

use worker_contract::ports;

use super::evidence::Evidence;
use crate::model::{LiveChain, LiveOverride};

/// The port of this machine that a worker's admin port is forwarded to. The operator's has the same number
/// as the worker's, and may be forwarded already.
pub(super) const FORWARDED: u16 = 9482;

/// All conditions of a chain, and its events.
pub(super) fn describe(chain: &LiveChain) -> String {
    let LiveChain {
        name, namespace, ..
    } = chain;
    format!("kubectl describe chain {name} -n {namespace}")
}

/// The spec in an editor. What a limit should be, numbers don't say.
pub(super) fn edit(chain: &LiveChain) -> String {
    let LiveChain {
        name, namespace, ..
    } = chain;
    format!("kubectl edit chain {name} -n {namespace}")
}

/// What is parked.
pub(super) fn parked(chain: &LiveChain) -> String {
    let LiveChain {
        name, namespace, ..
    } = chain;
    format!("kubectl chain parked {name} -n {namespace}")
}

/// Where notifications go.
pub(super) fn notifier(chain: &LiveChain) -> String {
    let LiveChain {
        name, namespace, ..
    } = chain;
    format!("kubectl get chain {name} -n {namespace} -o jsonpath='{{.spec.notifier}}'")
}

/// The state of a stage's pods, and their events.
pub(super) fn describe_pods(of: Evidence<'_>) -> String {
    let namespace = &of.chain.namespace;
    format!("kubectl describe pods -n {namespace} -l {}", selector(of))
}

/// What the workers of a stage log.
pub(super) fn worker_logs(of: Evidence<'_>) -> String {
    logs(of, "-c worker")
}

/// What the handlers of a stage log, and the workers: the handler may be elsewhere.
pub(super) fn all_logs(of: Evidence<'_>) -> String {
    logs(of, "--all-containers")
}

fn logs(of: Evidence<'_>, containers: &str) -> String {
    let namespace = &of.chain.namespace;
    let selector = selector(of);
    format!("kubectl logs -n {namespace} -l {selector} {containers} --prefix --tail=20")
}

/// Makes the admin port of one of a stage's workers reachable.
pub(super) fn forward_admin(of: Evidence<'_>) -> String {
    let namespace = &of.chain.namespace;
    let deployment = &of.stage.deployment;
    let port = ports::ADMIN;
    format!("kubectl port-forward -n {namespace} deployment/{deployment} {FORWARDED}:{port}")
}

/// Ends an override.
pub(super) fn undo(chain: &LiveChain, it: &LiveOverride) -> String {
    format!("kubectl chain undo {} -n {}", it.name, chain.namespace)
}

/// Lifts a limit: ends the override that sets it, or edits the spec.
pub(super) fn lift(of: Evidence<'_>, field: &str) -> String {
    match of.stage.overridden(field) {
        Some(it) => undo(of.chain, it),
        None => edit(of.chain),
    }
}

/// Takes `paused: true` out of the spec.
pub(super) fn unpause(of: Evidence<'_>) -> String {
    patch(of, r#"{"op":"remove","path":"/spec/stages/INDEX/paused"}"#)
}

/// Fails if stages have been moved meanwhile.
fn patch(of: Evidence<'_>, change: &str) -> String {
    let LiveChain {
        name, namespace, ..
    } = of.chain;
    let stage = &of.stage.name;
    let test = r#"{"op":"test","path":"/spec/stages/INDEX/name","value":"STAGE"}"#;
    let test = test.replace("STAGE", stage);
    let both = format!("[{test},{change}]").replace("INDEX", &of.index.to_string());
    format!("kubectl patch chain {name} -n {namespace} --type=json -p '{both}'")
}

fn selector(of: Evidence<'_>) -> String {
    let chain = &of.chain.name;
    let stage = &of.stage.name;
    format!("executor-chain.dev/chain={chain},executor-chain.dev/stage={stage}")
}
