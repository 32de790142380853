//! Chains as the API server has them: without numbers.

use console::{Known, Unknown};
use crds::ExecutorChain;
use kube::api::{Api, ListParams};
use kube::core::DeserializeGuard;
use kube::{Client, ResourceExt};

use super::client::limited;
use crate::inspect::scope::Scope;
use crate::inspect::seen::{Gap, Right, Seen};

/// One that can't be parsed is none of the others' trouble.
type Chain = DeserializeGuard<ExecutorChain>;

/// The chains of a scope.
pub(super) async fn read(client: &Client, scope: &Scope) -> Result<Seen, Gap> {
    let namespace = scope.namespace.as_deref();
    let api: Api<Chain> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let resource = "executorchains.executor-chain.dev";
    let read = if let Some(name) = &scope.name {
        let right = Right::new("get", resource, namespace);
        let chain = limited(right, api.get_opt(name)).await?;
        chain.into_iter().collect()
    } else {
        let right = Right::new("list", resource, namespace);
        let listed = limited(right, api.list(&ListParams::default())).await?;
        listed.items
    };
    let mut seen = Seen::nothing();
    for chain in read {
        let name = chain.name_any();
        match chain.0 {
            Ok(chain) => seen.chains.push(live(&chain)),
            Err(error) => seen.gaps.push(Gap::Operator(format!(
                "chain {name} is from another version than this program ({error}): use the same version"
            ))),
        }
    }
    Ok(seen)
}

fn live(chain: &ExecutorChain) -> console::LiveChain {
    let unknown = Unknown::NoOperator;
    console::live::live(chain, &|_| Known::Unknown { unknown }, &|_| {
        Known::Unknown { unknown }
    })
}
