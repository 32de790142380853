//! What the program does: it waits for what it needs, stands by until it leads, and serves chains for
//! as long as it does.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client, Config, ResourceExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Readiness};
use crate::args::Args;
use crate::calls::Calls;
use crate::children::Children;
use crate::claim::Claim;
use crate::connection::Connection;
use crate::context::{Context, Told, call};
use crate::controller::{PATIENCE, serve};
use crate::error::Error;
use crate::inventory::Inventory;
use crate::kinds::Kinds;
use crate::lease::Candidate;
use crate::metrics::Metrics;
use crate::namespaces::Scope;
use crate::reconcile::Chain;
use crate::refusals::Refusals;

/// What every term needs.
struct Office {
    args: Args,
    config: Config,
    cluster: String,
    queues: Calls,
    claim: Claim,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

/// Serves chains until SIGTERM or SIGINT, whenever it is the leader.
pub async fn run(args: Args) -> Result<(), Error> {
    let stop = stop_on_signal();
    let readiness = Readiness::default();
    let office = tokio::select! {
        // It may be waiting still, and no signal kills process 1 of a container by itself.
        () = stop.cancelled() => return Ok(()),
        office = open(args, stop.clone(), &readiness) => office?,
    };
    if office.args.leader_election {
        return office.elected(readiness).await;
    }
    readiness.can_lead();
    office.terms().await
}

/// Waits for all that is needed.
async fn open(args: Args, stop: CancellationToken, readiness: &Readiness) -> Result<Office, Error> {
    let config = Config::infer()
        .await
        .map_err(|error| Error::NoCluster(error.to_string()))?;
    let client = connect(&config)?;
    let metrics = Arc::new(Metrics::default());
    admin::serve(args.admin_addr, readiness.clone(), metrics.clone()).await?;
    wait_for_crd(&args.namespaces().scopes(), &client).await;
    let connection = Connection::to(args.endpoint());
    tokio::spawn(wait_for_cloud_tasks(connection.clone(), readiness.clone()));
    let cluster = cluster(&args, &client).await?;
    let claim = if args.leader_election {
        Claim::none()
    } else {
        Claim::endless()
    };
    let most = args.cloud_tasks_calls_per_second;
    Ok(Office {
        queues: Calls::new(connection, claim.clone(), Arc::clone(&metrics), most),
        args,
        config,
        cluster,
        claim,
        metrics,
        stop,
    })
}

impl Office {
    /// Serves whenever it has the lease.
    async fn elected(&self, readiness: Readiness) -> Result<(), Error> {
        let namespace = self.args.lease_namespace(&self.config.default_namespace);
        let candidate = Candidate::new(
            self.config.clone(),
            &namespace,
            &self.args.lease_name,
            self.claim.clone(),
            readiness,
        )?;
        // In a task of its own: a renewal waits for nothing that we do.
        let retire = CancellationToken::new();
        let mut standing = tokio::spawn(candidate.stand(retire.clone()));
        tokio::select! {
            served = self.terms() => {
                served?;
                // Only now, when nothing is written any more.
                retire.cancel();
                standing.await
            }
            ended = &mut standing => ended,
        }
        .expect("it ends when it is told to, and doesn't panic");
        Ok(())
    }

    /// Stands by, serves, stands by again.
    async fn terms(&self) -> Result<(), Error> {
        loop {
            tracing::info!("standing by");
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                () = self.claim.begins() => {}
            }
            self.metrics.leads(true);
            let ended = tokio::select! {
                biased;
                // What runs is dropped where it is.
                () = self.claim.ends() => None,
                served = self.term() => Some(served),
            };
            self.metrics.leads(false);
            self.metrics.chains.forget();
            match ended {
                None => tracing::warn!("no longer the leader"),
                Some(served) => return served,
            }
        }
    }

    /// One term, until it is told to stop. Nothing is left of the one before: its connections may be
    /// half open, and what it knew is old.
    async fn term(&self) -> Result<(), Error> {
        let client = connect(&self.config)?;
        let queues = self.queues.clone();
        let metrics = Arc::clone(&self.metrics);
        let period = self.args.queue_poll_interval.0;
        let (inventory, changed) = Inventory::new(queues.clone(), Arc::clone(&metrics), period);
        let (refusals, refused) = Refusals::new(self.args.refusal_poll_interval.0);
        let changed = futures::stream::select(changed, refused);
        let scopes = self.args.namespaces().scopes();
        let children = Children::new(&client, &scopes, inventory.changes(), Arc::clone(&metrics));
        let kinds = Kinds::new(client.clone(), scopes, inventory.changes());
        let context = Arc::new(Context::new(
            client,
            self.claim.clone(),
            queues,
            Told {
                inventory,
                children,
                refusals,
                kinds,
            },
            self.args.settings(self.cluster.clone()),
            self.args.deletion_patience.0,
            metrics,
        ));
        tracing::info!(cluster = self.cluster, "serving chains");
        serve(&self.args, context, changed, self.stop.clone()).await;
        tracing::info!("stopped");
        Ok(())
    }
}

fn connect(config: &Config) -> Result<Client, Error> {
    Client::try_from(config.clone()).map_err(|error| Error::NoCluster(error.to_string()))
}

/// Cancelled at the first SIGTERM or SIGINT.
fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let told = stop.clone();
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        told.cancel();
    });
    stop
}

/// A watch of a kind that isn't there would only back off, ever more slowly. Of several namespaces one
/// is enough: the kind is there then, and the others are served as soon as they let us.
async fn wait_for_crd(scopes: &[Scope], client: &Client) {
    let one = ListParams::default().limit(1);
    loop {
        for scope in scopes {
            let chains: Api<Chain> = scope.api(client);
            match call("list ExecutorChains", chains.list(&one)).await {
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, "waiting for the CRD ExecutorChain, and for the right to list it");
                }
            }
        }
        tokio::time::sleep(PATIENCE).await;
    }
}

/// Says until it is there that it isn't. Chains are served meanwhile, as far as they can be.
async fn wait_for_cloud_tasks(connection: Connection, readiness: Readiness) {
    while let Err(error) = connection.get().await {
        tracing::warn!(%error, "waiting for Cloud Tasks");
        tokio::time::sleep(PATIENCE).await;
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
