//! The world of one row: a place, Cloud Tasks behind a way that can be cut, and those who look on.

use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use cloudtasks::CloudTasks;
use kube::ResourceExt;
use kube::api::ListParams;
use testkit::{ApiServer, Emulator, Proxy, Receiver, eventually};

use crate::history::contradictions;
use crate::kubelet::Kubelet;
use crate::place::{Place, lax_crd, queue};
use crate::reader::{Seen, lies};
use crate::rights;
use crate::row::{Act, Operator, Row, Spec, Tells, WELL};
use crate::told::{missing, says};
use crate::watch::Watch;

/// The truth is told within 10 s, and somewhat later on a machine with more to do.
const WITHIN: Duration = Duration::from_secs(40);

const QUICK: &[&str] = &[
    "--hand-over-time=1s",
    "--address-delay=1s",
    "--gate-after=1s",
    "--queue-poll-interval=500ms",
];

pub const CHAIN: &str = "orders";

const MANIFEST: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {name: orders}
spec:
  project: demo
  location: europe-west1
  notifier: {queue: orders-notifier, url: 'https://api.example.com/task-events', rateLimits: {maxDispatchesPerSecond: 100}}
  template: {spec: {containers: [{name: handler, image: 'shop:1'}]}}
  stages:
  - {name: fast, queue: incoming, maxAttempts: 3, rateLimits: {maxDispatchesPerSecond: 400, maxConcurrentDispatches: 200}, replicas: 2}
  - {name: middle, queue: incoming-2, maxAttempts: 2, rateLimits: {maxConcurrentDispatches: 100}}
  - {name: slow, queue: incoming-3, maxAttempts: 1, rateLimits: {maxDispatchesPerSecond: 0.5, maxConcurrentDispatches: 100}}
";

/// The orders with something replaced.
pub fn manifest(spec: Spec) -> String {
    spec.iter()
        .fold(MANIFEST.to_owned(), |manifest, (from, to)| {
            assert!(manifest.contains(from), "nothing to replace: {from}");
            manifest.replace(from, to)
        })
}

pub struct World {
    pub place: Place,
    pub emulator: Emulator,
    pub queues: CloudTasks,
    pub way: Proxy,
    /// What Cloud Tasks' place is taken by.
    pub refusing: Option<Receiver>,
    pub kubelet: Rc<Kubelet>,
    pub watch: Rc<Watch>,
}

impl World {
    /// How long each act took until the truth was told.
    pub async fn live_through(row: &Row) -> Vec<Duration> {
        let mut world = Self::begin(row).await;
        let (kubelet, watch) = (Rc::clone(&world.kubelet), Rc::clone(&world.watch));
        let (client, namespace) = (world.place.client.clone(), world.place.namespace.clone());
        let deployments = world.place.deployments();
        tokio::select! {
            times = world.acts(row) => times,
            () = kubelet.work(&deployments) => unreachable!("it works until it is dropped"),
            () = watch.work(client, &namespace, CHAIN) => unreachable!("so does the watch"),
        }
    }

    async fn begin(row: &Row) -> Self {
        let emulator = Emulator::start().await;
        let way = Proxy::start(emulator.addr()).await;
        let place = place(row, &way.addr().to_string()).await;
        Self {
            queues: emulator.cloud_tasks().await,
            place,
            emulator,
            way,
            refusing: None,
            kubelet: Rc::default(),
            watch: Rc::default(),
        }
    }

    async fn acts(&mut self, row: &Row) -> Vec<Duration> {
        self.place.apply(&manifest(row.chain)).await;
        self.truth(row, &Act::new(&[], WELL), 0).await;
        let mut times = Vec::new();
        for act in row.acts {
            let before = self.watch.len();
            for deed in act.done {
                self.perform(deed).await;
            }
            times.push(self.truth(row, act, before).await);
        }
        let wrong = contradictions(&self.watch.since(0));
        assert!(wrong.is_empty(), "{}: {wrong:#?}", row.name);
        times
    }

