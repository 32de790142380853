//! An operator with the rights and the arguments that the chart gives it, and chains that make it do
//! all that it ever does in a cluster.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::{
    Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
};
use serde_json::{Value, json};
use testkit::fake_pods::report_all_ready;
use testkit::http_get::status_and_body;
use testkit::{ApiServer, Process, binary, eventually, free_port, http_get};

use crate::rendered::{RELEASE, Rendered};

/// Longer than anything takes, shorter than a person's patience.
pub const SOON: Duration = Duration::from_secs(30);

/// What a test can't wait for at its default.
pub const QUICK: &str = "operator: {queuePollInterval: 500ms, addressDelay: 1s, handOverTime: 1s, revisionHistoryLimit: 2}\n";

pub const GATEWAY_API: &str = "gateway.networking.k8s.io";
const GKE: &str = "networking.gke.io";

/// A server that keeps what it was asked, and has the kinds that a chain may ask for.
pub async fn watchful_server() -> ApiServer {
    let server = ApiServer::start_watchful().await;
    server.install_crds_of(GATEWAY_API).await;
    server.install_crds_of(GKE).await;
    server
}

/// A process that is what the chart's pods are.
pub struct Operator {
    pub process: Process,
    admin: String,
}

impl Operator {
    pub async fn start(server: &ApiServer, namespace: &str, rendered: &Rendered) -> Self {
        let admin = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(binary("executor-operator"));
        command
            .args(rendered.arguments())
            .args(["--admin-addr", &admin])
            .env("KUBECONFIG", server.kubeconfig_of(namespace, RELEASE).await);
        let process = Process::spawn(&command);
        Self { process, admin }
    }

    /// The status code of a path of its admin port, once it answers.
    pub async fn answers(&self, path: &str) -> u16 {
        let addr = self.admin.parse().unwrap();
        let answer = eventually("an answer", SOON, async || {
            status_and_body(addr, path).await
        });
        answer.await.0
    }

    /// The value of a line of its metrics: 0 where there is none.
    pub async fn metric(&self, line: &str) -> u64 {
        let addr = self.admin.parse().unwrap();
        let text = eventually("metrics", SOON, async || http_get(addr, "/metrics").await).await;
        let value = text
            .lines()
            .find_map(|it| it.strip_prefix(line)?.trim().parse().ok());
        value.unwrap_or_default()
    }
}

pub fn chain(name: &str, policy: &str, stages: &[&str]) -> String {
    let stages = stages
        .iter()
        .map(|stage| format!("  - {{name: {stage}, queue: {name}-{stage}, maxAttempts: 2}}\n"));
    let stages: String = stages.collect();
    format!(
        "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {{name: {name}}}
spec:
  project: demo
  location: europe-west1
  deletionPolicy: {policy}
  push: {{gateway: {{name: external, namespace: infra, hostname: '{{stage}}-{{chain}}.push.example'}}}}
  notifier: {{queue: {name}-notifier, url: 'https://api.example.com/task-events'}}
  parking: {{queue: {name}-parked}}
  template: {{spec: {{containers: [{{name: handler, image: 'shop:1'}}]}}}}
  stages:
{stages}"
    )
}

pub struct Testbed<'a> {
    pub server: &'a ApiServer,
    pub namespace: String,
    pub deployments: Api<Deployment>,
    routes: Api<DynamicObject>,
}

impl<'a> Testbed<'a> {
    pub async fn new(server: &'a ApiServer, namespace: &str) -> Self {
        let client = server.client().await;
        let kind = GroupVersionKind::gvk(GATEWAY_API, "v1", "HTTPRoute");
        let kind = ApiResource::from_gvk(&kind);
        Self {
            server,
            namespace: namespace.to_owned(),
            deployments: Api::namespaced(client.clone(), namespace),
            routes: Api::namespaced_with(client, namespace, &kind),
        }
    }

    pub async fn apply(&self, chain: &str) {
        let apply = ["apply", "-n", &self.namespace, "-f", "-"];
        let applied = self.server.kubectl_with_input(&apply, chain).await;
        applied.expect_ok();
    }

    /// What a Gateway would write that takes every route.
    async fn routes_are_taken(&self) {
        for route in self.routes.list(&ListParams::default()).await.unwrap() {
            let said = |kind: &str| {
                json!({
                    "type": kind, "status": "True", "reason": kind, "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                    "observedGeneration": route.metadata.generation,
                })
            };
            let status = json!({"status": {"parents": [{
                "parentRef": route.data["spec"]["parentRefs"][0],
                "controllerName": "networking.gke.io/gateway",
                "conditions": [said("Accepted"), said("Reconciled")],
            }]}});
            let name = route.name_any();
            let (parameters, patch) = (PatchParams::default(), Patch::Merge(status));
            let written = self.routes.patch_status(&name, &parameters, &patch);
            // It may have gone since.
            drop(written.await);
        }
    }

