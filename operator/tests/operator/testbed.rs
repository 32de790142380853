//! What a test starts: a namespace, an emulator, and an operator that serves that namespace.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cloudtasks::{CloudTasks, Queue, QueuePath, QueueSettings};
use crds::{ExecutorChain, ExecutorChainStatus};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use testkit::http_get::{exchange, status_and_body};
use testkit::{ApiServer, Emulator, Process, eventually, fake_pods, free_port, operator};

/// Longer than anything takes, shorter than a person's patience.
pub const SOON: Duration = Duration::from_secs(20);

pub const ORDERS: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {name: orders}
spec:
  project: demo
  location: europe-west1
  notifier: {queue: orders-notifier, url: 'https://api.example.com/task-events'}
  template: {spec: {containers: [{name: handler, image: 'shop:1', resources: {requests: {cpu: 1000m}}}]}}
  stages:
  - {name: fast, queue: incoming, maxAttempts: 3, rateLimits: {maxDispatchesPerSecond: 400}, replicas: 2}
  - {name: middle, queue: incoming-2, maxAttempts: 2}
  - {name: slow, queue: incoming-3, maxAttempts: 1, rateLimits: {maxDispatchesPerSecond: 0.5}}
";

/// The first rate in it.
pub const RATE: &str = "maxDispatchesPerSecond: 400";

pub struct Testbed {
    pub server: &'static ApiServer,
    pub namespace: String,
    pub client: Client,
    pub operator: Process,
    admin: String,
    /// The name of the operator's pod.
    pub pod: String,
    command: Command,
}

impl Testbed {
    /// With an operator that talks to Cloud Tasks at `cloud_tasks`.
    pub async fn at(prefix: &str, cloud_tasks: SocketAddr, args: &[&str]) -> Self {
        let server = ApiServer::shared_with_crd().await;
        Self::start(server, prefix, cloud_tasks, args).await
    }

    /// On an API server that no other test uses, with this CRD or without one. It ends with the tests.
    pub async fn on_a_server_of_its_own(crd: Option<&str>, emulator: &Emulator) -> Self {
        let server: &'static ApiServer = Box::leak(Box::new(ApiServer::start().await));
        if let Some(crd) = crd {
            server.install_crd(crd).await;
        }
        Self::start(server, "own", emulator.addr(), &[]).await
    }

    /// Whose operator elects a leader with those that come [`Self::beside`] it.
    pub async fn with_a_candidate(
        prefix: &str,
        kubeconfig: &Path,
        cloud_tasks: SocketAddr,
    ) -> Self {
        let server = ApiServer::shared_with_crd().await;
        let namespace = server.namespace(prefix).await;
        Self::of(server, namespace, kubeconfig, cloud_tasks, &[]).await
    }

    /// With an emulator of its own, and further arguments for the operator.
    pub async fn with(prefix: &str, args: &[&str]) -> (Self, Emulator, Queues) {
        let emulator = Emulator::start().await;
        let testbed = Self::at(prefix, emulator.addr(), args).await;
        let queues = Queues::of(&emulator).await;
        (testbed, emulator, queues)
    }

    async fn start(
        server: &'static ApiServer,
        prefix: &str,
        cloud_tasks: SocketAddr,
        args: &[&str],
    ) -> Self {
        let namespace = server.namespace(prefix).await;
        // One operator is enough, and one that is restarted needn't wait for a lease to end.
        let args = [&["--leader-election", "false"], args].concat();
        Self::of(server, namespace, server.kubeconfig(), cloud_tasks, &args).await
    }

    /// The same namespace with one more operator, which elects a leader with others such.
    pub async fn beside(&self, kubeconfig: &Path, cloud_tasks: SocketAddr) -> Self {
        let namespace = self.namespace.clone();
        Self::of(self.server, namespace, kubeconfig, cloud_tasks, &[]).await
    }

    /// In a namespace that is there, with exactly these arguments, and with the rights of `kubeconfig`.
    pub async fn of(
        server: &'static ApiServer,
        namespace: String,
        kubeconfig: &Path,
        cloud_tasks: SocketAddr,
        args: &[&str],
    ) -> Self {
        let admin = format!("127.0.0.1:{}", free_port());
        let mut command = operator::command(kubeconfig, &namespace, &cloud_tasks.to_string());
        command.args(["--admin-addr", &admin]).args(args);
        // As in a pod of its own.
        let pod = format!("operator-{}", admin.replace([':', '.'], "-"));
        command.env("HOSTNAME", &pod);
        let operator = Process::spawn(&command);
        let client = server.client().await;
        Self {
            server,
            namespace,
            client,
            operator,
            admin,
            pod,
            command,
        }
    }

