//! Where overrides are made: a cluster, or a running `dev`.

#![cfg_attr(
    not(feature = "cluster"),
    allow(
        unused_variables,
        reason = "a dev has one chain, whatever its namespace"
    )
)]

use console::{PlanReply, PlanRequest};
use crds::ChainOverride;
#[cfg(feature = "cluster")]
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::ResourceExt;
#[cfg(feature = "cluster")]
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde::{Deserialize, Serialize};
#[cfg(feature = "cluster")]
use serde_json::json;

use crate::error::Error;
use crate::inspect::args::Place;
#[cfg(feature = "cluster")]
use crate::inspect::cluster::client::limited;
#[cfg(feature = "cluster")]
use crate::inspect::cluster::{Cluster, Unplanned};
use crate::inspect::dev::Dev;
use crate::inspect::seen::Gap;
#[cfg(feature = "cluster")]
use crate::inspect::seen::Right;

/// The manager of the fields that this program writes. Flux takes back fields of managers whose name begins with
/// kubectl.
#[cfg(feature = "cluster")]
pub(super) const FIELD_MANAGER: &str = "executor-chain-cli";
#[cfg(feature = "cluster")]
const RESOURCE: &str = "chainoverrides.executor-chain.dev";

/// Where overrides are made.
pub(super) enum Target {
    /// A running `dev`.
    Dev(Dev),
    /// A cluster, and the namespace.
    #[cfg(feature = "cluster")]
    Cluster(Box<Cluster>),
}

/// Overrides as `dev` lists them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OverrideList {
    pub(crate) items: Vec<ChainOverride>,
}

/// Who ends an override.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct End {
    pub(crate) ended_by: Option<String>,
}

impl Target {
    #[cfg_attr(
        not(feature = "cluster"),
        expect(
            clippy::unused_async,
            reason = "a cluster's credentials are read from files"
        )
    )]
    pub(super) async fn of(place: &Place) -> Result<Self, Error> {
        if let Some(address) = &place.dev {
            return Ok(Self::Dev(Dev::at(address)));
        }
        #[cfg(feature = "cluster")]
        return Ok(Self::Cluster(Box::new(Cluster::of(place).await?)));
        #[cfg(not(feature = "cluster"))]
        Err(Error::NoClusterFeature)
    }

    /// The namespace of chains that options name without one. A `dev` has one chain, wherever it is.
    pub(super) fn namespace(&self, place: &Place) -> String {
        let default = match self {
            Self::Dev(_) => "default".to_owned(),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.namespace().to_owned(),
        };
        place.namespace.clone().unwrap_or(default)
    }

    /// Who makes overrides, as the API server knows them.
    pub(super) async fn who(&mut self) -> Option<String> {
        match self {
            Self::Dev(_) => std::env::var("USER").ok(),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => {
                let api: Api<SelfSubjectReview> = Api::all(cluster.client().clone());
                let parameters = PostParams::default();
                let review = SelfSubjectReview::default();
                // What nobody checks is not worth a failure.
                let review = api.create(&parameters, &review).await.ok()?;
                review.status?.user_info?.username
            }
        }
    }

    pub(super) async fn create(&mut self, object: &ChainOverride) -> Result<ChainOverride, Error> {
        match self {
            Self::Dev(dev) => dev.post("/api/v1/overrides", object).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => {
                let namespace = object.metadata.namespace.as_deref();
                let right = Right::new("create", RESOURCE, namespace);
                let api = api(cluster, namespace);
                let parameters = PostParams {
                    field_manager: Some(FIELD_MANAGER.to_owned()),
                    ..PostParams::default()
                };
                limited(right, api.create(&parameters, object))
                    .await
                    .map_err(refused)
            }
        }
    }

    /// Ends an override; one that has ended, and whose rate comes back in steps, at once.
    pub(super) async fn end(
        &mut self,
        namespace: &str,
        it: &ChainOverride,
        ended_by: Option<String>,
    ) -> Result<ChainOverride, Error> {
        let name = &it.name_any();
        match self {
            Self::Dev(dev) => {
                let path = format!("/api/v1/overrides/{name}/end");
                dev.post(&path, &End { ended_by }).await
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => {
                let right = Right::new("patch", RESOURCE, Some(namespace));
                let api = api(cluster, Some(namespace));
                let parameters = PatchParams {
                    field_manager: Some(FIELD_MANAGER.to_owned()),
                    ..PatchParams::default()
                };
                let mut patch = json!({"spec": {"ended": true, "endedBy": ended_by}});
                if it.spec.ended {
                    patch = json!({"spec": {"restore": null}});
                } else if it.status.as_ref().is_some_and(|it| it.ended_at.is_some()) {
                    patch["spec"]["restore"] = json!(null);
                }
                let patch = Patch::Merge(patch);
                let patched = api.patch(name, &parameters, &patch);
                limited(right, patched).await.map_err(refused)
            }
        }
    }

    /// An override as it is now.
    pub(super) async fn get(
        &mut self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ChainOverride>, Error> {
        match self {
            Self::Dev(_) => {
                let mut all = self.list(None).await?.into_iter();
                Ok(all.find(|it| it.metadata.name.as_deref() == Some(name)))
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => {
                let right = Right::new("get", RESOURCE, Some(namespace));
                let api = api(cluster, Some(namespace));
                limited(right, api.get_opt(name)).await.map_err(refused)
            }
        }
    }

    /// The overrides of a namespace, or of all.
    pub(super) async fn list(
        &mut self,
        namespace: Option<&str>,
    ) -> Result<Vec<ChainOverride>, Error> {
        match self {
            Self::Dev(dev) => {
                let listed: Option<OverrideList> = dev.read("/api/v1/overrides").await?;
                Ok(listed.map(|listed| listed.items).unwrap_or_default())
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => {
                let right = Right::new("list", RESOURCE, namespace);
                let api = api(cluster, namespace);
                let parameters = ListParams::default();
                let listed = limited(right, api.list(&parameters)).await;
                Ok(listed.map_err(refused)?.items)
            }
        }
    }

    /// What an edit would do: `Err` of a gap if no operator can be asked, which need not stop an edit.
    pub(super) async fn plan(
        &mut self,
        request: &PlanRequest,
    ) -> Result<Result<PlanReply, Gap>, Error> {
        match self {
            Self::Dev(dev) => dev.post("/api/v1/plan", request).await.map(Ok),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => planned(cluster.plan(request).await),
        }
    }
}

/// A plan, or a gap if no operator can be asked for one.
#[cfg(feature = "cluster")]
pub(super) fn planned(
    asked: Result<PlanReply, Unplanned>,
) -> Result<Result<PlanReply, Gap>, Error> {
    match asked {
        Ok(reply) => Ok(Ok(reply)),
        Err(Unplanned::Refused(reason)) => Err(Error::Refused(reason)),
        Err(Unplanned::Unknown(gap)) => Ok(Err(gap)),
    }
}

#[cfg(feature = "cluster")]
fn api(cluster: &Cluster, namespace: Option<&str>) -> Api<ChainOverride> {
    let client = cluster.client().clone();
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

#[cfg(feature = "cluster")]
pub(super) fn refused(gap: Gap) -> Error {
    match gap {
        gap @ Gap::Right(_) => Error::NoRight(gap),
        Gap::Operator(reason) => Error::Refused(reason),
        gap @ Gap::Unlisted(_) => Error::Refused(gap.to_string()),
    }
}
