//! Health and metrics, on a port of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::error::Error;
use crate::metrics::Metrics;

/// Whether the operator can do its work: set once it has found its CRD and Cloud Tasks, and could read
/// its lease. A standby is ready too, since it could take over at once: of two replicas that are
/// rolled, the second would else wait for the first for ever.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From now on it can.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn status(&self) -> StatusCode {
        if self.0.load(Ordering::Relaxed) {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// Serves `/healthz`, `/readyz` and `/metrics` for as long as the process lives.
pub async fn serve(
    address: SocketAddr,
    readiness: Readiness,
    metrics: Arc<Metrics>,
) -> Result<(), Error> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| Error::Admin { address, source })?;
    let routes = routes(readiness, move || metrics.text());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(())
}

fn routes(
    readiness: Readiness,
    metrics: impl Fn() -> String + Clone + Send + Sync + 'static,
) -> Router {
    Router::new()
        .route("/healthz", get(StatusCode::OK))
        .route("/readyz", get(move || async move { readiness.status() }))
        .route("/metrics", get(move || async move { metrics() }))
}