    pub fn chains(&self) -> Api<ExecutorChain> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub async fn kubectl(&self, args: &[&str]) -> testkit::Kubectl {
        let args = [&["-n", &self.namespace], args].concat();
        self.server.kubectl(&args).await
    }

    /// Deletes a chain, and waits until it is gone.
    pub async fn delete(&self, chain: &str) {
        let delete = ["delete", "chain", chain, "--timeout=20s"];
        self.kubectl(&delete).await.expect_ok();
    }

    pub async fn apply(&self, manifest: &str) -> String {
        let args = ["-n", &self.namespace, "apply", "-f", "-"];
        let applied = self.server.kubectl_with_input(&args, manifest).await;
        applied.expect_ok()
    }

    /// Applies the orders with something replaced.
    pub async fn apply_with(&self, from: &str, to: &str) {
        assert!(ORDERS.contains(from), "nothing to replace: {from}");
        self.apply(&ORDERS.replace(from, to)).await;
    }

    /// Waits until a chain has a condition, as [`says`] reads it.
    pub async fn says(&self, chain: &str, condition: &str) -> ExecutorChainStatus {
        let has_it = |status: &ExecutorChainStatus| says(status, condition);
        self.status(chain, condition, has_it).await
    }

    /// Waits until the status of a chain is as `wanted` says, and returns it.
    pub async fn status(
        &self,
        chain: &str,
        what: &str,
        wanted: impl Fn(&ExecutorChainStatus) -> bool,
    ) -> ExecutorChainStatus {
        eventually(what, SOON, async || self.status_if(chain, &wanted).await).await
    }

    /// The status of a chain, if it is current and as `wanted` says.
    pub async fn status_if(
        &self,
        chain: &str,
        wanted: impl Fn(&ExecutorChainStatus) -> bool,
    ) -> Result<ExecutorChainStatus, String> {
        let found = self.chains().get(chain).await;
        let found = found.map_err(|error| error.to_string())?;
        let status = found.status.unwrap_or_default();
        let is_current = status.observed_generation == found.metadata.generation;
        if is_current && wanted(&status) {
            return Ok(status);
        }
        let status = serde_json::to_string(&status).unwrap();
        let log = self.operator.log_tail();
        Err(format!("{status}\nthe operator's log ends:\n{log}"))
    }

    pub async fn gone(&self, chain: &str) {
        let log = || self.operator.log_tail();
        eventually("no chain", SOON, async || {
            let found = self.chains().get_opt(chain).await;
            (found.is_ok_and(|found| found.is_none()), log())
        })
        .await;
    }

    /// Waits until Ready is False for `reason`, and returns the sentence.
    pub async fn not_ready(&self, chain: &str, reason: &str) -> String {
        let status = self.says(chain, &format!("Ready=False {reason}")).await;
        condition(&status, "Ready").message.clone()
    }

    /// The sentence of a chain that can't be read; read without its types.
    pub async fn not_readable(&self, chain: &str) -> String {
        let path = "jsonpath={.status.conditions[?(@.type==\"Ready\")].message}";
        eventually("a sentence", SOON, async || {
            let told = self.kubectl(&["get", "chain", chain, "-o", path]).await;
            (!told.stdout.is_empty()).then_some(told.stdout)
        })
        .await
    }

    pub async fn restart(&mut self) {
        self.operator.kill9();
        // It holds the admin port.
        self.operator.exit(SOON).await;
        self.operator = Process::spawn(&self.command);
    }

    /// As an administrator who changes a setting of the operator.
    pub async fn restart_with(&mut self, variable: &str, value: &str) {
        self.command.env(variable, value);
        self.restart().await;
    }

    /// What a kubelet and the deployment controller would write, once all pods run.
    pub async fn pods_are_ready(&self) {
        fake_pods::report_all_ready(&self.deployments())
            .await
            .unwrap();
    }

    /// Waits until the chain's queues and workers are all there and ready.
    pub async fn settle(&self, chain: &str) -> ExecutorChainStatus {
        eventually("a chain that is ready", SOON, async || {
            self.pods_are_ready().await;
            self.status_if(chain, |status| says(status, "Ready=True"))
                .await
        })
        .await
    }

