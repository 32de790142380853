//! A chain's workloads in a cluster, written by server-side apply.

use std::fmt::Debug;

use cloudtasks::Queue;
use crds::ExecutorChain;
use execute::Workloads;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DeleteParams, Patch, PatchParams};
use kube::core::{DynamicObject, NamespaceResourceScope};
use kube::{Api, Resource, ResourceExt};
use plan::model::{GatewayResourceKind, ObjectKind, ObjectName};
use plan::objects::names::FINALIZER;
use plan::objects::ownership::FIELD_MANAGER;
use plan::{Plan, Step};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api_server::call;
use crate::cache::children::Child;
use crate::chain::name_in;
use crate::context::Context;
use crate::error::Error;

/// The name of a kind, and the API for its objects.
type KindApi<K> = (String, Api<K>);

/// The workloads of one chain.
pub struct Kubernetes<'a> {
    /// The API server's client.
    pub context: &'a Context,
    /// The chain's metadata: a spec that can't be parsed is no obstacle.
    pub chain: &'a ObjectMeta,
}

impl Kubernetes<'_> {
    /// Runs the steps of a plan, and counts each. Returns the queues that were created or updated.
    pub async fn carry_out(&self, plan: &Plan) -> Result<Vec<Queue>, Error> {
        let counted = |step: &Step, error: Option<&Error>| {
            self.context.metrics.effect(step, error);
            #[cfg(feature = "dies-after-a-step")]
            if error.is_none() {
                die_after_a_step();
            }
        };
        execute::apply(plan, &self.context.queues, self, counted).await
    }

    fn api<K>(&self) -> KindApi<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let client = self.context.client.clone();
        let api = Api::namespaced(client, &name_in(self.chain).0);
        (K::kind(&()).into_owned(), api)
    }

    fn untyped_api(&self, kind: ObjectKind) -> KindApi<DynamicObject> {
        let resource = match kind {
            ObjectKind::Deployment => ApiResource::erase::<Deployment>(&()),
            ObjectKind::Service => ApiResource::erase::<Service>(&()),
            ObjectKind::Gateway(kind) => kind.resource(),
        };
        let client = self.context.client.clone();
        let api = Api::namespaced_with(client, &name_in(self.chain).0, &resource);
        (resource.kind, api)
    }

    /// Returns the object as it is now.
    async fn apply<K>(&self, (kind, api): KindApi<K>, object: &K) -> Result<K, Error>
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

    /// The answer goes to the cache, so that it need not be read.
    async fn apply_child<K: Child + Serialize + Sync>(&self, object: &K) -> Result<(), Error> {
        let now = self.apply(self.api(), object).await?;
        self.context.caches.children.answered(now);
        Ok(())
    }

    /// Replaces the finalizers, if the chain has not changed since it was read.
    async fn set_finalizers(&self, finalizers: Vec<String>) -> Result<(), Error> {
        let (_, name) = name_in(self.chain);
        let patch = Patch::Merge(json!({"metadata": {
            "finalizers": finalizers,
            "resourceVersion": self.chain.resource_version,
        }}));
        let (_, api) = self.api::<ExecutorChain>();
        let parameters = PatchParams::default();
        let write = api.patch_metadata(&name, &parameters, &patch);
        unless_missing(self.context.write("set finalizers", write).await)
    }
}

impl Workloads for Kubernetes<'_> {
    type Error = Error;

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

    async fn apply_gateway_resource(
        &self,
        kind: GatewayResourceKind,
        object: &DynamicObject,
    ) -> Result<(), Error> {
        let api = self.untyped_api(ObjectKind::Gateway(kind));
        self.apply(api, object).await.map(drop)
    }

    async fn delete(&self, ObjectName { kind, name }: &ObjectName) -> Result<(), Error> {
        let (kind, api) = self.untyped_api(*kind);
        let action = format!("delete {kind} {name}");
        // In the background, whatever the kind's default is: pods are deleted too, without a wait.
        let parameters = DeleteParams::background();
        let write = api.delete(name, &parameters);
        unless_missing(self.context.write(action, write).await)
    }

    async fn release(&self, ObjectName { kind, name }: &ObjectName) -> Result<(), Error> {
        let (kind, api) = self.untyped_api(*kind);
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
        unless_missing(self.context.write(action, write).await)
    }
}

/// An object that doesn't exist needs no write.
fn unless_missing<T>(written: Result<T, Error>) -> Result<(), Error> {
    match written {
        Err(error) if error.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}

/// The worst instant for a kill, for `make edits`: one step is done, and the next has not begun.
#[cfg(feature = "dies-after-a-step")]
fn die_after_a_step() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static DONE: AtomicU32 = AtomicU32::new(0);
    let done = DONE.fetch_add(1, Ordering::SeqCst) + 1;
    let enough = std::env::var("EXECUTOR_OPERATOR_STEPS").ok();
    if enough.and_then(|steps| steps.parse().ok()) == Some(done) {
        let pid = std::process::id().to_string();
        let _ = std::process::Command::new("kill")
            .args(["-9", &pid])
            .status();
        loop {
            std::thread::park();
        }
    }
}
