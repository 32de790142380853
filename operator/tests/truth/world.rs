//! The world of one scenario: a testbed, Cloud Tasks behind a way that can be cut, and those who look on.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use cloudtasks::CloudTasks;
use kube::ResourceExt;
use kube::api::ListParams;
use testkit::{ApiServer, Emulator, ListProxy, Proxy, Receiver, eventually};

use crate::expected::{missing, says};
use crate::history::contradictions;
use crate::kubelet::Kubelet;
use crate::reader::{Seen, lies};
use crate::rights;
use crate::scenario::{Act, Expected, Operator, Scenario, Spec, when};
use crate::testbed::{Testbed, lax_crd, queue};
use crate::watch::Watch;

/// The truth is reported within 10 s, and somewhat later on a machine with more to do.
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
    pub testbed: Testbed,
    /// The operator's other namespace, if it has one.
    pub elsewhere: Option<String>,
    pub emulator: Emulator,
    pub queues: CloudTasks,
    pub way: Proxy,
    /// What answers instead of Cloud Tasks.
    pub refusing: Option<Receiver>,
    /// What lists the queues instead.
    pub lists: Option<ListProxy>,
    pub kubelet: Rc<Kubelet>,
    pub watch: Rc<Watch>,
}

impl World {
    /// How long each act took until the truth was reported.
    pub async fn run(scenario: &Scenario) -> Vec<Duration> {
        let mut world = Self::begin(scenario).await;
        let (kubelet, watch) = (Rc::clone(&world.kubelet), Rc::clone(&world.watch));
        let (client, namespace) = (
            world.testbed.client.clone(),
            world.testbed.namespace.clone(),
        );
        let deployments = world.testbed.deployments();
        tokio::select! {
            times = world.acts(scenario) => times,
            () = kubelet.work(&deployments) => unreachable!("it works until it is dropped"),
            () = watch.work(client, &namespace, CHAIN) => unreachable!("so does the watch"),
        }
    }

    async fn begin(scenario: &Scenario) -> Self {
        let emulator = Emulator::start().await;
        let way = Proxy::start(emulator.addr()).await;
        let (testbed, elsewhere) = testbed(scenario, way.addr()).await;
        Self {
            queues: emulator.cloud_tasks().await,
            testbed,
            elsewhere,
            emulator,
            way,
            refusing: None,
            lists: None,
            kubelet: Rc::default(),
            watch: Rc::default(),
        }
    }

    async fn acts(&mut self, scenario: &Scenario) -> Vec<Duration> {
        self.testbed.apply(&manifest(scenario.chain)).await;
        self.truth(scenario, &when(&[]), 0).await;
        let mut times = Vec::new();
        for act in scenario.acts {
            let before = self.watch.len();
            for action in act.done {
                self.perform(action).await;
            }
            times.push(self.truth(scenario, act, before).await);
        }
        let wrong = contradictions(&self.watch.since(0));
        assert!(wrong.is_empty(), "{}: {wrong:#?}", scenario.name);
        times
    }

    /// How long it takes until the truth is reported, and stays.
    async fn truth(&self, scenario: &Scenario, act: &Act, before: usize) -> Duration {
        let began = Instant::now();
        let what = format!("{}: the truth", scenario.name);
        let mut fleeting = Vec::new();
        while let Some(left) = WITHIN.checked_sub(began.elapsed()) {
            eventually(&what, left, async || {
                let wrong = self.wrong(act, before).await;
                if wrong.is_empty() {
                    return Ok(());
                }
                let log = self.testbed.operator.log_tail();
                Err(Wrong(format!(
                    "{wrong:#?}\nthe operator's log ends:\n{log}"
                )))
            })
            .await;
            let took = began.elapsed();
            // Where nothing is known lists may take long; and a deleted chain reports nothing else.
            if !matches!(act.expected, Expected::WellBut(_)) {
                return took;
            }
            self.testbed.lists_pass(2).await;
            fleeting = self.wrong(act, before).await;
            if fleeting.is_empty() {
                return took;
            }
        }
        panic!("{what} never stays: {fleeting:#?}");
    }

    /// What the status says wrong, or not at all.
    async fn wrong(&self, act: &Act, before: usize) -> Vec<String> {
        let namespace = &self.testbed.namespace;
        let states = self.watch.since(before);
        let passed = |condition: &&&str| {
            !states
                .iter()
                .any(|it| says(it, condition, namespace).is_ok())
        };
        let never = act.passing.iter().filter(passed);
        let mut wrong: Vec<String> = never.map(|it| format!("never said: {it}")).collect();
        wrong.extend(missing(&act.expected, &self.watch.last(), namespace));
        // An old status, or a deleted chain, is compared with nothing.
        if wrong.is_empty() && matches!(act.expected, Expected::WellBut(_) | Expected::Unknown(_)) {
            let seen = self.look().await;
            wrong.extend(missing(&act.expected, &seen.chain, namespace));
            wrong.extend(lies(&seen));
        }
        wrong
    }

    async fn look(&self) -> Seen {
        let location = &queue("any").parent;
        let queues = self.queues.list_queues(location).await.unwrap();
        let deployments = self.testbed.deployments();
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

/// A namespace with the operator that a scenario asks for, and its other namespace.
async fn testbed(scenario: &Scenario, cloud_tasks: SocketAddr) -> (Testbed, Option<String>) {
    let server: &'static ApiServer = match scenario.operator {
        Operator::WithALaxCrd => {
            // It ends with the tests.
            let server = Box::leak(Box::new(ApiServer::start().await));
            server.install_crd(&lax_crd()).await;
            server
        }
        Operator::Alone
        | Operator::OfTwoNamespaces
        | Operator::Elected
        | Operator::ServiceAccount => ApiServer::shared_with_crd().await,
    };
    let namespace = server.namespace("truth").await;
    let kubeconfig = match scenario.operator {
        Operator::ServiceAccount => rights::give(server, &namespace).await,
        Operator::Alone | Operator::OfTwoNamespaces | Operator::Elected | Operator::WithALaxCrd => {
            server.kubeconfig().to_owned()
        }
    };
    let elects = match scenario.operator {
        Operator::Elected => "--leader-election=true",
        Operator::Alone
        | Operator::OfTwoNamespaces
        | Operator::ServiceAccount
        | Operator::WithALaxCrd => "--leader-election=false",
    };
    let elsewhere = match scenario.operator {
        Operator::OfTwoNamespaces => Some(server.namespace("elsewhere").await),
        Operator::Alone | Operator::Elected | Operator::ServiceAccount | Operator::WithALaxCrd => {
            None
        }
    };
    let beside: Vec<String> = elsewhere
        .iter()
        .map(|namespace| format!("--namespace={namespace}"))
        .collect();
    // A flag that comes twice is refused.
    let name = |arg: &str| arg.split('=').next().map(str::to_owned);
    let is_plain = |quick: &&&str| !scenario.args.iter().any(|arg| name(arg) == name(quick));
    let args: Vec<&str> = QUICK
        .iter()
        .filter(is_plain)
        .chain(scenario.args)
        .copied()
        .chain([elects])
        .chain(beside.iter().map(String::as_str))
        .collect();
    let testbed = Testbed::of(server, namespace, &kubeconfig, cloud_tasks, &args).await;
    (testbed, elsewhere)
}