    /// How long it takes until the truth is told, and stays.
    async fn truth(&self, row: &Row, act: &Act, before: usize) -> Duration {
        let began = Instant::now();
        let what = format!("{}: the truth", row.name);
        let mut fleeting = Vec::new();
        while let Some(left) = WITHIN.checked_sub(began.elapsed()) {
            eventually(&what, left, async || {
                let wrong = self.wrong(act, before).await;
                if wrong.is_empty() {
                    return Ok(());
                }
                let log = self.place.operator.log_tail();
                Err(Wrong(format!(
                    "{wrong:#?}\nthe operator's log ends:\n{log}"
                )))
            })
            .await;
            let took = began.elapsed();
            // Where nothing is known lists may take long; and a deleted chain reports nothing else.
            if !matches!(act.told, Tells::WellBut(_)) {
                return took;
            }
            self.place.lists_pass(2).await;
            fleeting = self.wrong(act, before).await;
            if fleeting.is_empty() {
                return took;
            }
        }
        panic!("{what} never stays: {fleeting:#?}");
    }

    /// What the status says wrong, or not at all.
    async fn wrong(&self, act: &Act, before: usize) -> Vec<String> {
        let namespace = &self.place.namespace;
        let states = self.watch.since(before);
        let passed = |told: &&_| !states.iter().any(|it| says(it, told, namespace).is_ok());
        let never = act.passing.iter().filter(passed);
        let mut wrong: Vec<String> = never.map(|told| format!("never said: {told:?}")).collect();
        wrong.extend(missing(&act.told, &self.watch.last(), namespace));
        // An old status, or a deleted chain, is compared with nothing.
        if wrong.is_empty() && matches!(act.told, Tells::WellBut(_) | Tells::Nothing(..)) {
            let seen = self.look().await;
            wrong.extend(missing(&act.told, &seen.chain, namespace));
            wrong.extend(lies(&seen));
        }
        wrong
    }

    async fn look(&self) -> Seen {
        let location = &queue("any").parent;
        let queues = self.queues.list_queues(location).await.unwrap();
        let deployments = self.place.deployments();
        let deployments = deployments.list(&ListParams::default()).await.unwrap();
        Seen {
            queues: queues
                .into_iter()
                .map(|queue| (queue.path.id.to_string(), queue))
                .collect(),
            deployments: deployments
                .into_iter()
                .map(|deployment| (deployment.name_any(), deployment))
                .collect(),
            chain: self.watch.last(),
        }
    }
}

struct Wrong(String);

impl fmt::Debug for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A namespace with the operator that a row asks for.
async fn place(row: &Row, cloud_tasks: &str) -> Place {
    let server: &'static ApiServer = match row.operator {
        Operator::WithALaxCrd => {
            // It ends with the tests.
            let server = Box::leak(Box::new(ApiServer::start().await));
            server.install_crd(&lax_crd()).await;
            server
        }
        Operator::Alone | Operator::Elected | Operator::ServiceAccount => {
            ApiServer::shared_with_crd().await
        }
    };
    let namespace = server.namespace("truth").await;
    let kubeconfig = match row.operator {
        Operator::ServiceAccount => rights::give(server, &namespace).await,
        Operator::Alone | Operator::Elected | Operator::WithALaxCrd => {
            server.kubeconfig().to_owned()
        }
    };
    let elects = match row.operator {
        Operator::Elected => "--leader-election=true",
        Operator::Alone | Operator::ServiceAccount | Operator::WithALaxCrd => {
            "--leader-election=false"
        }
    };
    // A flag that comes twice is refused.
    let name = |arg: &str| arg.split('=').next().map(str::to_owned);
    let is_plain = |quick: &&&str| !row.args.iter().any(|arg| name(arg) == name(quick));
    let args: Vec<&str> = QUICK
        .iter()
        .filter(is_plain)
        .chain(row.args)
        .copied()
        .chain([elects])
        .collect();
    Place::of(server, namespace, &kubeconfig, cloud_tasks, &args).await
}
