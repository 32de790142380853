//! Scrapes one worker's metrics.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use console::history::WorkerPage;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use worker_contract::probes;

/// A worker answers in a millisecond or not at all.
const TIMEOUT: Duration = Duration::from_secs(1);
/// A worker's page has about 10,000 bytes.
const MAX_PAGE: usize = 256 * 1024;

pub(super) struct Scraper(Client<HttpConnector, Empty<Bytes>>);

impl Default for Scraper {
    fn default() -> Self {
        let mut client = Client::builder(TokioExecutor::new());
        // A connection would be idle for long until its pod is scraped again.
        client.pool_max_idle_per_host(0);
        Self(client.build_http())
    }
}

impl Scraper {
    /// What a worker has counted since its start; `None` if it doesn't answer, or isn't a worker.
    pub(super) async fn scrape(&self, to: SocketAddr) -> Option<WorkerPage> {
        let page = tokio::time::timeout(TIMEOUT, self.page(to)).await.ok()??;
        WorkerPage::parse(&String::from_utf8_lossy(&page))
    }

    async fn page(&self, to: SocketAddr) -> Option<Bytes> {
        let request = Request::get(format!("http://{to}{}", probes::METRICS));
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
