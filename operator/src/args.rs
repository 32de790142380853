//! What the operator is told on its command line or in its environment.

use std::net::SocketAddr;

use clap::{ArgAction, Parser};
use cloudtasks::{Endpoint, LocationId, ProjectId};
use plan::{Settings, Timing};

use crate::namespaces::Namespaces;
use crate::pace::Rate;

/// Reconciles `ExecutorChain`s into Cloud Tasks queues, Deployments and Services.
#[derive(Debug, Clone, Parser)]
#[command(name = "executor-operator", version, about)]
pub struct Args {
    /// The project of chains that name none.
    #[arg(long, env = "PROJECT")]
    pub project: Option<ProjectId>,

    /// The Cloud Tasks location of chains that name none.
    #[arg(long, env = "LOCATION")]
    pub location: Option<LocationId>,

    /// Serve the chains of these namespaces alone, `shop,orders` or one flag each. Default: of all
    /// namespaces.
    #[arg(long, env = "WATCH_NAMESPACE", value_delimiter = ',')]
    pub namespace: Vec<String>,

    /// Whether of several operators one leads and the others stand by. Without it, run one.
    #[arg(long, env = "LEADER_ELECTION", value_name = "true|false", default_value_t = true, action = ArgAction::Set)]
    pub leader_election: bool,

    /// The Lease that the leader holds.
    #[arg(long, env = "LEASE_NAME", default_value = "executor-operator")]
    pub lease_name: String,

    /// Where the Lease is. Default: the namespace that is served, if it is one; else the operator's
    /// own. An operator that lives elsewhere should name its own: a Lease that goes with the
    /// namespace can't be had while the last chains in it are to go.
    #[arg(long, env = "LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// The namespace of the operator's pod. Default: that of its service account, or of the context
    /// in the kubeconfig.
    #[arg(long, env = "POD_NAMESPACE")]
    pub pod_namespace: Option<String>,

    /// The image of the workers.
    #[arg(long, env = "WORKER_IMAGE", default_value = concat!("executor-worker:", env!("CARGO_PKG_VERSION")))]
    pub worker_image: String,

    /// What tells this cluster from others; it is written on each queue. Default: the UID of the
    /// namespace kube-system.
    #[arg(long, env = "CLUSTER_NAME")]
    pub cluster: Option<String>,

    /// The DNS domain of the cluster's Services.
    #[arg(long, env = "CLUSTER_DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,

    /// How long a deleted chain waits for its queues to be paused while Cloud Tasks can't be asked;
    /// then it goes without. No task is lost by that: the queues keep them.
    #[arg(long, env = "DELETION_PATIENCE", default_value = "10m")]
    pub deletion_patience: crds::Duration,

    /// How often the queues of each location are listed: they have no watch.
    #[arg(long, env = "QUEUE_POLL_INTERVAL", default_value = "5s")]
    pub queue_poll_interval: crds::Duration,

    /// How often workers that demand tokens are asked which pushes they have refused: at most three of
    /// each stage at a time.
    #[arg(long, env = "REFUSAL_POLL_INTERVAL", default_value = "15s")]
    pub refusal_poll_interval: crds::Duration,

    /// For how long a stage may have no ready pod before its queue is paused, so that its tasks don't
    /// back off against nothing; it is resumed when one is ready. 0s: for ever.
    #[arg(long, env = "GATE_AFTER", default_value = "30s")]
    pub gate_after: crds::Duration,

    /// How long Cloud Tasks may go on pushing to a queue's former address, and with its former token.
    /// So long the workers of a renamed stage stay, and so long both tokens are taken.
    #[arg(long, env = "ADDRESS_DELAY", default_value = "60s")]
    pub address_delay: crds::Duration,

    /// The longest that a worker's hand-over may take. A queue that drains has to be seen empty
    /// twice, so far apart.
    #[arg(long, env = "HAND_OVER_TIME", default_value = "30s")]
    pub hand_over_time: crds::Duration,

