//! The program: waits for what it needs, stands by until it is the leader, and serves chains while it is.

use std::sync::Arc;

use execute::{AdminClient, Connection, Fence};
use futures::channel::mpsc::unbounded;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client, Config, ResourceExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::api_server::{RETRY_PAUSE, call};
use crate::args::Args;
use crate::cache::Caches;
use crate::cache::served_chains::ServedChains;
use crate::chain::Chain;
use crate::context::Context;
use crate::controller::serve_chains;
use crate::error::Error;
use crate::leader::holder::Holder;
use crate::leader::lease::LeaseCandidate;
use crate::live_chains::LiveChains;
use crate::namespaces::Scope;
use crate::reconciles_under_way::ReconcilesUnderWay;
use crate::telemetry::admin_server::{Readiness, serve_admin};
use crate::telemetry::metrics::Metrics;
use crate::viewers::Viewers;

/// What outlives a term as the leader.
struct Operator {
    args: Args,
    config: Config,
    cluster: String,
    queues: AdminClient,
    fence: Fence,
    metrics: Arc<Metrics>,
    live_chains: Arc<LiveChains>,
    viewers: Viewers,
    holder: Holder,
    stop: CancellationToken,
}

/// Serves chains whenever it is the leader, until SIGTERM or SIGINT.
pub async fn run(args: Args) -> Result<(), Error> {
    let stop = stop_on_signal();
    let readiness = Readiness::default();
    let operator = tokio::select! {
        // It may still be waiting, and no signal ends process 1 of a container by itself.
        () = stop.cancelled() => return Ok(()),
        operator = prepare(args, stop.clone(), &readiness) => operator?,
    };
    if operator.args.leader_election {
        return operator.run_elected(readiness).await;
    }
    readiness.can_lead();
    operator.run_terms().await
}

/// Waits for what every term needs.
async fn prepare(
    args: Args,
    stop: CancellationToken,
    readiness: &Readiness,
) -> Result<Operator, Error> {
    let config = Config::infer()
        .await
        .map_err(|error| Error::NoCluster(error.to_string()))?;
    let client = connect(&config)?;
    let metrics = Arc::new(Metrics::default());
    let (viewers, holder) = (Viewers::default(), Holder::default());
    let live_chains = LiveChains::new(viewers.clone(), holder.clone());
    let console = console_serve::routes(live_chains.clone());
    let addresses = args.admin_addresses();
    serve_admin(&addresses, readiness.clone(), metrics.clone(), console).await?;
    wait_for_crd(&args.namespaces().scopes(), &client).await;
    let connection = Connection::to(args.endpoint());
    tokio::spawn(wait_for_cloud_tasks(connection.clone(), readiness.clone()));
    let cluster = cluster(&args, &client).await?;
    let fence = if args.leader_election {
        Fence::not_granted()
    } else {
        Fence::unlimited()
    };
    let rate = args.cloud_tasks_calls_per_second;
    Ok(Operator {
        queues: AdminClient::new(connection, fence.clone(), metrics.clone(), rate),
        args,
        config,
        cluster,
        fence,
        metrics,
        live_chains,
        viewers,
        holder,
        stop,
    })
}

impl Operator {
    /// Serves chains whenever it holds the Lease.
    async fn run_elected(&self, readiness: Readiness) -> Result<(), Error> {
        let namespace = self.args.lease_namespace(&self.config.default_namespace);
        let candidate = LeaseCandidate::new(
            self.config.clone(),
            &namespace,
            &self.args.lease_name,
            self.fence.clone(),
            self.holder.clone(),
            readiness,
        )?;
        // In a task of its own, so that nothing delays a renewal.
        let retire = CancellationToken::new();
        let mut election = tokio::spawn(candidate.run(retire.clone()));
        tokio::select! {
            served = self.run_terms() => {
                served?;
                // Only now, when nothing is written any more.
                retire.cancel();
                election.await
            }
            ended = &mut election => ended,
        }
        .expect("it ends only when it is told to, and doesn't panic");
        Ok(())
    }

    /// Stands by, serves a term, and stands by again.
    async fn run_terms(&self) -> Result<(), Error> {
        loop {
            tracing::info!("standing by");
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = self.fence.granted() => {}
            }
            self.metrics.leads(true);
            let ended = tokio::select! {
                biased;
                // Reconciles are dropped where they are.
                () = self.fence.ended() => None,
                served = self.run_term() => Some(served),
            };
            self.metrics.leads(false);
            self.metrics.conditions.clear();
            self.metrics.queues.clear();
            self.metrics.overrides.clear();
            self.live_chains.end();
            match ended {
                None => tracing::warn!("no longer the leader"),
                Some(served) => return served,
            }
        }
    }

    /// One term as the leader, until SIGTERM. Connections and caches are new: those of the term before
    /// may be half-open, and stale.
    async fn run_term(&self) -> Result<(), Error> {
        let client = connect(&self.config)?;
        let (triggers, triggered) = unbounded();
        let settings = self.args.settings(self.cluster.clone());
        let scopes = self.args.namespaces().scopes();
        let (served_chains, writers) =
            ServedChains::new(scopes, settings.clone(), triggers.clone());
        let context = Arc::new(Context {
            caches: Caches::new(
                &self.args,
                served_chains,
                &client,
                &self.queues,
                &self.viewers,
                &triggers,
                &self.metrics,
            ),
            client,
            fence: self.fence.clone(),
            queues: self.queues.clone(),
            settings,
            deletion_patience: self.args.deletion_patience.0,
            reconciles: ReconcilesUnderWay::default(),
            metrics: Arc::clone(&self.metrics),
        });
        self.live_chains.begin(&context);
        tracing::info!(cluster = self.cluster, "serving chains");
        serve_chains(&self.args, context, writers, triggered, self.stop.clone()).await;
        tracing::info!("stopped");
        Ok(())
    }
}

fn connect(config: &Config) -> Result<Client, Error> {
    Client::try_from(config.clone()).map_err(|error| Error::NoCluster(error.to_string()))
}

/// Canceled at the first SIGTERM or SIGINT.
fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        stopped.cancel();
    });
    stop
}

/// A watch of a kind that doesn't exist would only back off, longer and longer. One namespace of several
/// is enough: others are served as soon as their rights are granted.
async fn wait_for_crd(scopes: &[Scope], client: &Client) {
    let one = ListParams::default().limit(1);
    loop {
        for scope in scopes {
            let chains: Api<Chain> = scope.api(client);
            match call("list ExecutorChains", chains.list(&one)).await {
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, "waiting for the CRD ExecutorChain, and for permission to list chains");
                }
            }
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// Logs until Cloud Tasks is reached. Meanwhile chains are served as far as possible.
async fn wait_for_cloud_tasks(connection: Connection, readiness: Readiness) {
    while let Err(error) = connection.get().await {
        tracing::warn!(%error, "waiting for Cloud Tasks");
        tokio::time::sleep(RETRY_PAUSE).await;
    }
    readiness.has_cloud_tasks();
}

async fn cluster(args: &Args, client: &Client) -> Result<String, Error> {
    if let Some(cluster) = &args.cluster {
        return Ok(cluster.clone());
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let system = call("get namespace kube-system", namespaces.get("kube-system")).await?;
    Ok(system.uid().unwrap_or_default())
}
