//! Reads pages of workers' admin ports.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use worker_contract::ports;

/// A worker answers in a millisecond or not at all.
pub const TIMEOUT: Duration = Duration::from_secs(1);
/// A worker's page has about 10,000 bytes. Many are read at once.
const MAX_PAGE: usize = 64 * 1024;

/// Reads pages of workers' admin ports.
#[derive(Clone)]
pub struct AdminPages(Client<HttpConnector, Empty<Bytes>>);

impl Default for AdminPages {
    fn default() -> Self {
        let mut client = Client::builder(TokioExecutor::new());
        // A connection would be idle for long until its pod is asked again.
        client.pool_max_idle_per_host(0);
        Self(client.build_http())
    }
}

impl AdminPages {
    /// A page of the pod at this address; `None` if it doesn't answer.
    pub async fn get(&self, pod: IpAddr, path: &str) -> Option<Bytes> {
        let page = self.page(SocketAddr::new(pod, ports::ADMIN), path);
        tokio::time::timeout(TIMEOUT, page).await.ok()?
    }

    async fn page(&self, to: SocketAddr, path: &str) -> Option<Bytes> {
        let request = Request::get(format!("http://{to}{path}"));
        let response = self
            .0
            .request(request.body(Empty::new()).ok()?)
            .await
            .ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let body = Limited::new(response.into_body(), MAX_PAGE).collect().await;
        body.ok().map(http_body_util::Collected::to_bytes)
    }
}
