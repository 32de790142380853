//! Two appliers, as the `GitOps` tools work: what they do each second to a chain.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use crds::ExecutorChain;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use testkit::ApiServer;
use tokio::task::JoinHandle;

use crate::manifest::chain;

/// Between two applies. The tools' own intervals are minutes; Argo CD's self-heal takes seconds.
const INTERVAL: Duration = Duration::from_secs(1);
/// Flux takes fields over from the managers whose names begin so.
const TAKEN_OVER: &str = "kubectl";
const FLUX: &str = "kustomize-controller";

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// A three-way merge against what was applied last, as `argocd-controller`.
    ArgoCd,
    /// A server-side apply with force, as `kustomize-controller`, after it has taken over what managers
    /// like `kubectl-edit` have set.
    Flux,
}

impl Tool {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ArgoCd, Self::Flux];

    /// The chain that it applies.
    pub fn chain(self) -> &'static str {
        match self {
            Self::ArgoCd => "argo",
            Self::Flux => "flux",
        }
    }
}

/// An applier that works until it is dropped.
pub struct Applier {
    applies: Arc<AtomicUsize>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Applier {
    /// Begins.
    pub fn start(server: &'static ApiServer, client: Client, namespace: &str, tool: Tool) -> Self {
        let applies = Arc::new(AtomicUsize::new(0));
        let way = Way {
            server,
            chains: Api::namespaced_with(
                client,
                namespace,
                &ApiResource::erase::<ExecutorChain>(&()),
            ),
            namespace: namespace.to_owned(),
        };
        let counted = Arc::clone(&applies);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            loop {
                ticks.tick().await;
                way.apply(tool).await.with_context(|| format!("{tool:?}"))?;
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { applies, task }
    }

    /// How often it has applied. An error, if it has ended.
    pub async fn applies(&mut self) -> anyhow::Result<usize> {
        if self.task.is_finished() {
            (&mut self.task).await??;
        }
        Ok(self.applies.load(Ordering::Relaxed))
    }
}

impl Drop for Applier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Way {
    server: &'static ApiServer,
    chains: Api<DynamicObject>,
    namespace: String,
}

impl Way {
    async fn apply(&self, tool: Tool) -> anyhow::Result<()> {
        match tool {
            Tool::ArgoCd => self.merge().await,
            Tool::Flux => self.force().await,
        }
    }

    /// Argo CD applies with the code of `kubectl apply`.
    async fn merge(&self) -> anyhow::Result<()> {
        let namespace = self.namespace.as_str();
        let apply = [
            "apply",
            "-n",
            namespace,
            "--field-manager=argocd-controller",
        ];
        let arguments = [&apply[..], &["-f", "-"]].concat();
        let manifest = chain(Tool::ArgoCd.chain()).to_string();
        let applied = self.server.kubectl_with_input(&arguments, &manifest).await;
        ensure!(applied.ok, "{}", applied.stderr);
        Ok(())
    }

    async fn force(&self) -> anyhow::Result<()> {
        let name = Tool::Flux.chain();
        loop {
            let Some(found) = self.chains.get_opt(name).await? else {
                break;
            };
            let Some(patch) = take_over(&found) else {
                break;
            };
            let patch = Patch::Json::<()>(serde_json::from_value(patch)?);
            let parameters = PatchParams::default();
            match self.chains.patch(name, &parameters, &patch).await {
                // Something else has changed the chain meanwhile: a failed `test` is 422.
                Err(kube::Error::Api(refused)) if [409, 422].contains(&refused.code) => {}
                other => {
                    other.context("taking over")?;
                    break;
                }
            }
        }
        let parameters = PatchParams::apply(FLUX).force();
        let applied = Patch::Apply(chain(name));
        let applied = self.chains.patch(name, &parameters, &applied).await;
        applied.map(drop).context("applying")
    }
}

/// As fluxcd/pkg/ssa does before each apply: what these managers have set, other than by a subresource,
/// becomes what Flux has applied, so that the apply removes what Git doesn't have. `None` if they have set
/// nothing.
fn take_over(found: &DynamicObject) -> Option<Value> {
    let entries = found.managed_fields();
    let name = |it: &ManagedFieldsEntry| it.manager.clone().unwrap_or_default();
    let is_flux = |it: &ManagedFieldsEntry| {
        name(it) == FLUX && it.operation.as_deref() == Some("Apply") && it.subresource.is_none()
    };
    let is_taken = |it: &&ManagedFieldsEntry| {
        name(it).starts_with(TAKEN_OVER) && it.subresource.as_deref().unwrap_or("").is_empty()
    };
    let mut fields = json!({});
    for taken in entries.iter().filter(is_taken) {
        merge(&mut fields, &taken.fields_v1.as_ref()?.0);
    }
    if fields == json!({}) {
        return None;
    }
    let mut left: Vec<ManagedFieldsEntry> = Vec::new();
    for it in entries.iter().filter(|it| !is_taken(it)) {
        if is_flux(it) {
            merge(&mut fields, &it.fields_v1.as_ref()?.0);
        } else {
            left.push(it.clone());
        }
    }
    left.push(ManagedFieldsEntry {
        manager: Some(FLUX.to_owned()),
        operation: Some("Apply".to_owned()),
        api_version: Some(found.types.as_ref()?.api_version.clone()),
        fields_type: Some("FieldsV1".to_owned()),
        fields_v1: Some(FieldsV1(fields)),
        ..ManagedFieldsEntry::default()
    });
    let version = found.resource_version();
    Some(json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/metadata/managedFields", "value": left},
    ]))
}

/// The union of two sets of fields.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, fields) in from {
                merge(into.entry(name).or_insert_with(|| json!({})), fields);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
