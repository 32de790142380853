//! Scrapes one worker's metrics.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use worker_contract::metrics::{NOT_A_PUSH, PUSHES_REFUSED_TOTAL, REASON};
use worker_contract::probes;

use super::window::Counters;

/// A worker answers in a millisecond or not at all.
const TIMEOUT: Duration = Duration::from_secs(1);
/// A worker's page has about 10,000 bytes.
const MAX_PAGE: usize = 256 * 1024;
/// A worker has a dozen reasons, each a word. Text of any other server must not get into a status.
const MAX_REASONS: usize = 16;
const MAX_REASON_LENGTH: usize = 32;

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
    /// A worker's refusals since its start; `None` if it doesn't answer.
    pub(super) async fn scrape(&self, to: SocketAddr) -> Option<Counters> {
        let page = tokio::time::timeout(TIMEOUT, self.page(to)).await.ok()??;
        Some(counters(&String::from_utf8_lossy(&page)))
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

fn counters(page: &str) -> Counters {
    let counter = format!("{PUSHES_REFUSED_TOTAL}{{");
    let label = format!("{REASON}=\"");
    let lines = page.lines().filter_map(|line| line.strip_prefix(&counter));
    let counters = lines.filter_map(|line| {
        let (labels, value) = line.rsplit_once("} ")?;
        let (_, reason) = labels.split_once(&label)?;
        let (reason, _) = reason.split_once('"')?;
        let is_word = reason.len() <= MAX_REASON_LENGTH
            && reason.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        // A request that is no push, such as a port scan, is no refused push.
        let is_refusal = is_word && reason != NOT_A_PUSH;
        is_refusal.then_some((reason.to_owned(), value.trim().parse().ok()?))
    });
    counters.take(MAX_REASONS).collect::<BTreeMap<_, _>>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_refusals_of_a_workers_page_are_read() {
        let page = "\
# TYPE executor_worker_pushes_refused counter
executor_worker_pushes_refused_total{chain=\"shop/orders\",stage=\"fast\",reason=\"audience\"} 12
executor_worker_pushes_refused_total{chain=\"shop/orders\",stage=\"fast\",reason=\"not_a_push\"} 99
executor_worker_pushes_refused_total{chain=\"shop/orders\",stage=\"fast\",reason=\"Two words\"} 1
executor_worker_pushes_refused_total{chain=\"shop/orders\",stage=\"fast\",reason=\"expired\"} many
executor_worker_answers_total{chain=\"shop/orders\",stage=\"fast\",answer=\"done\"} 4
# EOF
";
        let wanted = BTreeMap::from([("audience".to_owned(), 12)]);
        assert_eq!(counters(page), wanted);
        assert_eq!(counters("<html>"), BTreeMap::new());
    }
}
