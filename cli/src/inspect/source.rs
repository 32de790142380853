//! Where chains are looked at: a cluster, or a running `dev`.

use serde::de::DeserializeOwned;

use super::args::Place;
#[cfg(feature = "cluster")]
use super::cluster::Cluster;
use super::dev::Dev;
use super::scope::Scope;
use super::seen::Seen;
use crate::error::Error;

/// Where chains are looked at.
pub enum Source {
    /// A running `dev`.
    Dev(Dev),
    /// A cluster.
    #[cfg(feature = "cluster")]
    Cluster(Box<Cluster>),
}

impl Source {
    /// The place that the options name.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(
            clippy::unused_async,
            reason = "a cluster's credentials are read from files"
        )
    )]
    pub async fn of(place: &Place) -> Result<Self, Error> {
        if let Some(address) = &place.dev {
            return Ok(Self::Dev(Dev::at(address)));
        }
        #[cfg(feature = "cluster")]
        return Ok(Self::Cluster(Box::new(Cluster::of(place).await?)));
        #[cfg(not(feature = "cluster"))]
        Err(Error::NoClusterFeature)
    }

    /// The chains that options without a namespace mean: all of a `dev`, which has one.
    pub fn scope(&self, place: &Place, all_namespaces: bool, name: Option<&str>) -> Scope {
        let default = match self {
            Self::Dev(_) => None,
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => Some(cluster.namespace().to_owned()),
        };
        let namespace = place.namespace.clone().or(default);
        Scope {
            namespace: namespace.filter(|_| !all_namespaces),
            name: name.map(str::to_owned),
        }
    }

    /// What a path of the API has of the one chain of a scope.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(unused_variables, reason = "a dev is asked at its address")
    )]
    pub async fn ask<T: DeserializeOwned>(
        &mut self,
        scope: &Scope,
        path: &str,
    ) -> Result<T, Error> {
        match self {
            Self::Dev(dev) => dev.ask(path).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.ask(scope, path).await,
        }
    }

    /// The chains of a scope.
    pub async fn look(&mut self, scope: &Scope) -> Result<Seen, Error> {
        match self {
            Self::Dev(dev) => dev.look(scope).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.look(scope).await,
        }
    }
}
