//! A real kube-apiserver with etcd: no controllers, no nodes, so that tests see only what they and
//! the programs under test do.

mod client;
mod credentials;
mod start;

pub use client::connect;
use start::ControlPlane;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::helm;
use crate::kubectl::{self, Kubectl};
use crate::process::Process;
use crate::proxy::Proxy;

/// A control plane of the test's own.
///
/// Nothing runs controllers: deployments get no pods, owners' deletion deletes nothing they own, a
/// deleted namespace stays in Terminating, and cluster roles that aggregate others, such as `view`,
/// allow nothing.
#[derive(Debug)]
pub struct ApiServer(ControlPlane);

/// A failure is kept as well: the other tests of a process need not wait a minute each for it.
static SHARED: OnceCell<Result<ApiServer, String>> = OnceCell::const_new();

impl ApiServer {
    /// The control plane that all tests of this process share; the first one starts it.
    pub async fn shared() -> &'static Self {
        match SHARED.get_or_init(|| Self::started(None)).await {
            Ok(server) => server,
            Err(message) => panic!("{message}"),
        }
    }

    /// One that is no other test's, to be stopped and started at will. Takes some seconds and
    /// 300 MB.
    pub async fn start() -> Self {
        Self::start_as(None).await
    }

    /// One of your own that keeps what it was asked, and lets nobody make an owner that holds up its
    /// deletion who may not finalize that, as some clusters do.
    pub async fn start_watchful() -> Self {
        let strict = "--enable-admission-plugins=OwnerReferencesPermissionEnforcement";
        Self::start_as(Some(&[strict])).await
    }

    async fn started(audited: Option<&[&str]>) -> Result<Self, String> {
        start::start(audited).await.map(Self)
    }

    async fn start_as(audited: Option<&[&str]>) -> Self {
        match Self::started(audited).await {
            Ok(server) => server,
            Err(message) => panic!("{message}"),
        }
    }

    /// What the API server was asked so far, as audit events (`audit.k8s.io/v1`, without the objects):
    /// by whom, for what, and whether it was allowed. One of [`Self::start_watchful`].
    pub fn audit(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.0.server.dir().join(start::AUDIT_LOG));
        let log = log.expect("the API server keeps it from its start");
        // The last line may be half written.
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// A kubeconfig file with all rights.
    pub fn kubeconfig(&self) -> &Path {
        &self.0.kubeconfig
    }

    /// A kubeconfig file for a service account, which must exist: with the rights that its bindings
    /// give and no others. For an hour.
    pub async fn kubeconfig_of(&self, namespace: &str, service_account: &str) -> PathBuf {
        let ask = ["create", "token", service_account, "-n", namespace];
        let token = self.kubectl(&ask).await.expect_ok();
        let path = self
            .0
            .server
            .dir()
            .join(format!("kubeconfig.{namespace}.{service_account}"));
        let admin = std::fs::read_to_string(&self.0.kubeconfig).expect("written at the start");
        credentials::write_kubeconfig_with_token(&path, &admin, token.trim());
        path
    }

    /// Creates a service account bound to the role of its name, and returns a kubeconfig file for it.
    pub async fn service_account(&self, namespace: &str, name: &str) -> PathBuf {
        let (role, subject) = (
            format!("--role={name}"),
            format!("--serviceaccount={namespace}:{name}"),
        );
        for create in [
            &["serviceaccount", name][..],
            &["rolebinding", name, &role, &subject],
        ] {
            let args = [&["create", "-n", namespace], create].concat();
            self.kubectl(&args).await.expect_ok();
        }
        self.kubeconfig_of(namespace, name).await
    }

    /// A kubeconfig file with all rights, by way of `proxy`: what goes through it can be cut.
    pub fn kubeconfig_through(&self, proxy: &Proxy) -> PathBuf {
        let port = proxy.addr().port();
        let path = self.0.server.dir().join(format!("kubeconfig.{port}"));
        let direct = std::fs::read_to_string(&self.0.kubeconfig).expect("written at the start");
        credentials::write_kubeconfig_with_port(&path, &direct, port);
        path
    }

    /// Where it listens, with TLS.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr
    }

    /// A new client with all rights. Each test needs its own: a client works on the runtime that
    /// made it.
    pub async fn client(&self) -> Client {
        connect(&self.0.kubeconfig).await
    }

    /// Creates a namespace with a name of its own that begins with `prefix`.
    pub async fn namespace(&self, prefix: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{number}");
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        Api::all(self.client().await)
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap_or_else(|error| panic!("creating namespace {name}: {error}"));
        name
    }

    /// Runs kubectl with all rights.
    pub async fn kubectl(&self, args: &[&str]) -> Kubectl {
        self.kubectl_with_input(args, "").await
    }

    /// Runs kubectl with all rights and `input`, for `-f -`.
    pub async fn kubectl_with_input(&self, args: &[&str], input: &str) -> Kubectl {
        kubectl::run(self.0.kubeconfig.clone(), args, input).await
    }

    /// Runs helm with all rights.
    pub async fn helm(&self, args: &[&str]) -> Kubectl {
        helm::run(&self.0.kubeconfig, args).await
    }

    /// The API server's process, to freeze or to kill. [`Self::start`] one of your own for that.
    pub fn process(&self) -> &Process {
        &self.0.server
    }

    /// The end of the API server's and etcd's logs.
    pub fn log_tail(&self) -> String {
        self.0.log_tail()
    }
}