    pub async fn status(&self, chain: &str) -> Value {
        let get = ["get", "chain", chain, "-n", &self.namespace, "-o", "json"];
        let found = self.server.kubectl(&get).await;
        let found: Value = serde_json::from_str(&found.stdout).unwrap_or_default();
        let is_current = found["status"]["observedGeneration"] == found["metadata"]["generation"];
        if is_current {
            found["status"].clone()
        } else {
            Value::Null
        }
    }

    pub async fn settle(&self, chain: &str, operator: &Operator) {
        eventually("a chain that is ready", SOON, async || {
            report_all_ready(&self.deployments).await.unwrap();
            self.routes_are_taken().await;
            let status = self.status(chain).await;
            let is_ready = condition(&status, "Ready").0 == "True";
            let log = operator.process.log_tail();
            (is_ready, format!("{status}\n{log}"))
        })
        .await;
    }

    pub async fn has_workers(&self, chain: &str, stages: &[&str]) {
        let label = format!("executor-chain.dev/chain={chain}");
        eventually("the remaining stages' workers", SOON, async || {
            report_all_ready(&self.deployments).await.unwrap();
            let labeled = ListParams::default().labels(&label);
            let found = self.deployments.list(&labeled).await.unwrap();
            let names: Vec<String> = found.iter().map(ResourceExt::name_any).collect();
            let is = |stage: &&str| {
                let child = format!("{chain}-{stage}");
                names.iter().any(|name| name.contains(&child))
            };
            let all = names.len() == stages.len() && stages.iter().all(is);
            (all, names)
        })
        .await;
    }

    /// Writes something else into its status, as nobody should.
    pub async fn forge(&self, chain: &str) {
        let patch = r#"{"status": {"path": "forged"}}"#;
        let status = ["patch", "chain", chain, "--subresource=status"];
        self.kubectl(&[&status[..], &["--type=merge", "-p", patch]].concat())
            .await;
    }

    /// Earlier specs are kept, come again, and are forgotten. The operator keeps two.
    pub async fn revisions(&self, chain: &str) {
        let rate = |rate: u32| {
            format!(
                r#"[{{"op": "add", "path": "/spec/stages/0/rateLimits", "value": {{"maxDispatchesPerSecond": {rate}}}}}]"#
            )
        };
        let removed = r#"[{"op": "remove", "path": "/spec/stages/0/rateLimits"}]"#;
        let (five, six) = (rate(5), rate(6));
        for (patch, kept) in [
            (&*five, "1 2"),
            (&six, "2 3"),
            (&five, "3 4"),
            (removed, "4 5"),
        ] {
            let edit = ["patch", "chain", chain, "--type=json", "-p", patch];
            self.kubectl(&edit).await;
            let label = format!("executor-chain.dev/chain={chain}");
            let get = [
                "-n",
                &self.namespace,
                "get",
                "controllerrevisions",
                "-l",
                &label,
            ];
            let numbers = ["-o=jsonpath={.items[*].revision}", "--sort-by=.revision"];
            let get = [&get[..], &numbers].concat();
            eventually(&format!("the revisions {kept}"), SOON, async || {
                let said = self.server.kubectl(&get).await;
                (said.stdout == kept, format!("{said:?}"))
            })
            .await;
        }
    }

    /// An override is made, ended, and so old that it is forgotten.
    pub async fn overrides(&self, chain: &str) {
        let manifest = format!(
            "apiVersion: executor-chain.dev/v1alpha1\nkind: ChainOverride\nmetadata: {{name: inc-42}}\nspec: {{chain: {chain}, stages: [fast], rateLimits: {{maxDispatchesPerSecond: 5}}, for: 10m, reason: INC-42}}\n"
        );
        self.apply(&manifest).await;
        let reason = "jsonpath={.status.conditions[0].reason}";
        let get = [
            "-n",
            &self.namespace,
            "get",
            "chainoverride",
            "inc-42",
            "-o",
            reason,
        ];
        let says = async |wanted: &str| {
            eventually(wanted, SOON, async || {
                let said = self.server.kubectl(&get).await;
                (said.stdout == wanted, format!("{said:?}"))
            })
            .await;
        };
        says("Applied").await;
        let end = r#"{"spec": {"ended": true}}"#;
        let patch = ["patch", "chainoverride", "inc-42", "--type=merge", "-p"];
        self.kubectl(&[&patch[..], &[end]].concat()).await;
        says("Undone").await;
        let long_ago = r#"{"status": {"endedAt": "2020-01-01T00:00:00Z"}}"#;
        let status = ["--subresource=status"];
        self.kubectl(&[&patch[..], &[long_ago], &status].concat())
            .await;
        eventually("an override that is forgotten", SOON, async || {
            let found = self.server.kubectl(&get).await;
            (found.stderr.contains("NotFound"), format!("{found:?}"))
        })
        .await;
    }

