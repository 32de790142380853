//! The controller: watches chains and what they own, and starts rounds.

use std::sync::Arc;
use std::time::Duration;

use cloudtasks::{CloudTasks, Endpoint};
use crds::ExecutorChain;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use kube_runtime::controller::Config;
use kube_runtime::{Controller, watcher};

use crate::admin::{self, Readiness};
use crate::args::Args;
use crate::context::{Context, call};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::reconcile::{again, reconcile};

/// How long to wait before asking again for what isn't there yet.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves chains until SIGTERM or SIGINT.
pub async fn run(args: Args) -> Result<(), Error> {
    let client = Client::try_default()
        .await
        .map_err(|error| Error::NoCluster(error.to_string()))?;
    let readiness = Readiness::default();
    let metrics = Arc::new(Metrics::default());
    admin::serve(args.admin_addr, readiness.clone(), metrics.clone()).await?;
    let chains: Api<ExecutorChain> = scope(&args, &client);
    wait_for_crd(&chains).await;
    let queues = wait_for_cloud_tasks(&args.endpoint()).await;
    let cluster = cluster(&args, &client).await?;
    let settings = args.settings(cluster);
    let context = Arc::new(Context::new(client.clone(), queues, settings, metrics));
    readiness.set();
    tracing::info!(cluster = context.settings.cluster, "serving chains");
    let config = watcher::Config::default();
    Controller::new(chains, config.clone())
        .with_config(Config::default().concurrency(args.concurrency))
        .owns(scope::<Deployment>(&args, &client), config.clone())
        .owns(scope::<Service>(&args, &client), config)
        .shutdown_on_signal()
        .run(reconcile, again, context)
        .for_each(|_| async {})
        .await;
    tracing::info!("stopped");
    Ok(())
}

/// All namespaces, or the one that we are told to serve.
fn scope<K>(args: &Args, client: &Client) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match &args.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// A watch of a kind that isn't there would only back off, ever more slowly.
async fn wait_for_crd(chains: &Api<ExecutorChain>) {
    while let Err(error) = call(
        "list ExecutorChains",
        chains.list(&ListParams::default().limit(1)),
    )
    .await
    {
        tracing::warn!(%error, "waiting for the CRD ExecutorChain, and for the right to list it");
        tokio::time::sleep(PATIENCE).await;
    }
}

async fn wait_for_cloud_tasks(endpoint: &Endpoint) -> CloudTasks {
    loop {
        match CloudTasks::connect(endpoint).await {
            Ok(queues) => return queues,
            Err(error) => tracing::warn!(%error, ?endpoint, "waiting for Cloud Tasks"),
        }
        tokio::time::sleep(PATIENCE).await;
    }
}

async fn cluster(args: &Args, client: &Client) -> Result<String, Error> {
    if let Some(cluster) = &args.cluster {
        return Ok(cluster.clone());
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = call("get namespace kube-system", namespaces.get("kube-system")).await?;
    Ok(system.uid().unwrap_or_default())
}
