//! What `helm template` makes of values.

use serde_json::Value;
use testkit::helm::without_a_cluster;

pub const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/executor-chain");
/// The name that the documentation gives the release, and its namespace.
pub const RELEASE: &str = "executor-chain";
pub const SYSTEM: &str = "system";

/// Everything that a value can turn on.
pub const ALL: &str = "
image: {repository: registry.example.com/executor-operator, tag: 1.2.3, pullPolicy: Always, pullSecrets: [{name: registry}]}
worker:
  image: {repository: registry.example.com/executor-worker, tag: 1.2.3}
  resources: {limits: {memory: 64Mi}}
  env: [{name: RUST_LOG, value: '\"warn\"'}]
  securityContext: {runAsUser: 1000}
project: my-project
location: europe-west1
tenants:
  shop: {projects: [my-project], queuePrefixes: [shop-], serviceAccounts: [pusher@my-project.iam.gserviceaccount.com], pushHosts: ['*.shop.example.com']}
  '*': {projects: []}
emulatorHost: cloud-tasks.emulators.svc:8123
operator:
  cluster: blue
  extraArgs: [--leader-election=true]
  extraEnv: [{name: GOOGLE_CLOUD_PROJECT, value: my-project}]
rbac: {viewers: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: on-call}], oncall: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: on-call}], discard: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: leads}]}
overrides: {requireBy: true}
serviceAccount: {annotations: {iam.gke.io/gcp-service-account: operator@my-project.iam.gserviceaccount.com}}
podAnnotations: {a: b}
podLabels: {c: d}
priorityClassName: system-cluster-critical
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: infra, operator: Exists}]
affinity: {nodeAffinity: {}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
networkPolicy: {enabled: true, metricsFrom: [{namespaceSelector: {}}]}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
podMonitoring: {enabled: true, alerts: true}
prometheusRule: {enabled: true, labels: {release: prometheus}, runbookUrl: 'https://example.com/operations.md#'}
dashboard: {enabled: true}
extraObjects:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Release.Name }}-more'}}
- |
  apiVersion: v1
  kind: ConfigMap
  metadata: {name: text}
";

pub struct Rendered {
    objects: Vec<Value>,
}

impl Rendered {
    pub async fn of(values: &str) -> Self {
        Self::in_namespace(SYSTEM, values).await
    }

    pub async fn in_namespace(namespace: &str, values: &str) -> Self {
        let yaml = template(namespace, values).await.expect_ok();
        let objects: Vec<Value> = serde_saphyr::from_multiple(&yaml).expect("it is YAML");
        let objects = objects.into_iter().filter(|it| !it.is_null()).collect();
        Self { objects }
    }

    pub fn of_kind(&self, kind: &str) -> Vec<&Value> {
        let objects = self.objects.iter();
        objects.filter(|it| it["kind"] == kind).collect()
    }

    /// The roles, or bindings of roles, of the operator itself: those of viewers and of people on call are theirs.
    pub fn of_operator(&self, kind: &str) -> Vec<&Value> {
        let found = self.of_kind(kind).into_iter();
        found.filter(|it| !is_of_people(it)).collect()
    }

    /// Those of viewers.
    pub fn of_viewers(&self, kind: &str) -> Vec<&Value> {
        self.of_people(kind, "viewer")
    }

    /// Those of people whose roles end so.
    pub fn of_people(&self, kind: &str, end: &str) -> Vec<&Value> {
        let is_theirs = |it: &&Value| {
            let name = it["metadata"]["name"].as_str();
            name.is_some_and(|name| name.ends_with(end))
        };
        self.of_kind(kind).into_iter().filter(is_theirs).collect()
    }

    /// The object of a kind of which there is one.
    pub fn only(&self, kind: &str) -> &Value {
        let found = self.of_kind(kind);
        assert_eq!(found.len(), 1, "{kind}: {found:?}");
        found[0]
    }

    /// The objects but for those of a kind, as kubectl takes them.
    pub fn without(&self, kind: &str) -> String {
        let items: Vec<_> = self
            .objects
            .iter()
            .filter(|it| it["kind"] != kind)
            .collect();
        serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
    }

    /// As [`Self::without`], but for whole API versions.
    pub fn of_groups_but(&self, versions: &[&str]) -> String {
        let is_other = |it: &&Value| {
            let version = it["apiVersion"].as_str();
            !version.is_some_and(|version| versions.contains(&version))
        };
        let items: Vec<_> = self.objects.iter().filter(is_other).collect();
        serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
    }

    pub fn arguments(&self) -> Vec<String> {
        let container = &self.only("Deployment")["spec"]["template"]["spec"]["containers"][0];
        let arguments = container["args"].as_array().expect("a list");
        let text = |it: &Value| it.as_str().expect("a text").to_owned();
        arguments.iter().map(text).collect()
    }
}

fn is_of_people(object: &Value) -> bool {
    let name = object["metadata"]["name"].as_str();
    let ends = ["viewer", "oncall", "discard"];
    name.is_some_and(|name| ends.iter().any(|end| name.ends_with(end)))
}

pub async fn template(namespace: &str, values: &str) -> testkit::Kubectl {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), values).unwrap();
    let values = file.path().to_str().unwrap();
    without_a_cluster(&["template", RELEASE, CHART, "-n", namespace, "-f", values]).await
}