    /// A redrive and a discard are made, end as nothing is parked, and are so old that they are forgotten.
    pub async fn redrives(&self, chain: &str) {
        for (kind, own) in [
            ("ChainRedrive", "to: fast, rate: 20, "),
            ("ChainDiscard", ""),
        ] {
            let manifest = format!(
                "apiVersion: executor-chain.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: inc-42}}\nspec: {{chain: {chain}, {own}all: true, reason: INC-42}}\n"
            );
            self.apply(&manifest).await;
            let reason = "jsonpath={.status.conditions[0].reason}";
            let get = ["-n", &self.namespace, "get", kind, "inc-42", "-o", reason];
            let says = async |wanted: &str| {
                eventually(wanted, SOON, async || {
                    let said = self.server.kubectl(&get).await;
                    (said.stdout == wanted, format!("{said:?}"))
                })
                .await;
            };
            // Nothing runs the mover's pod here.
            says("Counting").await;
            let patch = ["patch", kind, "inc-42", "--type=merge", "-p"];
            let stop = r#"{"spec": {"stopped": true}}"#;
            self.kubectl(&[&patch[..], &[stop]].concat()).await;
            says("Stopped").await;
            let long_ago = r#"{"status": {"finishedAt": "2020-01-01T00:00:00Z"}}"#;
            let status = ["--subresource=status"];
            eventually("one that is forgotten", SOON, async || {
                let patched = [&["-n", &self.namespace], &patch[..], &[long_ago], &status];
                drop(self.server.kubectl(&patched.concat()).await);
                let found = self.server.kubectl(&get).await;
                (found.stderr.contains("NotFound"), format!("{found:?}"))
            })
            .await;
        }
    }

    pub async fn delete(&self, chain: &str) {
        self.kubectl(&["delete", "chain", chain, "--timeout=25s"])
            .await;
    }

    async fn kubectl(&self, args: &[&str]) {
        let args = [&["-n", &self.namespace], args].concat();
        self.server.kubectl(&args).await.expect_ok();
    }
}

/// Status and message of a condition.
pub fn condition(status: &Value, kind: &str) -> (String, String) {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    let mut conditions = conditions.into_iter();
    let found = conditions.find(|it| it["type"] == kind).cloned();
    let found = found.unwrap_or_default();
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    (text("status"), text("message"))
}

/// Verbs by group and resource.
pub type Rights = BTreeMap<(String, String), Vec<String>>;

pub fn granted(rendered: &Rendered) -> Rights {
    let mut rights = Rights::new();
    let all = ["Role", "ClusterRole"]
        .map(|kind| rendered.of_operator(kind))
        .concat();
    let rules = all.iter().filter_map(|role| role["rules"].as_array());
    for rule in rules.flatten() {
        let names = |field: &str| rule[field].as_array().unwrap().clone();
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        for group in &names("apiGroups") {
            for resource in &names("resources") {
                let verbs = rights.entry((text(group), text(resource))).or_default();
                verbs.extend(names("verbs").iter().map(text));
            }
        }
    }
    sorted(rights)
}

/// What a service account has asked for and was given, and what it was refused.
pub fn used(server: &ApiServer, namespace: &str) -> (Rights, Vec<String>) {
    let (mut rights, mut refused) = (Rights::new(), Vec::new());
    let account = format!("system:serviceaccount:{namespace}:{RELEASE}");
    for event in server.audit() {
        let object = &event["objectRef"];
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        if event["user"]["username"] != account.as_str() || object.is_null() {
            continue;
        }
        let verb = text(&event["verb"]);
        let resource = match object["subresource"].as_str() {
            Some(part) => format!("{}/{part}", text(&object["resource"])),
            None => text(&object["resource"]),
        };
        let code = event["responseStatus"]["code"].as_u64();
        if event["annotations"]["authorization.k8s.io/decision"] == "forbid" || code == Some(403) {
            refused.push(format!("{verb} {resource}"));
            continue;
        }
        let verbs = rights
            .entry((text(&object["apiGroup"]), resource))
            .or_default();
        // An apply that makes its object asks for that right, too, and is one request.
        if verb == "patch" && code == Some(201) {
            verbs.push("create".to_owned());
        }
        verbs.push(verb);
    }
    (sorted(rights), refused)
}

fn sorted(mut rights: Rights) -> Rights {
    for verbs in rights.values_mut() {
        verbs.sort();
        verbs.dedup();
    }
    rights
}
