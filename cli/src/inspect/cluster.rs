//! A cluster: its operators by port-forward, and the API server for what they don't show.

mod chains;
pub(crate) mod client;
pub(super) mod names;
mod operators;

use std::collections::BTreeSet;

use console::{LiveChain, PlanReply, PlanRequest};
use kube::Client;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};

use super::api::{Asked, Connection, Posted, Reply};
use super::args::Place;
use super::scope::Scope;
use super::seen::{Gap, Seen};
use crate::error::Error;
use operators::{Operator, Pod};

/// A cluster.
pub struct Cluster {
    client: Client,
    namespace: String,
    operator_namespace: Option<String>,
    /// Connections to the operators that have answered.
    leaders: Vec<Connection>,
}

impl Cluster {
    /// The cluster of a kubeconfig. Doesn't connect yet.
    pub async fn of(place: &Place) -> Result<Self, Error> {
        let (client, namespace) = client::of(place).await?;
        Ok(Self {
            client,
            namespace,
            operator_namespace: place.operator_namespace.clone(),
            leaders: Vec::new(),
        })
    }

    /// The namespace of the kubeconfig's context.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Chains: as their operators have them, and those that no operator shows as the API server has them.
    pub async fn look(&mut self, scope: &Scope) -> Result<Seen, Error> {
        let mut seen = self.ask_operators(scope).await;
        if seen.gaps.is_empty() && !seen.chains.is_empty() {
            return Ok(seen);
        }
        match chains::read(&self.client, scope).await {
            Ok(read) => add(&mut seen, read),
            // What operators show is complete, or they say what is missing.
            Err(_) if !seen.lacks_an_operator() && !seen.chains.is_empty() => {}
            Err(gap) => {
                seen.gaps.push(gap);
                if seen.chains.is_empty() {
                    return Err(Error::Unseen(seen.gaps));
                }
            }
        }
        Ok(seen)
    }

    /// The client of the API server.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What an edit would do, from the operator that serves the chain.
    pub async fn plan(&mut self, request: &PlanRequest) -> Result<PlanReply, Unplanned> {
        let scope = Scope {
            namespace: Some(request.namespace.clone()),
            name: Some(request.chain.clone()),
        };
        let seen = self.find_operators(&scope).await;
        let mut refused = None;
        for connection in &mut self.leaders {
            match connection.post("/api/v1/plan", request).await {
                Ok(Posted::Done(reply)) => return Ok(reply),
                Ok(Posted::Refused(reason)) => refused = Some(reason),
                Ok(Posted::Standby) => {}
                Err(reason) => return Err(Unplanned::Unknown(Gap::Operator(reason))),
            }
        }
        if let Some(reason) = refused {
            return Err(Unplanned::Refused(reason));
        }
        let mut gaps = seen.gaps.into_iter();
        let gap = gaps.next();
        let none = || Gap::Operator("no operator leads now".to_owned());
        Err(Unplanned::Unknown(gap.unwrap_or_else(none)))
    }

    /// What a path of the API has of a chain, from the operator that serves it.
    pub async fn ask<T: DeserializeOwned>(
        &mut self,
        scope: &Scope,
        path: &str,
    ) -> Result<T, Error> {
        let mut seen = self.find_operators(scope).await;
        let mut refused = None;
        for connection in &mut self.leaders {
            match connection.ask(path).await {
                Ok(Asked::Found(found)) => return Ok(found),
                Ok(Asked::Refused(reason)) => refused = Some(reason),
                Ok(Asked::NotNow(reason)) => return Err(Error::NotNow(reason)),
                Ok(Asked::Standby) => {}
                Err(reason) => seen.gaps.push(Gap::Operator(reason)),
            }
        }
        if let Some(reason) = refused {
            return Err(Error::Refused(reason));
        }
        if seen.gaps.is_empty() {
            let none = Gap::Operator("no operator leads now".to_owned());
            seen.gaps.push(none);
        }
        Err(Error::Unseen(seen.gaps))
    }

