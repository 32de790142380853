//! What is known of the chain that redrives name.

use crds::{ExecutorChain, ExecutorChainStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use plan::{Desired, ParkingSeen, RedrivenChain, refuse_not_allowed};

use crate::api_server::call;
use crate::chain::NamespacedName;
use crate::context::Context;
use crate::error::Error;

/// What is known of a chain.
pub enum SeenChain {
    /// It doesn't exist.
    Absent,
    /// It is being deleted.
    Deleted(ObjectMeta),
    /// It can't be served, for this reason.
    Blocked(ObjectMeta, String),
    /// It is served.
    Served {
        /// Its metadata.
        metadata: Box<ObjectMeta>,
        /// Its spec, parsed.
        desired: Box<Desired>,
        /// What was reported of it.
        status: Option<Box<ExecutorChainStatus>>,
        /// Its parking queue.
        parking: ParkingSeen,
    },
}

impl SeenChain {
    /// As far as it matters to redrives.
    pub fn redriven(&self) -> RedrivenChain<'_> {
        match self {
            Self::Absent => RedrivenChain::Absent,
            Self::Deleted(_) => RedrivenChain::Deleted,
            Self::Blocked(_, problem) => RedrivenChain::Blocked(problem),
            Self::Served {
                metadata: _,
                desired,
                status,
                parking,
            } => RedrivenChain::Served {
                desired,
                status: status.as_deref(),
                parking,
            },
        }
    }

    /// Of the chain, if it exists.
    pub fn metadata(&self) -> Option<&ObjectMeta> {
        match self {
            Self::Absent => None,
            Self::Deleted(metadata) | Self::Blocked(metadata, _) => Some(metadata),
            Self::Served { metadata, .. } => Some(metadata),
        }
    }
}

/// Looks at a chain; `None` if what the watch shows of it isn't known to be so.
pub async fn see_chain(
    name: &NamespacedName,
    context: &Context,
) -> Result<Option<SeenChain>, Error> {
    let chains = &context.caches.served_chains;
    if let Some(chain) = chains.get(name) {
        return Ok(Some(served(chain, context)));
    }
    let (namespace, chain) = name;
    let api = context.untyped_chains(namespace);
    // The watch may lag behind the creation of both, and what has ended stays so.
    let found = call("get the chain", api.get_opt(chain)).await?;
    let Some(found) = found else {
        return Ok(chains.is_free(name).then_some(SeenChain::Absent));
    };
    if found.metadata.deletion_timestamp.is_some() {
        return Ok(Some(SeenChain::Deleted(found.metadata)));
    }
    let parsed: Result<ExecutorChain, _> = found.clone().try_parse();
    Ok(parsed.is_err().then(|| {
        let problem = "it can't be parsed: see its condition Ready".to_owned();
        SeenChain::Blocked(found.metadata, problem)
    }))
}

fn served(chain: ExecutorChain, context: &Context) -> SeenChain {
    if chain.metadata.deletion_timestamp.is_some() {
        return SeenChain::Deleted(chain.metadata);
    }
    let desired = Desired::new(&chain, &context.settings);
    let allowed = desired.and_then(|desired| {
        refuse_not_allowed(&desired, &context.settings.tenants)?;
        Ok(desired)
    });
    match allowed {
        Err(problem) => SeenChain::Blocked(chain.metadata, problem.message),
        Ok(desired) => SeenChain::Served {
            parking: parking(&chain, &desired, context),
            metadata: Box::new(chain.metadata),
            desired: Box::new(desired),
            status: chain.status.map(Box::new),
        },
    }
}

/// What is known of its parking queue. One that isn't listed may be about to be created, until the operator
/// has reported the present spec.
fn parking(chain: &ExecutorChain, desired: &Desired, context: &Context) -> ParkingSeen {
    let Some(queue) = desired.parking_queue() else {
        return ParkingSeen::Missing;
    };
    let status = chain.status.as_ref();
    let reported = status.and_then(|status| status.observed_generation);
    if reported != chain.metadata.generation {
        let why = "the operator has not observed the chain's current spec yet";
        return ParkingSeen::Unknown(why.to_owned());
    }
    match context.caches.locations.known(&queue.parent) {
        None => {
            ParkingSeen::Unknown("Cloud Tasks has not listed the chain's queues yet".to_owned())
        }
        Some(queues) => ParkingSeen::of(queues.get(queue), &desired.queue_owner),
    }
}
