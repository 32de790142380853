//! Where the chains come from.

use std::sync::Arc;

use console::{ParkedQuery, ParkedReply, PlanReply, PlanRequest, Snapshot, Standby};
use futures::FutureExt;
use futures::future::BoxFuture;

/// Where the chains come from: the operator's memory, or that of `executor-chain dev`.
pub trait Source: Send + Sync + 'static {
    /// The chains now. It is called once for each request and for each interval, so it returns the same
    /// `Arc` until there is something new: the same snapshot is rendered once.
    fn snapshot(&self) -> Result<Arc<Snapshot>, Standby>;

    /// A person or a program looks at all chains, or at the one of this namespace and name. Called for each
    /// request and, while a page is open, for each interval.
    fn looked_at(&self, chain: Option<(&str, &str)>);

    /// What an edit would do. Nothing is changed.
    fn plan(&self, request: PlanRequest) -> BoxFuture<'static, Result<PlanReply, Unplanned>> {
        let chain = request.chain;
        async move {
            Err(Unplanned::NoPlan(format!(
                "edits of {chain} can't be planned here"
            )))
        }
        .boxed()
    }

    /// What is parked of the chain of this namespace and name.
    fn parked(
        &self,
        chain: (String, String),
        query: ParkedQuery,
    ) -> BoxFuture<'static, Result<ParkedReply, NotListed>> {
        let _ = query;
        async move {
            let (namespace, name) = chain;
            Err(NotListed::Absent(format!(
                "parked tasks of {namespace}/{name} can't be listed here"
            )))
        }
        .boxed()
    }
}

/// Why it is unknown what is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotListed {
    /// This operator doesn't lead.
    Standby(Standby),
    /// There is no such chain, or no parking queue: a sentence.
    Absent(String),
    /// Cloud Tasks didn't list the queue: a sentence.
    Failed(String),
    /// Too much was listed in the last minute: a sentence that says when to try again.
    TooOften(String),
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unplanned {
    /// This operator doesn't lead.
    Standby(Standby),
    /// There is no such chain, or no such override: a sentence.
    Absent(String),
    /// What exists could not be read: a sentence.
    NoPlan(String),
}
