//! A chain's workloads in a cluster, written by server-side apply.

use std::fmt::Debug;

use crds::ExecutorChain;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::core::DynamicObject;
use kube::{Api, Resource, ResourceExt};
use plan::model::gateway_resource::{GatewayResourceKind, GatewayResourceName};
use plan::objects::names::FINALIZER;
use plan::objects::ownership::FIELD_MANAGER;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::apply::Workloads;
use crate::children::Child;
use crate::context::{Context, call};
use crate::error::Error;

/// A kind, and the API for its objects.
type Called<K> = (String, Api<K>);

/// The workloads of one chain.
pub struct Kubernetes<'a> {
    /// The API server's client.
    pub context: &'a Context,
    /// The chain's metadata: more isn't needed, and a spec that can't be read is no obstacle.
    pub chain: &'a ObjectMeta,
}

impl Kubernetes<'_> {
    fn namespace(&self) -> &str {
        self.chain.namespace.as_deref().unwrap_or_default()
    }

    fn api<K>(&self) -> Called<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        let api = Api::namespaced(self.context.client.clone(), self.namespace());
        (K::kind(&()).into_owned(), api)
    }

    fn attached(&self, kind: GatewayResourceKind) -> Called<DynamicObject> {
        let client = self.context.client.clone();
        let api = Api::namespaced_with(client, self.namespace(), &kind.resource());
        (kind.to_string(), api)
    }

    /// What the object is then.
    async fn apply<K>(&self, (kind, api): Called<K>, object: &K) -> Result<K, Error>
    where
        K: Clone + Debug + DeserializeOwned + Serialize + Sync + Resource,
    {
        let name = object.name_any();
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let action = format!("apply {kind} {name}");
        let patch = Patch::Apply(object);
        let write = api.patch(&name, &parameters, &patch);
        self.context.write(action, write).await
    }

    /// A child, which is known then without a look.
    async fn apply_child<K: Child + Serialize + Sync>(&self, object: &K) -> Result<(), Error> {
        let now = self.apply(self.api(), object).await?;
        self.context.children.answered(now);
        Ok(())
    }

    async fn delete<K>(&self, (kind, api): Called<K>, name: &str) -> Result<(), Error>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        let action = format!("delete {kind} {name}");
        // Background, whatever the kind's default is: the pods go too, and we don't wait for them.
        let parameters = DeleteParams::background();
        let write = api.delete(name, &parameters);
        match self.context.write(action, write).await {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes the chain's owner reference off an object.
    async fn release<K>(&self, (kind, api): Called<K>, name: &str) -> Result<(), Error>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        let action = format!("release {kind} {name}");
        let Some(found) = call(&*action, api.get_metadata_opt(name)).await? else {
            return Ok(());
        };
        let found = found.metadata;
        let owners = found.owner_references.iter().flatten();
        let others: Vec<_> = owners
            .filter(|owner| Some(&owner.uid) != self.chain.uid.as_ref())
            .collect();
        let patch = Patch::Merge(json!({"metadata": {
            "ownerReferences": others,
            "resourceVersion": found.resource_version,
        }}));
        let parameters = PatchParams::default();
        let write = api.patch_metadata(name, &parameters, &patch);
        match self.context.write(action, write).await {
            Err(error) if is_not_found(&error) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Replaces the finalizers, if the chain is still the one that we saw.
    async fn set_finalizers(&self, finalizers: Vec<String>) -> Result<(), Error> {
        let name = self.chain.name.clone().unwrap_or_default();
        let patch = Patch::Merge(json!({"metadata": {
            "finalizers": finalizers,
            "resourceVersion": self.chain.resource_version,
        }}));
        let (_, api) = self.api::<ExecutorChain>();
        let parameters = PatchParams::default();
        let write = api.patch_metadata(&name, &parameters, &patch);
        match self.context.write("set finalizers", write).await {
            Err(error) if is_not_found(&error) => Ok(()),
            other => other.map(drop),
        }
    }
}

impl Workloads for Kubernetes<'_> {
    async fn add_finalizer(&self) -> Result<(), Error> {
        let mut finalizers = self.chain.finalizers.clone().unwrap_or_default();
        finalizers.push(FINALIZER.to_owned());
        self.set_finalizers(finalizers).await
    }

    async fn remove_finalizer(&self) -> Result<(), Error> {
        let finalizers = self.chain.finalizers.iter().flatten();
        let others = finalizers.filter(|name| *name != FINALIZER);
        self.set_finalizers(others.cloned().collect()).await
    }

    async fn apply_service(&self, service: &Service) -> Result<(), Error> {
        self.apply_child(service).await
    }

    async fn apply_deployment(&self, deployment: &Deployment) -> Result<(), Error> {
        self.apply_child(deployment).await
    }

    async fn delete_service(&self, name: &str) -> Result<(), Error> {
        self.delete(self.api::<Service>(), name).await
    }

    async fn delete_deployment(&self, name: &str) -> Result<(), Error> {
        self.delete(self.api::<Deployment>(), name).await
    }

    async fn attach(&self, kind: GatewayResourceKind, object: &DynamicObject) -> Result<(), Error> {
        self.apply(self.attached(kind), object).await.map(drop)
    }

    async fn detach(
        &self,
        GatewayResourceName { kind, name }: &GatewayResourceName,
    ) -> Result<(), Error> {
        self.delete(self.attached(*kind), name).await
    }

    async fn release_attached(
        &self,
        GatewayResourceName { kind, name }: &GatewayResourceName,
    ) -> Result<(), Error> {
        self.release(self.attached(*kind), name).await
    }

    async fn release_service(&self, name: &str) -> Result<(), Error> {
        self.release(self.api::<Service>(), name).await
    }

    async fn release_deployment(&self, name: &str) -> Result<(), Error> {
        self.release(self.api::<Deployment>(), name).await
    }
}

/// Whether the object of a call is gone.
pub(crate) fn is_not_found(error: &Error) -> bool {
    matches!(
        error,
        Error::Kubernetes { source, .. }
            if matches!(source.as_ref(), kube::Error::Api(status) if status.code == 404)
    )
}

/// What the API server says, where it doesn't let us look.
pub(crate) fn forbidden(error: &Error) -> Option<&str> {
    match error {
        Error::Kubernetes { source, .. } => match source.as_ref() {
            kube::Error::Api(status) if status.code == 403 => Some(&status.message),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a write was refused because the namespace is about to go.
pub(crate) fn is_namespace_ending(error: &Error) -> bool {
    matches!(
        error,
        Error::Kubernetes { source, .. }
            if matches!(source.as_ref(), kube::Error::Api(status)
                if status.code == 403 && status.message.contains("is being terminated"))
    )
}
