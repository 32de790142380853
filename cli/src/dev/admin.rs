//! The page that shows the chain at work, and its API.

use std::net::SocketAddr;
use std::sync::Arc;

use console::{LiveChain, PlanReply, PlanRequest, Snapshot, Standby};
use console_serve::{Source, Unplanned, routes_with};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::RwLock;
use tokio::net::TcpListener;

use crate::dev::overrides::{self, Requests, ask_plan};
use crate::error::Error;

/// Tried first, so that the address is the same each time. A second `dev` gets another port.
const USUAL: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9480);

/// What was collected last.
pub struct Latest {
    snapshot: RwLock<Arc<Snapshot>>,
    requests: Requests,
}

impl Latest {
    /// The chain as it was seen last.
    pub fn chain(&self) -> Option<Arc<LiveChain>> {
        self.snapshot.read().chains.first().cloned()
    }

    /// From now on this is shown.
    pub fn set(&self, snapshot: Snapshot) {
        *self.snapshot.write() = Arc::new(snapshot);
    }
}

impl Source for Latest {
    fn snapshot(&self) -> Result<Arc<Snapshot>, Standby> {
        Ok(Arc::clone(&self.snapshot.read()))
    }

    /// One chain costs so little that it is followed anyway.
    fn looked_at(&self, _chain: Option<(&str, &str)>) {}

    fn plan(&self, request: PlanRequest) -> BoxFuture<'static, Result<PlanReply, Unplanned>> {
        ask_plan(self.requests.clone(), request).boxed()
    }
}

/// Listens on the address that the user chose, or on the usual one.
pub async fn listen(chosen: Option<SocketAddr>) -> Result<TcpListener, Error> {
    if chosen.is_none()
        && let Ok(listener) = TcpListener::bind(USUAL).await
    {
        return Ok(listener);
    }
    let address = chosen.unwrap_or(SocketAddr::new(USUAL.ip(), 0));
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| Error::Listen {
        address,
        option: "--admin",
        source,
    })
}

/// Serves the snapshots that are set, until the process ends.
pub fn serve(listener: TcpListener, first: Snapshot, requests: Requests) -> Arc<Latest> {
    let more = overrides::routes(requests.clone());
    let latest = Arc::new(Latest {
        snapshot: RwLock::new(Arc::new(first)),
        requests,
    });
    let source: Arc<dyn Source> = Arc::<Latest>::clone(&latest);
    tokio::spawn(async move { axum::serve(listener, routes_with(source, more)).await });
    latest
}