    /// The operator's metrics, as they are scraped.
    pub async fn metrics_text(&self) -> String {
        http("GET", &self.admin, "/metrics").await
    }

    /// The address of the operator's admin port.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Status and JSON of a path of the operator's read-only API.
    pub async fn api(&self, path: &str) -> (u16, Value) {
        let addr = self.admin.parse().unwrap();
        eventually("an answer", SOON, async || {
            let (status, body) = status_and_body(addr, path)
                .await
                .map_err(|it| it.to_string())?;
            let body = serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
            Ok::<_, String>((status, body))
        })
        .await
    }

    /// The operator's counters: `name{labels}` to value.
    pub async fn metrics(&self) -> BTreeMap<String, u64> {
        let text = self.metrics_text().await;
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect()
    }

    pub async fn watch_failures(&self) -> u64 {
        self.metrics().await["executor_operator_watch_failures_total"]
    }

    /// The sum of the series that begin with `name` and have `label`.
    async fn sum(&self, name: &str, label: &str) -> u64 {
        let metrics = self.metrics().await;
        let series = metrics
            .iter()
            .filter(|(series, _)| series.starts_with(name) && series.contains(label));
        series.map(|(_, value)| value).sum()
    }

    /// How many writes the operator has made: of this kind, or of all.
    pub async fn writes(&self, effect: &str) -> u64 {
        let label = label("effect", effect);
        self.sum("executor_operator_effects_total", &label).await
    }

    pub async fn leads(&self, leads: bool) {
        let what = if leads { "a leader" } else { "a standby" };
        eventually(what, SOON, async || {
            let metrics = self.metrics().await;
            let told = metrics.get("executor_operator_leader").copied();
            let log = self.operator.log_tail();
            (told == Some(u64::from(leads)), log)
        })
        .await;
    }

    /// The status code of a path of the operator's admin port.
    pub async fn http_status(&self, path: &str) -> String {
        let answer = http("GET", &self.admin, path).await;
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    pub async fn rounds(&self) -> u64 {
        self.sum("executor_operator_reconciles", "").await
    }

    pub async fn lists(&self) -> u64 {
        self.sum("executor_operator_queue_lists", "").await
    }

    /// How many calls Cloud Tasks got: with this outcome, or all.
    pub async fn calls(&self, outcome: &str) -> u64 {
        let label = label("outcome", outcome);
        let name = "executor_operator_cloud_tasks_calls_total";
        self.sum(name, &label).await
    }

    /// How many calls a second Cloud Tasks gets at most, at present.
    pub async fn calls_per_second(&self) -> f64 {
        let text = self.metrics_text().await;
        let name = "executor_operator_cloud_tasks_calls_per_second ";
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.unwrap().parse().unwrap()
    }

    pub async fn lists_pass(&self, more: u64) {
        let before = self.lists().await;
        eventually("more lists", SOON, async || {
            self.lists().await >= before + more
        })
        .await;
    }

    /// Waits for so many more rounds, touching the chain so that there are some. What is touched is
    /// nothing that is served.
    pub async fn rounds_pass(&self, chain: &str, more: u64) {
        let before = self.rounds().await;
        let mut touches = 0;
        eventually("more rounds", SOON, async || {
            touches += 1;
            let labels = json!({"touched": touches.to_string()});
            let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
            let (chains, parameters) = (self.chains(), PatchParams::default());
            chains.patch(chain, &parameters, &patch).await.unwrap();
            self.rounds().await >= before + more
        })
        .await;
    }

    /// Waits until a Deployment's worker has a variable with this value.
    pub async fn has_variable(&self, deployment: &str, name: &str, value: &str) {
        eventually(name, SOON, async || {
            let found = self.deployments().get(deployment).await.ok()?;
            (variable(&found, name)? == value).then_some(())
        })
        .await;
    }

    pub async fn list_deployments(&self) -> Vec<Deployment> {
        let list = self.deployments().list(&ListParams::default()).await;
        list.unwrap().items
    }

    /// UID and resource version of every Deployment: any write changes them.
    pub async fn deployment_versions(&self) -> BTreeMap<String, Option<String>> {
        let list = self.list_deployments().await;
        list.into_iter()
            .map(|object| (object.name_any(), object.resource_version()))
            .collect()
    }
}

/// A label as metrics have it; none for no value.
fn label(name: &str, value: &str) -> String {
    if value.is_empty() {
        return String::new();
    }
    format!("{name}=\"{value}\"")
}

/// The CRD as another version may have it: it lets pass what this one would not.
pub fn lax_crd() -> String {
    let mut crd: Value = serde_saphyr::from_str(crds::CRD_YAML).unwrap();
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"]["properties"]["drainDelay"] = json!({"type": "string"});
    crd.to_string()
}

pub fn condition<'a>(status: &'a ExecutorChainStatus, kind: &str) -> &'a Condition {
    let mut conditions = status.conditions.iter();
    let found = conditions.find(|condition| condition.type_ == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {status:?}"))
}

