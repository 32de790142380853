//! Where redrives and discards are made: a cluster, or a running `dev`.

#![cfg_attr(
    not(feature = "cluster"),
    allow(
        unused_variables,
        reason = "a dev has one chain, whatever its namespace"
    )
)]

use std::fmt;

use crds::{ChainDiscard, ChainRedrive};
#[cfg(feature = "cluster")]
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
#[cfg(feature = "cluster")]
use kube::core::NamespaceResourceScope;
use plan::Redrive;
use serde::{Deserialize, Serialize};
use serde_json::Value;
#[cfg(feature = "cluster")]
use serde_json::json;

use crate::act::target::Target;
#[cfg(feature = "cluster")]
use crate::act::target::{FIELD_MANAGER, refused};
use crate::error::Error;
#[cfg(feature = "cluster")]
use crate::inspect::cluster::Cluster;
#[cfg(feature = "cluster")]
use crate::inspect::cluster::client::limited;
#[cfg(feature = "cluster")]
use crate::inspect::seen::{Gap, Right};

/// Which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    Redrive,
    Discard,
}

impl Kind {
    pub(crate) fn of(it: &Redrive) -> Self {
        match it {
            Redrive::Move(_) => Self::Redrive,
            Redrive::Discard(_) => Self::Discard,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redrive => "redrive",
            Self::Discard => "discard",
        })
    }
}

/// Both kinds, as `dev` and `-o json` list them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct RedriveList {
    pub(crate) redrives: Vec<ChainRedrive>,
    pub(crate) discards: Vec<ChainDiscard>,
}

/// What is changed of one, as a `dev` takes it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RedriveChange {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) spec: Value,
}

impl RedriveList {
    pub(crate) fn of(all: Vec<Redrive>) -> Self {
        let mut list = Self::default();
        for it in all {
            match it {
                Redrive::Move(it) => list.redrives.push(*it),
                Redrive::Discard(it) => list.discards.push(*it),
            }
        }
        list
    }

    fn all(self) -> Vec<Redrive> {
        let redrives = self.redrives.into_iter();
        let redrives = redrives.map(|it| Redrive::Move(Box::new(it)));
        let discards = self.discards.into_iter();
        let discards = discards.map(|it| Redrive::Discard(Box::new(it)));
        redrives.chain(discards).collect()
    }
}

