//! The command line, and the environment variables that stand for its flags.

use std::net::SocketAddr;

use clap::{ArgAction, Parser};
use cloudtasks::{Endpoint, LocationId, ProjectId};
use console::history::BASELINE_SLOT;
use crds::WorkerTemplate;
use execute::Rate;
use plan::{Settings, Tenants, Timing};
use worker_contract::ports;

use crate::namespaces::Namespaces;

/// Reconciles `ExecutorChain`s into Cloud Tasks queues, Deployments and Services.
#[derive(Debug, Clone, Parser)]
#[command(name = "executor-operator", version, about)]
pub struct Args {
    /// The default project of chains.
    #[arg(long, env = "PROJECT")]
    pub project: Option<ProjectId>,

    /// The default Cloud Tasks location of chains.
    #[arg(long, env = "LOCATION")]
    pub location: Option<LocationId>,

    /// Serve only the chains of these namespaces: `shop,orders`, or one flag each. Default: all
    /// namespaces.
    #[arg(long, env = "WATCH_NAMESPACE", value_delimiter = ',')]
    pub namespace: Vec<String>,

    /// Elect a leader among several operators; the others stand by. If false, run only one.
    #[arg(long, env = "LEADER_ELECTION", value_name = "true|false", default_value_t = true, action = ArgAction::Set)]
    pub leader_election: bool,

    /// The name of the leader's Lease.
    #[arg(long, env = "LEASE_NAME", default_value = "executor-operator")]
    pub lease_name: String,

    /// The namespace of the Lease. Default: the served namespace if it is exactly one, otherwise the
    /// operator's own. If the operator doesn't run in the namespace that it serves, set the operator's
    /// own: in a terminating namespace no Lease can be created, so chains there could not be deleted.
    #[arg(long, env = "LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// The namespace of the operator's pod. Default: the namespace of its service account, or of the
    /// kubeconfig's context.
    #[arg(long, env = "POD_NAMESPACE")]
    pub pod_namespace: Option<String>,

    /// The image of the workers.
    #[arg(long, env = "WORKER_IMAGE", default_value = concat!("executor-worker:", env!("CARGO_PKG_VERSION")))]
    pub worker_image: String,

    /// What to add to the worker's container in all chains, as JSON with the fields of a chain's
    /// spec.workerTemplate. The workerTemplate of a chain is merged over this.
    #[arg(long, env = "WORKER_TEMPLATE", default_value = "{}")]
    pub worker_template: WorkerTemplate,