/// Whether a status has a condition: its status, and if need be its reason, and words of its message, as in
/// `Ready=False InvalidSpec: project`.
pub fn says(status: &ExecutorChainStatus, condition: &str) -> bool {
    let (wanted, words) = condition.split_once(": ").unwrap_or((condition, ""));
    let (wanted, reason) = wanted.split_once(' ').unwrap_or((wanted, ""));
    status.conditions.iter().any(|it| {
        wanted == format!("{}={}", it.type_, it.status)
            && (reason.is_empty() || reason == it.reason)
            && it.message.contains(words)
    })
}

pub fn queue(id: &str) -> QueuePath {
    let path = format!("projects/demo/locations/europe-west1/queues/{id}");
    path.parse().unwrap()
}

/// The queues, as another client sees and changes them.
pub struct Queues(CloudTasks);

impl Queues {
    pub async fn of(emulator: &Emulator) -> Self {
        Self(emulator.cloud_tasks().await)
    }

    pub async fn get(&self, id: &str) -> Queue {
        self.get_queue(&queue(id)).await.unwrap()
    }

    pub async fn all(&self) -> Vec<Queue> {
        self.list_queues(&queue("any").parent).await.unwrap()
    }

    pub async fn update(&self, id: &str, settings: &QueueSettings) {
        self.update_queue(&queue(id), settings).await.unwrap();
    }

    /// Waits until a queue is as `wanted` says, and returns it.
    pub async fn becomes(&self, id: &str, what: &str, wanted: impl Fn(&Queue) -> bool) -> Queue {
        eventually(what, SOON, async || {
            let found = self.get_queue(&queue(id)).await;
            let found = found.map_err(|error| error.to_string())?;
            if wanted(&found) {
                return Ok(found);
            }
            Err(format!("{found:?}"))
        })
        .await
    }

    /// Waits until a queue has this rate, and returns it.
    pub async fn has_rate(&self, id: &str, rate: f64) -> Queue {
        let has_it = |found: &Queue| is_same(found.max_dispatches_per_second, rate);
        self.becomes(id, &format!("the rate {rate}"), has_it).await
    }
}

impl Deref for Queues {
    type Target = CloudTasks;

    fn deref(&self) -> &CloudTasks {
        &self.0
    }
}

pub fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() < f64::EPSILON
}

/// A manifest without this stage.
pub fn without(manifest: &str, stage: &str) -> String {
    let name = format!("name: {stage},");
    let lines = manifest.lines().filter(|line| !line.contains(&name));
    lines.collect::<Vec<_>>().join("\n")
}

/// The orders under another name, with queues of that name.
pub fn named(name: &str, manifest: &str) -> String {
    manifest
        .replace("name: orders}", &format!("name: {name}}}"))
        .replace("queue: incoming", &format!("queue: {name}"))
}

/// A variable of a Deployment's worker.
pub fn variable(deployment: &Deployment, name: &str) -> Option<String> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    let worker = pod.containers.iter().find(|it| it.name == "worker")?;
    let variable = worker.env.iter().flatten().find(|it| it.name == name)?;
    variable.value.clone()
}

/// A testbed with an emulator of its own, and its queues.
pub async fn with_emulator(prefix: &str) -> (Testbed, Emulator, Queues) {
    Testbed::with(prefix, &[]).await
}

/// As [`Testbed::with`], once the chain `orders` of a manifest is applied and ready.
pub async fn served(prefix: &str, args: &[&str], manifest: &str) -> (Testbed, Emulator, Queues) {
    let started = Testbed::with(prefix, args).await;
    started.0.apply(manifest).await;
    started.0.settle("orders").await;
    started
}

/// The answer to a request without a body, its head included.
pub async fn http(method: &str, addr: &str, path: &str) -> String {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    let addr = addr.parse().unwrap();
    eventually("an answer", SOON, async || exchange(addr, &request).await).await
}
