//! The loop: what the Deployments and Services say, and what their pods do.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1 as core;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use kube_runtime::reflector::{self, Store};
use kube_runtime::{WatchStreamExt, watcher};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::environment::command;
use crate::pod::{self, Pod};
use crate::rollout::{Moves, Seen, moves};
use crate::routes::Routes;
use crate::{object, report};

/// Between two looks. Half a rollout's pace; a kubelet is slower.
const PAUSE: Duration = Duration::from_millis(100);

/// What a node is told.
pub struct Settings {
    /// The API server.
    pub client: Client,
    /// The namespace whose Deployments it runs.
    pub namespace: String,
    /// The worker's program.
    pub worker: PathBuf,
    /// What all workers take for the handler beside them.
    pub handler: SocketAddr,
}

/// Something that a test asks of the node.
pub enum Order {
    /// SIGKILL for the process of a ready pod, of all of them the one at this place.
    Kill(usize, oneshot::Sender<Option<String>>),
}

/// All that the node runs.
pub struct Cluster {
    settings: Settings,
    routes: Arc<Routes>,
    trouble: Arc<Mutex<Option<String>>>,
    deployments: Store<Deployment>,
    services: Store<core::Service>,
    /// By the UID of their Deployment.
    pods: BTreeMap<String, Vec<Pod>>,
    /// By the UID too, what was written last.
    told: BTreeMap<String, DeploymentStatus>,
    started: u32,
    _watches: JoinSet<()>,
}

impl Cluster {
    /// One without pods.
    pub fn new(
        settings: Settings,
        routes: Arc<Routes>,
        trouble: Arc<Mutex<Option<String>>>,
    ) -> Self {
        let mut watches = JoinSet::new();
        Self {
            deployments: watch(&settings, &mut watches),
            services: watch(&settings, &mut watches),
            settings,
            routes,
            trouble,
            pods: BTreeMap::new(),
            told: BTreeMap::new(),
            started: 0,
            _watches: watches,
        }
    }