    /// How long Cloud Tasks remembers the names of ended tasks. So long a removed stage's queue is
    /// kept where the deletionPolicy is Delete.
    #[arg(long, env = "NAME_MEMORY", default_value = "24h")]
    pub name_memory: crds::Duration,

    /// For how long a raised rate waits for the replicas that were raised with it.
    #[arg(long, env = "REPLICAS_PATIENCE", default_value = "2m")]
    pub replicas_patience: crds::Duration,

    /// How long to wait for a Gateway to say that it takes a stage's route; then it is trusted to, and
    /// its queue pushes there.
    #[arg(long, env = "ROUTE_PATIENCE", default_value = "10m")]
    pub route_patience: crds::Duration,

    /// How many calls a second Cloud Tasks gets at most, from 1 to 1000, all chains together; twice as
    /// many in one second after a rest. It gets fewer for a while when a quota is used up.
    #[arg(long, env = "CLOUD_TASKS_CALLS_PER_SECOND", default_value_t)]
    pub cloud_tasks_calls_per_second: Rate,

    /// Where health and metrics are served.
    #[arg(long, env = "ADMIN_ADDR", default_value = "0.0.0.0:9481")]
    pub admin_addr: SocketAddr,

    /// How many chains are reconciled at once.
    #[arg(long, env = "CONCURRENCY", default_value_t = 64)]
    pub concurrency: u16,

    /// `host:port` of a Cloud Tasks emulator, used in place of Google.
    #[arg(long, env = "CLOUD_TASKS_EMULATOR_HOST")]
    pub emulator_host: Option<String>,
}

impl Args {
    /// Where Cloud Tasks is.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::from_emulator_host(self.emulator_host.clone())
    }

    /// Whose chains are served.
    pub fn namespaces(&self) -> Namespaces {
        Namespaces::of(&self.namespace)
    }

    /// Where the lease is; `own` is the namespace of the credentials. Operators that serve different
    /// namespaces don't exclude one another.
    pub fn lease_namespace(&self, own: &str) -> String {
        let namespaces = self.namespaces();
        [
            self.lease_namespace.as_deref(),
            namespaces.only(),
            self.pod_namespace.as_deref(),
        ]
        .into_iter()
        .flatten()
        .find(|it| !it.is_empty())
        .unwrap_or(own)
        .to_owned()
    }

    /// What every plan depends on, once the cluster is known.
    pub fn settings(&self, cluster: String) -> Settings {
        Settings {
            project: self.project.clone(),
            location: self.location.clone(),
            worker_image: self.worker_image.clone(),
            cluster,
            cluster_domain: self.cluster_domain.clone(),
            emulator_host: self.emulator_host.clone().filter(|host| !host.is_empty()),
            timing: Timing {
                gate_after: Some(self.gate_after.0).filter(|after| !after.is_zero()),
                address_delay: self.address_delay.0,
                hand_over_time: self.hand_over_time.0,
                name_memory: self.name_memory.0,
                replicas_patience: self.replicas_patience.0,
                route_patience: self.route_patience.0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Args;

    #[test]
    fn the_lease_is_where_it_excludes_whom_it_should() {
        let rows: [(&[&str], &str); 7] = [
            (&[], "own"),
            (&["--pod-namespace=system"], "system"),
            (&["--pod-namespace=system", "--namespace=shop"], "shop"),
            (&["--pod-namespace=system", "--namespace="], "system"),
            (&["--namespace=shop", "--lease-namespace=system"], "system"),
            (&["--namespace=shop,hall"], "own"),
            (
                &[
                    "--namespace=shop",
                    "--namespace=hall",
                    "--pod-namespace=system",
                ],
                "system",
            ),
        ];
        for (args, namespace) in rows {
            let args = Args::parse_from([&["executor-operator"], args].concat());
            assert_eq!(args.lease_namespace("own"), namespace, "{args:?}");
            assert!(args.leader_election);
        }
    }
}