    /// What the chains of each namespace may use, as JSON: a map from namespace to projects,
    /// queuePrefixes, serviceAccounts, and pushHosts, each a list: if omitted, anything; if empty,
    /// nothing. `*` is for namespaces that are not named. A namespace without an entry may use nothing.
    /// Default: no map, and everything is allowed.
    #[arg(
        long,
        env = "TENANTS",
        value_name = "JSON",
        default_value = "{}",
        hide_default_value = true
    )]
    pub tenants: Tenants,

    /// The name of this cluster, written to the owner header of each queue. It must be unique among the
    /// clusters that share a Google Cloud project. Default: the UID of the namespace kube-system.
    #[arg(long, env = "CLUSTER_NAME")]
    pub cluster: Option<String>,

    /// The DNS domain of the cluster's Services.
    #[arg(long, env = "CLUSTER_DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,

    /// How long Cloud Tasks may fail, without a success in between, before a deleted chain no longer
    /// waits for its queues to be paused. Its finalizer is then removed; the queues keep their tasks.
    #[arg(long, env = "DELETION_PATIENCE", default_value = "10m")]
    pub deletion_patience: crds::Duration,

    /// How often the queues of each location are listed, since queues have no watch.
    #[arg(long, env = "QUEUE_POLL_INTERVAL", default_value = "5s")]
    pub queue_poll_interval: crds::Duration,

    /// How often the live numbers of the queues of each location are listed: tasks, lag, dispatches in flight,
    /// and the effective rate. At least every 5s while chains have viewers. 0s: never.
    #[arg(long, env = "QUEUE_STATS_INTERVAL", default_value = "15s")]
    pub queue_stats_interval: crds::Duration,

    /// How often workers are asked what they have counted: runs, arrivals, refused pushes. At most three
    /// pods of each stage at a time, and at least every 5s while chains have viewers.
    #[arg(long, env = "WORKER_POLL_INTERVAL", default_value = "15s")]
    pub worker_poll_interval: crds::Duration,

    /// Seconds of a twelfth of the time that a stage's present is compared with, which is an hour. For
    /// tests, which can't wait for so long.
    #[arg(long, hide = true, default_value_t = BASELINE_SLOT)]
    pub baseline_slot: u16,

    /// How long a stage may have no ready pod before its queue is paused, so that its tasks don't back
    /// off for nothing. The queue is resumed when a pod is ready. 0s: never paused.
    #[arg(long, env = "GATE_AFTER", default_value = "30s")]
    pub gate_after: crds::Duration,

    /// How long Cloud Tasks may still push to a queue's former address, and with its former token. The
    /// workers of a renamed stage stay for that time, and both tokens are accepted.
    #[arg(long, env = "ADDRESS_DELAY", default_value = "60s")]
    pub address_delay: crds::Duration,

    /// The longest that a worker's hand-over may take. A queue that drains must be empty for that
    /// time.
    #[arg(long, env = "HAND_OVER_TIME", default_value = "30s")]
    pub hand_over_time: crds::Duration,

    /// How long Cloud Tasks remembers the names of ended tasks. The queue of a removed stage is kept for
    /// that time before the deletionPolicy Delete deletes it.
    #[arg(long, env = "NAME_MEMORY", default_value = "24h")]
    pub name_memory: crds::Duration,

    /// How long a raised rate waits for the replicas that were raised with it.
    #[arg(long, env = "REPLICAS_PATIENCE", default_value = "2m")]
    pub replicas_patience: crds::Duration,

    /// How long to wait for a Gateway to accept a stage's route. After that the queue pushes to
    /// the route's host regardless.
    #[arg(long, env = "ROUTE_PATIENCE", default_value = "10m")]
    pub route_patience: crds::Duration,

    /// How many generations of each chain's spec are kept, as `ControllerRevision`s: what `kubectl chain history`
    /// shows, and `kubectl chain undo --to` goes back to. 0: none are written, and those that exist stay.
    #[arg(long, env = "REVISION_HISTORY_LIMIT", default_value_t = 10)]
    pub revision_history_limit: u16,

    /// The limit of calls to Cloud Tasks a second, from 1 to 1000, for all chains together. A burst may
    /// be twice as many. After an exhausted quota the limit is lower for a minute.
    #[arg(long, env = "CLOUD_TASKS_CALLS_PER_SECOND", default_value_t)]
    pub cloud_tasks_calls_per_second: Rate,

    /// The address of health and metrics. Default: port 9481 of every address, IPv6 and IPv4.
    #[arg(long, env = "ADMIN_ADDR")]
    pub admin_addr: Option<SocketAddr>,

    /// How many chains are reconciled concurrently.
    #[arg(long, env = "CONCURRENCY", default_value_t = 64)]
    pub concurrency: u16,

    /// `host:port` of a Cloud Tasks emulator to use instead of Google.
    #[arg(long, env = "CLOUD_TASKS_EMULATOR_HOST")]
    pub emulator_host: Option<String>,
}

impl Args {
    /// Where Cloud Tasks is.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::from_emulator_host(self.emulator_host.clone())
    }

    /// The addresses to try for health and metrics, in order.
    pub fn admin_addresses(&self) -> Vec<SocketAddr> {
        let any = || ports::any_family(ports::ADMIN);
        self.admin_addr.map_or_else(any, |address| vec![address])
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
            worker_template: self.worker_template.clone(),
            tenants: self.tenants.clone(),
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
    fn an_operator_with_an_unreadable_allow_list_does_not_start() {
        for (json, sentence) in [
            ("", "it is not JSON"),
            ("shop", "it is not JSON"),
            (
                r#"{"shop": {"project": ["a"]}}"#,
                r#"for '--tenants <JSON>': the entry of shop has the unknown field "project": use projects,"#,
            ),
        ] {
            let args = ["executor-operator", "--tenants", json];
            let error = Args::try_parse_from(args).unwrap_err().to_string();
            assert!(error.contains(sentence), "{error}");
        }
    }

    #[test]
    fn operators_that_serve_the_same_namespaces_share_a_lease() {
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
