//! The controller: watches chains and what they own, and starts rounds.

use std::sync::Arc;
use std::time::Duration;

use cloudtasks::{CloudTasks, Endpoint};
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use kube_runtime::controller::{self, Action, Config};
use kube_runtime::reflector::ObjectRef;
use kube_runtime::utils::Backoff;
use kube_runtime::{Controller, watcher};

use crate::admin::{self, Readiness};
use crate::args::Args;
use crate::context::{Context, call};
use crate::error::Error;
use crate::inventory::Inventory;
use crate::metrics::Metrics;
use crate::reconcile::{Chain, again, reconcile};

type Failed = controller::Error<Error, watcher::Error>;

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
    let chains: Api<Chain> = scope(&args, &client);
    wait_for_crd(&chains).await;
    let queues = wait_for_cloud_tasks(&args.endpoint()).await;
    let cluster = cluster(&args, &client).await?;
    let settings = args.settings(cluster);
    let (inventory, changed) = Inventory::new(
        queues.clone(),
        Arc::clone(&metrics),
        args.queue_poll_interval.0,
    );
    let context = Arc::new(Context::new(
        client.clone(),
        queues,
        inventory,
        settings,
        args.deletion_patience.0,
        metrics,
    ));
    readiness.set();
    tracing::info!(cluster = context.settings.cluster, "serving chains");
    let config = watcher::Config::default();
    Controller::new(chains, config.clone())
        .with_config(Config::default().concurrency(args.concurrency))
        .trigger_backoff(Steady)
        .owns(scope::<Deployment>(&args, &client), config.clone())
        .owns(scope::<Service>(&args, &client), config)
        .reconcile_on(changed)
        .shutdown_on_signal()
        .run(reconcile, again, Arc::clone(&context))
        .for_each(|outcome| async { said(outcome, &context) })
        .await;
    tracing::info!("stopped");
    Ok(())
}

/// One watch that fails backs off all of them together, by default for up to half a minute; an edit
/// in an incident can't wait for that.
struct Steady;

impl Iterator for Steady {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(PATIENCE)
    }
}

impl Backoff for Steady {
    fn reset(&mut self) {}
}

/// What [`again`] has not said already: a watch that fails makes the operator deaf.
fn said(outcome: Result<(ObjectRef<Chain>, Action), Failed>, context: &Context) {
    match outcome {
        Ok(_) | Err(controller::Error::ReconcilerFailed(..)) => {}
        // It is gone, by its deletion or because somebody removed its finalizer.
        Err(controller::Error::ObjectNotFound(chain)) => {
            let namespace = chain.namespace.unwrap_or_default();
            context.inventory.forget(&namespace, &chain.name);
        }
        Err(error @ (controller::Error::QueueError(_) | controller::Error::RunnerError(_))) => {
            tracing::warn!(%error, "a watch has failed");
        }
    }
}

/// All namespaces, or the one that we are told to serve.
fn scope<K>(args: &Args, client: &Client) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match &args.namespace {
        Some(namespace) if !namespace.is_empty() => Api::namespaced(client.clone(), namespace),
        Some(_) | None => Api::all(client.clone()),
    }
}

/// A watch of a kind that isn't there would only back off, ever more slowly.
async fn wait_for_crd(chains: &Api<Chain>) {
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
