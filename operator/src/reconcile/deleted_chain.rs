//! A deleted chain, which may be one that can't be served, or not even be parsed.

use cloudtasks::{LocationPath, QueuePath};
use crds::ExecutorChain;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use plan::{Desired, location, owner_of};

use crate::api_server::call;
use crate::chain::{Chain, name_of};
use crate::context::Context;
use crate::error::Error;

/// A deleted chain, as far as its deletion depends on it.
pub struct DeletedChain<'a> {
    /// Its metadata.
    pub metadata: &'a ObjectMeta,
    /// What its children have as their owner.
    pub owner: Option<OwnerReference>,
    /// The queues that its spec names, if it can be served.
    pub queues: Vec<QueuePath>,
    /// Where its queues are, as far as its spec says so.
    pub location: Option<LocationPath>,
    /// Whether it may have routes.
    pub uses_gateway: bool,
}

impl<'a> DeletedChain<'a> {
    /// A chain that can be parsed, but perhaps not be served.
    pub fn of(chain: &'a ExecutorChain, context: &Context) -> Self {
        let spec = &chain.spec;
        let settings = &context.settings;
        let desired = Desired::new(chain, settings).ok();
        let queues = desired.iter().flat_map(Desired::queues);
        let (project, place) = (spec.project.as_deref(), spec.location.as_deref());
        Self {
            metadata: &chain.metadata,
            owner: owner_of(chain),
            queues: queues.cloned().collect(),
            location: location(project, place, settings).ok(),
            uses_gateway: spec
                .push
                .as_ref()
                .is_some_and(|push| push.gateway.is_some()),
        }
    }

    /// One that can't be parsed: its queues are where its spec says, as far as that can be read.
    pub async fn unreadable(chain: &'a Chain, context: &Context) -> Result<Self, Error> {
        let (namespace, name) = name_of(chain);
        let api = context.untyped_chains(&namespace);
        let found = call("get the chain", api.get_opt(&name)).await?;
        let field = |name: &str| found.as_ref()?.data.get("spec")?.get(name);
        let text = |name: &str| field(name)?.as_str();
        let place = location(text("project"), text("location"), &context.settings);
        let push = field("push");
        Ok(Self {
            metadata: chain.meta(),
            owner: owner_of(chain),
            queues: Vec::new(),
            location: place.ok(),
            uses_gateway: push.is_some_and(|push| push.get("gateway").is_some()),
        })
    }
}