    /// For the page: streams to the admin port of the operator that leads.
    pub fn page(&self) -> Page {
        let Self {
            client,
            namespace: _,
            operator_namespace,
            leaders: _,
        } = self;
        Page {
            client: client.clone(),
            operator_namespace: operator_namespace.clone(),
        }
    }
}

/// Why there is no plan.
pub enum Unplanned {
    /// The operator refuses: a sentence.
    Refused(String),
    /// No operator can be asked.
    Unknown(Gap),
}

/// Streams to the admin port of the operator that leads.
#[derive(Clone)]
pub struct Page {
    client: Client,
    operator_namespace: Option<String>,
}

impl Page {
    /// A new one.
    pub async fn stream(&self) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, Gap> {
        let found = operators::find(&self.client, self.operator_namespace.as_deref()).await?;
        let [operator] = &found[..] else {
            let namespaces: Vec<&str> = found.iter().map(Operator::namespace).collect();
            return Err(Gap::Operator(format!(
                "several operators serve this cluster: choose one with --operator-namespace (they are in {})",
                namespaces.join(", ")
            )));
        };
        let pod = operator.leader(&self.client).await?;
        operators::forward(&self.client, &pod).await
    }
}

impl Cluster {
    async fn ask_operators(&mut self, scope: &Scope) -> Seen {
        let mut seen = Seen::nothing();
        for connection in &mut self.leaders {
            match connection.look(scope).await {
                Ok(Reply::Found(answer)) => seen.add(answer),
                Ok(Reply::Absent) => {}
                // It has ended, or leads no more.
                Ok(Reply::Standby(_)) | Err(_) => {
                    self.leaders.clear();
                    break;
                }
            }
        }
        if self.leaders.is_empty() {
            seen = self.find_operators(scope).await;
        }
        seen
    }

    async fn find_operators(&mut self, scope: &Scope) -> Seen {
        let mut seen = Seen::nothing();
        match operators::find(&self.client, self.operator_namespace.as_deref()).await {
            Ok(found) => {
                for operator in found {
                    match connect(&self.client, &operator, scope).await {
                        Ok((connection, answer)) => {
                            seen.add(answer);
                            self.leaders.push(connection);
                        }
                        Err(gap) => seen.gaps.push(gap),
                    }
                }
            }
            Err(gap) => seen.gaps.push(gap),
        }
        if seen.lacks_an_operator() {
            // All are looked for again: one that was missing may be back.
            self.leaders.clear();
        }
        seen
    }
}

/// Asks the leader, or the one that a standby names: the Lease may have moved since it was read.
async fn connect(
    client: &Client,
    operator: &Operator,
    scope: &Scope,
) -> Result<(Connection, Seen), Gap> {
    let mut pod = operator.leader(client).await?;
    for _ in 0..2 {
        let failed = |reason| Gap::Operator(format!("operator {pod}: {reason}"));
        let stream = operators::forward(client, &pod).await?;
        let connected = Connection::over(stream, "localhost".to_owned()).await;
        let mut connection = connected.map_err(failed)?;
        match connection.look(scope).await.map_err(failed)? {
            Reply::Found(answer) => return Ok((connection, answer)),
            Reply::Absent => return Ok((connection, Seen::nothing())),
            Reply::Standby(Some(leader)) => {
                pod = Pod {
                    name: leader,
                    ..pod
                }
            }
            Reply::Standby(None) => break,
        }
    }
    Err(Gap::Operator(format!(
        "no operator in namespace {} leads now",
        operator.namespace()
    )))
}

/// Adds chains of the API server that no operator shows.
fn add(seen: &mut Seen, mut read: Seen) {
    let name = |chain: &LiveChain| (chain.namespace.clone(), chain.name.clone());
    let known: BTreeSet<_> = seen.chains.iter().map(name).collect();
    read.chains.retain(|chain| !known.contains(&name(chain)));
    if seen.gaps.is_empty() && !read.chains.is_empty() {
        let reason = "no operator serves this chain, or none has seen it yet";
        seen.gaps.push(Gap::Operator(reason.into()));
    }
    seen.add(read);
    seen.chains.sort_by(LiveChain::worst_first);
}