impl Target {
    pub(super) async fn create_redrive(
        &mut self,
        namespace: &str,
        it: &Redrive,
    ) -> Result<Redrive, Error> {
        match self {
            Self::Dev(dev) => {
                let list = RedriveList::of(vec![it.clone()]);
                let made: RedriveList = dev.post("/api/v1/redrives", &list).await?;
                let mut made = made.all().into_iter();
                made.next()
                    .ok_or_else(|| Error::Refused("dev has made none".to_owned()))
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => create(cluster, namespace, it, false).await,
        }
    }

    /// Says what would refuse it, and makes nothing: a person is not asked for what is refused then.
    pub(super) async fn try_create(&self, namespace: &str, it: &Redrive) -> Result<(), Error> {
        match self {
            Self::Dev(_) => Ok(()),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => create(cluster, namespace, it, true).await.map(drop),
        }
    }

    /// Those of a namespace. One kind that may not be listed hides nothing of the other.
    pub(super) async fn redrives(&mut self, namespace: &str) -> Result<Vec<Redrive>, Error> {
        match self {
            Self::Dev(dev) => {
                let listed: Option<RedriveList> = dev.read("/api/v1/redrives").await?;
                Ok(listed.unwrap_or_default().all())
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => {
                let redrives = list::<ChainRedrive>(cluster, namespace).await;
                let discards = list::<ChainDiscard>(cluster, namespace).await;
                let list = match (redrives, discards) {
                    (Err(error), Err(_)) => return Err(error),
                    (redrives, discards) => RedriveList {
                        redrives: redrives.unwrap_or_default(),
                        discards: discards.unwrap_or_default(),
                    },
                };
                Ok(list.all())
            }
        }
    }

    /// One as it is now.
    pub(super) async fn redrive(
        &mut self,
        namespace: &str,
        kind: Kind,
        name: &str,
    ) -> Result<Option<Redrive>, Error> {
        match self {
            Self::Dev(_) => {
                let mut all = self.redrives(namespace).await?.into_iter();
                Ok(all.find(|it| Kind::of(it) == kind && it.name() == name))
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => Ok(match kind {
                Kind::Redrive => get::<ChainRedrive>(cluster, namespace, name)
                    .await?
                    .map(|it| Redrive::Move(Box::new(it))),
                Kind::Discard => get::<ChainDiscard>(cluster, namespace, name)
                    .await?
                    .map(|it| Redrive::Discard(Box::new(it))),
            }),
        }
    }

    /// Changes fields of its spec.
    pub(super) async fn change_redrive(
        &mut self,
        namespace: &str,
        kind: Kind,
        name: &str,
        spec: Value,
    ) -> Result<(), Error> {
        match self {
            Self::Dev(dev) => {
                let change = RedriveChange {
                    kind,
                    name: name.to_owned(),
                    spec,
                };
                let _: RedriveList = dev.post("/api/v1/redrives/change", &change).await?;
                Ok(())
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => match kind {
                Kind::Redrive => patch::<ChainRedrive>(cluster, namespace, name, &spec).await,
                Kind::Discard => patch::<ChainDiscard>(cluster, namespace, name, &spec).await,
            },
        }
    }
}

/// A kind of the API server.
#[cfg(feature = "cluster")]
trait Served:
    kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + fmt::Debug
    + Serialize
    + serde::de::DeserializeOwned
{
    /// What messages about rights call it.
    const RESOURCE: &str;
}

#[cfg(feature = "cluster")]
impl Served for ChainRedrive {
    const RESOURCE: &str = "chainredrives.executor-chain.dev";
}

#[cfg(feature = "cluster")]
impl Served for ChainDiscard {
    const RESOURCE: &str = "chaindiscards.executor-chain.dev";
}

#[cfg(feature = "cluster")]
async fn create(
    cluster: &Cluster,
    namespace: &str,
    it: &Redrive,
    dry_run: bool,
) -> Result<Redrive, Error> {
    Ok(match it {
        Redrive::Move(it) => {
            Redrive::Move(Box::new(post(cluster, namespace, &**it, dry_run).await?))
        }
        Redrive::Discard(it) => {
            Redrive::Discard(Box::new(post(cluster, namespace, &**it, dry_run).await?))
        }
    })
}

#[cfg(feature = "cluster")]
async fn post<K: Served>(
    cluster: &Cluster,
    namespace: &str,
    it: &K,
    dry_run: bool,
) -> Result<K, Error> {
    let parameters = PostParams {
        dry_run,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    };
    let api = api::<K>(cluster, namespace);
    let created = api.create(&parameters, it);
    limited(right::<K>("create", namespace), created)
        .await
        .map_err(refused_of::<K>)
}

#[cfg(feature = "cluster")]
async fn list<K: Served>(cluster: &Cluster, namespace: &str) -> Result<Vec<K>, Error> {
    let parameters = ListParams::default();
    let api = api::<K>(cluster, namespace);
    let listed = limited(right::<K>("list", namespace), api.list(&parameters)).await;
    Ok(listed.map_err(refused_of::<K>)?.items)
}

#[cfg(feature = "cluster")]
async fn get<K: Served>(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<Option<K>, Error> {
    let api = api::<K>(cluster, namespace);
    let got = limited(right::<K>("get", namespace), api.get_opt(name)).await;
    got.map_err(refused_of::<K>)
}

#[cfg(feature = "cluster")]
async fn patch<K: Served>(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    spec: &Value,
) -> Result<(), Error> {
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({"spec": spec}));
    let api = api::<K>(cluster, namespace);
    let patched = limited(
        right::<K>("patch", namespace),
        api.patch(name, &parameters, &patch),
    );
    patched.await.map(drop).map_err(refused_of::<K>)
}

#[cfg(feature = "cluster")]
fn api<K: Served>(cluster: &Cluster, namespace: &str) -> Api<K> {
    Api::namespaced(cluster.client().clone(), namespace)
}

#[cfg(feature = "cluster")]
fn right<K: Served>(verb: &str, namespace: &str) -> Right {
    Right::new(verb, K::RESOURCE, Some(namespace))
}

/// Which value of the chart gives the right depends on the kind.
#[cfg(feature = "cluster")]
fn refused_of<K: Served>(gap: Gap) -> Error {
    match gap {
        Gap::Right(right) if right.resource.starts_with("chaindiscards") => {
            Error::NoDiscard(Gap::Right(right))
        }
        gap => refused(gap),
    }
}
