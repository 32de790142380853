//! What all reconciles share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crds::ExecutorChain;
use execute::{AdminClient, Fence};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, DynamicObject};
use kube::{Api, Client};
use plan::Settings;

use crate::api_server::call;
use crate::cache::Caches;
use crate::chain::name_in;
use crate::error::Error;
use crate::reconciles_under_way::ReconcilesUnderWay;
use crate::telemetry::metrics::Metrics;

/// What all reconciles share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Until when we may write.
    pub fence: Fence,
    /// Cloud Tasks.
    pub queues: AdminClient,
    /// What need not be read again.
    pub caches: Caches,
    /// What every plan depends on.
    pub settings: Settings,
    /// How long a deleted chain waits for Cloud Tasks.
    pub deletion_patience: Duration,
    /// The reconciles that are under way.
    pub reconciles: ReconcilesUnderWay,
    /// Metrics.
    pub metrics: Arc<Metrics>,
}

impl Context {
    /// The owner header of a chain's queues.
    pub fn queue_owner(&self, chain: &ObjectMeta) -> String {
        let (namespace, name) = name_in(chain);
        self.settings.queue_owner(&namespace, &name)
    }

    /// The chains of a namespace, untyped: a spec may not be parsable.
    pub fn untyped_chains(&self, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<ExecutorChain>(&());
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    /// A write to the API server, under a time limit, while we are the leader.
    pub fn write<T>(
        &self,
        action: impl Into<String>,
        write: impl Future<Output = Result<T, kube::Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        self.fence.guard(call(action, write))
    }
}