    /// Runs them until it is aborted.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut pause = tokio::time::interval(PAUSE);
        pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(Order::Kill(place, told)) = orders.recv() => {
                    let _ = told.send(self.kill(place));
                }
                _ = pause.tick() => {
                    if let Err(error) = self.round().await {
                        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
                        *trouble = Some(error.to_string());
                    }
                }
            }
        }
    }

    async fn round(&mut self) -> Result<(), kube::Error> {
        let found: BTreeMap<String, Arc<Deployment>> = self
            .deployments
            .state()
            .into_iter()
            .filter_map(|deployment| Some((deployment.uid()?, deployment)))
            .collect();
        self.tend().await?;
        for (uid, deployment) in &found {
            self.roll(uid, deployment).await?;
        }
        let ownerless = self.pods.keys().filter(|uid| !found.contains_key(*uid));
        for uid in ownerless.cloned().collect::<Vec<_>>() {
            self.told.remove(&uid);
            self.stop_all(&uid).await?;
        }
        self.pods.retain(|_, pods| !pods.is_empty());
        self.route();
        for (uid, deployment) in &found {
            self.tell(uid, deployment).await?;
        }
        Ok(())
    }

    /// Looks at all pods; what has ended for good goes.
    async fn tend(&mut self) -> Result<(), kube::Error> {
        let objects = self.api::<core::Pod>();
        for pods in self.pods.values_mut() {
            let ended = join_all(pods.iter_mut().map(Pod::tend)).await;
            let mut ended = ended.into_iter();
            let gone: Vec<Pod> = pods
                .extract_if(.., |_| ended.next().unwrap_or_default())
                .collect();
            for pod in gone {
                object::delete(&objects, &pod.name, 0).await?;
            }
            for pod in pods {
                if pod.told != Some(pod.ready) {
                    object::tell_ready(&objects, &pod.name, pod.address(), pod.ready).await?;
                    pod.told = Some(pod.ready);
                }
            }
        }
        Ok(())
    }

    async fn roll(&mut self, uid: &str, deployment: &Deployment) -> Result<(), kube::Error> {
        let newest = hash(deployment);
        let Moves { start, stop } = moves(&self.seen(uid, &newest), wanted(deployment));
        for place in stop {
            self.stop(uid, place).await?;
        }
        for _ in 0..start {
            let pod = self.start(deployment, &newest).await?;
            self.pods.entry(uid.to_owned()).or_default().push(pod);
        }
        Ok(())
    }

    fn seen(&self, uid: &str, newest: &str) -> Vec<Seen> {
        let pods = self.pods.get(uid).into_iter().flatten();
        pods.map(|pod| Seen::of(pod, newest)).collect()
    }

    async fn start(&mut self, deployment: &Deployment, hash: &str) -> Result<Pod, kube::Error> {
        self.started += 1;
        let name = format!("{}-{hash}-{}", deployment.name_any(), self.started);
        let template = deployment.spec.clone().unwrap_or_default().template;
        object::create(&self.api(), &name, hash, deployment, &template).await?;
        let labels = template.metadata.unwrap_or_default().labels;
        let spec = template.spec.unwrap_or_default();
        let grace = spec.termination_grace_period_seconds.unwrap_or(30);
        let ports = pod::ports();
        Ok(Pod::new(
            name,
            hash.to_owned(),
            labels.unwrap_or_default(),
            Duration::from_secs(grace.unsigned_abs()),
            ports,
            command(&self.settings.worker, &spec, ports, self.settings.handler),
        ))
    }

    async fn stop_all(&mut self, uid: &str) -> Result<(), kube::Error> {
        for place in 0..self.pods.get(uid).map_or(0, Vec::len) {
            self.stop(uid, place).await?;
        }
        Ok(())
    }

    async fn stop(&mut self, uid: &str, place: usize) -> Result<(), kube::Error> {
        let objects = self.api();
        let pod = self.pods.get_mut(uid).and_then(|pods| pods.get_mut(place));
        if let Some(pod) = pod.filter(|pod| pod.stopping.is_none()) {
            let grace = u32::try_from(pod.grace.as_secs()).unwrap_or(u32::MAX);
            object::delete(&objects, &pod.name, grace).await?;
            pod.stop();
        }
        Ok(())
    }

    /// A Service's name leads to the pods that it selects.
    fn route(&self) {
        let services = self.services.state().into_iter();
        let hosts = services.map(|service| {
            let host = format!(
                "{}.{}.svc.cluster.local",
                service.name_any(),
                self.settings.namespace
            );
            let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone());
            let selector = selector.unwrap_or_default();
            let selected = self.pods.values().flatten().filter(|pod| {
                let has = |(key, value)| pod.labels.get(key) == Some(value);
                selector.iter().all(has)
            });
            (host, selected.filter_map(Pod::endpoint).collect())
        });
        self.routes.set(hosts.collect());
    }

    async fn tell(&mut self, uid: &str, deployment: &Deployment) -> Result<(), kube::Error> {
        let seen = self.seen(uid, &hash(deployment));
        let status = report::status(deployment, &seen, wanted(deployment));
        if self.told.get(uid) == Some(&status) {
            return Ok(());
        }
        let patch = Patch::Merge(json!({"status": status}));
        let name = deployment.name_any();
        let told = self
            .api::<Deployment>()
            .patch_status(&name, &PatchParams::default(), &patch)
            .await;
        match told {
            Ok(_) => {
                self.told.insert(uid.to_owned(), status);
                Ok(())
            }
            // Deleted since it was seen.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn kill(&self, place: usize) -> Option<String> {
        let ready: Vec<&Pod> = self
            .pods
            .values()
            .flatten()
            .filter(|pod| pod.ready)
            .collect();
        let pod = ready.get(place.checked_rem(ready.len())?)?;
        pod.kill();
        Some(pod.name.clone())
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.settings.client.clone(), &self.settings.namespace)
    }
}

fn wanted(deployment: &Deployment) -> usize {
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    usize::try_from(replicas.unwrap_or(1)).unwrap_or(0)
}

/// Tells one template from another.
fn hash(deployment: &Deployment) -> String {
    let template = deployment.spec.as_ref().map(|spec| &spec.template);
    let text = serde_json::to_string(&template).expect("Kubernetes objects are plain data");
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:08x}", hasher.finish() & 0xffff_ffff)
}

fn watch<K>(settings: &Settings, watches: &mut JoinSet<()>) -> Store<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let api = Api::namespaced(settings.client.clone(), &settings.namespace);
    let (store, writer) = reflector::store();
    let objects = watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer);
    watches.spawn(async move { objects.for_each(|_| std::future::ready(())).await });
    store
}
