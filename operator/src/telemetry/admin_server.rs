//! Serves health, metrics, and what is merged with them, on a port of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::error::Error;
use crate::telemetry::metrics::Metrics;

/// Whether the operator is ready: its CRD exists, it is the leader or could be, and it has reached Cloud
/// Tasks once.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<ReadinessFlags>);

#[derive(Debug, Default)]
struct ReadinessFlags {
    can_lead: AtomicBool,
    has_cloud_tasks: AtomicBool,
}

impl Readiness {
    /// It is the leader, or would be without the current one.
    pub fn can_lead(&self) {
        self.0.can_lead.store(true, Ordering::Relaxed);
    }

    /// It has reached Cloud Tasks.
    pub fn has_cloud_tasks(&self) {
        self.0.has_cloud_tasks.store(true, Ordering::Relaxed);
    }

    fn status(&self) -> StatusCode {
        let ReadinessFlags {
            can_lead,
            has_cloud_tasks,
        } = &*self.0;
        if can_lead.load(Ordering::Relaxed) && has_cloud_tasks.load(Ordering::Relaxed) {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// Serves `/healthz`, `/readyz`, `/metrics` and `others` until the process ends.
pub async fn serve_admin(
    addresses: &[SocketAddr],
    readiness: Readiness,
    metrics: Arc<Metrics>,
    others: Router,
) -> Result<(), Error> {
    let listener = TcpListener::bind(addresses)
        .await
        .map_err(|source| Error::Admin {
            addresses: addresses.to_vec(),
            source,
        })?;
    let routes = routes(readiness, move || metrics.text()).merge(others);
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
