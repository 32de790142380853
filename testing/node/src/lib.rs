//! For tests only: what a deployment controller, a kubelet and Services do for the workers of a
//! namespace, on the API server of `testkit`, which has none of them.
//!
//! A pod is an object in the API server and a process `executor-worker`, started as the template
//! says. Pods are rolled with a surge of one, and none is stopped before a new one is ready; what a
//! Deployment's status says is what is there. The handlers are one server of the test's own.

mod cluster;
mod environment;
mod object;
mod pod;
mod proxy;
mod report;
mod rollout;
mod routes;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub use crate::cluster::Settings;
use crate::cluster::{Cluster, Order};
use crate::routes::Routes;

/// A node that runs the Deployments of a namespace. Dropped, it takes its processes along; the
/// objects stay.
pub struct Node {
    proxy: SocketAddr,
    orders: mpsc::Sender<Order>,
    trouble: Arc<Mutex<Option<String>>>,
    cluster: JoinHandle<()>,
}

impl Node {
    /// Starts one.
    pub async fn start(settings: Settings) -> std::io::Result<Self> {
        let routes = Arc::new(Routes::default());
        let proxy = proxy::start(Arc::clone(&routes)).await?;
        let (orders, received) = mpsc::channel(8);
        let trouble = Arc::default();
        let cluster = Cluster::new(settings, routes, Arc::clone(&trouble));
        Ok(Self {
            proxy,
            orders,
            trouble,
            cluster: tokio::spawn(cluster.run(received)),
        })
    }

    /// An HTTP proxy that knows the namespace's Services by their names in the cluster.
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// Ends the worker of a ready pod by SIGKILL, and says which pod it was; it is started again.
    /// Of all ready pods it takes the one at `place`, counted around.
    pub async fn kill_a_worker(&self, place: usize) -> Option<String> {
        let (told, which) = oneshot::channel();
        self.orders.send(Order::Kill(place, told)).await.ok()?;
        which.await.ok()?
    }

    /// The last call to the API server that failed, if one did. Each is tried again.
    pub fn trouble(&self) -> Option<String> {
        self.trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.cluster.abort();
    }
}
