//! The operators of a cluster, and a port-forward to the one that leads.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Container, Pod as ClusterPod};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::limited;
use crate::inspect::seen::{Gap, Right};

/// Where the documentation installs the operator.
const NAMESPACE: &str = "executor-chain";
/// Which pods are operators, by the labels of the chart.
const SELECTOR: &str = "app.kubernetes.io/name=executor-chain";
/// The name of the port, and its number where a pod doesn't name one.
const PORT: (&str, u16) = ("admin", 9481);

/// The pods that share a Lease: one of them leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operator {
    lease: NamespacedName,
    pods: Vec<Pod>,
}

/// A pod, and its admin port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The port.
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct NamespacedName {
    namespace: String,
    name: String,
}

impl fmt::Display for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The operators in this namespace. Not in all: a tenant could give a pod of their own this label, and
/// would be believed.
pub(super) async fn find(client: &Client, namespace: Option<&str>) -> Result<Vec<Operator>, Gap> {
    let namespace = namespace.unwrap_or(NAMESPACE);
    let pods = list(client, namespace).await?;
    let found = operators(&pods);
    if found.is_empty() {
        return Err(Gap::Operator(format!(
            "namespace {namespace} has no operator: no pod has the label {SELECTOR}. If it is in another namespace: --operator-namespace"
        )));
    }
    Ok(found)
}

async fn list(client: &Client, namespace: &str) -> Result<Vec<ClusterPod>, Gap> {
    let api: Api<ClusterPod> = Api::namespaced(client.clone(), namespace);
    let right = Right::new("list", "pods", Some(namespace));
    let parameters = ListParams::default().labels(SELECTOR);
    let listed = limited(right, api.list(&parameters)).await?;
    Ok(listed.items)
}

/// Pods by their Lease, which their arguments name.
fn operators(pods: &[ClusterPod]) -> Vec<Operator> {
    let mut found: BTreeMap<NamespacedName, Vec<Pod>> = BTreeMap::new();
    for pod in pods {
        let namespace = pod.namespace().unwrap_or_default();
        let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let Some((container, lease)) = containers
            .find_map(|container| Some((container, argument(container, "--lease-name")?)))
        else {
            continue;
        };
        let lease = NamespacedName {
            namespace: argument(container, "--lease-namespace")
                .unwrap_or(&namespace)
                .to_owned(),
            name: lease.to_owned(),
        };
        found.entry(lease).or_default().push(Pod {
            name: pod.name_any(),
            port: admin_port(container),
            namespace,
        });
    }
    let operator = |(lease, pods)| Operator { lease, pods };
    found.into_iter().map(operator).collect()
}

/// The value of `--name=value`, as the chart writes it.
fn argument<'a>(container: &'a Container, name: &str) -> Option<&'a str> {
    let mut arguments = container.args.iter().flatten();
    arguments.find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='))
}

fn admin_port(container: &Container) -> u16 {
    let ports = container.ports.iter().flatten();
    let mut named = ports.filter(|port| port.name.as_deref() == Some(PORT.0));
    let port = named.next().map(|port| port.container_port);
    port.and_then(|port| u16::try_from(port).ok())
        .unwrap_or(PORT.1)
}

impl Operator {
    /// The namespace of its pods.
    pub(super) fn namespace(&self) -> &str {
        self.pods
            .first()
            .map_or(&self.lease.namespace, |pod| &pod.namespace)
    }

    /// The pod that the Lease names.
    pub(super) async fn leader(&self, client: &Client) -> Result<Pod, Gap> {
        let NamespacedName { namespace, name } = &self.lease;
        let api: Api<Lease> = Api::namespaced(client.clone(), namespace);
        let resource = format!("leases.coordination.k8s.io/{name}");
        let right = Right::new("get", &resource, Some(namespace));
        let lease = limited(right, api.get_opt(name)).await?;
        let holder = lease.and_then(|lease| lease.spec?.holder_identity);
        let leader = holder.as_deref().and_then(pod_of);
        let mut pods = self.pods.iter();
        let found = match (leader, &self.pods[..]) {
            (Some(leader), _) => pods.find(|pod| pod.name == leader),
            // One that elects no leader.
            (None, [pod]) => Some(pod),
            (None, _) => None,
        };
        found.cloned().ok_or_else(|| {
            Gap::Operator(format!(
                "no operator leads now: Lease {namespace}/{name} names none of its pods"
            ))
        })
    }
}

/// The pod of an operator's identity, `POD_random`. A name of Kubernetes has no underscore.
fn pod_of(identity: &str) -> Option<&str> {
    let pod = identity.split('_').next()?;
    Some(pod).filter(|pod| !pod.is_empty())
}

/// A stream to the admin port of a pod.
pub(super) async fn forward(
    client: &Client,
    pod: &Pod,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, Gap> {
    let api: Api<ClusterPod> = Api::namespaced(client.clone(), &pod.namespace);
    let right = Right::new("get", "pods/portforward", Some(&pod.namespace));
    let ports = [pod.port];
    let answer = limited(right, api.portforward(&pod.name, &ports)).await;
    let mut forwarder = answer.map_err(|gap| match gap {
        Gap::Operator(reason) => {
            Gap::Operator(format!("operator {pod} can't be reached: {reason}"))
        }
        gap @ (Gap::Right(_) | Gap::Unlisted(_)) => gap,
    })?;
    forwarder.take_stream(pod.port).ok_or_else(|| {
        Gap::Operator(format!(
            "operator {pod}: port {} is not forwarded",
            pod.port
        ))
    })
}
