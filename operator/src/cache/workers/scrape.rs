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
use worker_contract::{ports, probes};

use crate::cache::scrape_target::ScrapeTarget;
use crate::chain::NamespacedName;

/// A worker answers in a millisecond or not at all.
pub(super) const TIMEOUT: Duration = Duration::from_secs(1);
/// A worker's page has about 10,000 bytes. Many are read at once.
const MAX_PAGE: usize = 64 * 1024;

#[derive(Clone)]
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
    /// What a worker has counted since its start; `None` if it doesn't answer, or isn't a worker of this
    /// stage.
    pub(super) async fn scrape(
        &self,
        (namespace, chain): &NamespacedName,
        target: &ScrapeTarget,
    ) -> Option<WorkerPage> {
        let to = SocketAddr::new(target.address, ports::ADMIN);
        let page = tokio::time::timeout(TIMEOUT, self.page(to)).await.ok()??;
        let page = String::from_utf8_lossy(&page);
        WorkerPage::of_stage(&format!("{namespace}/{chain}"), &target.stage, &page)
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
