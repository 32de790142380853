//! Health and metrics, on an address of their own: a task may have any path.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{StatusCode, header};

use crate::work::Worker;

/// The content type of Prometheus' text format as `prometheus-client` writes it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the admin pages tell about.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub worker: Arc<Worker>,
    /// Whether pushes are turned away, since the worker stops. Until then it is ready: where all pods
    /// of a Service are leaving, Kubernetes goes on with those that are.
    pub refusing: Arc<AtomicBool>,
}

impl Admin {
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .route("/readyz/load-balancer", get(ready_for_a_load_balancer))
            .route("/metrics", get(metrics))
            .with_state(self)
    }
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if admin.refusing.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if admin.worker.cloud_tasks.get().is_none() {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "not connected to Cloud Tasks yet\n",
        )
    } else if !admin.worker.has_keys() {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "no keys to verify tokens with yet\n",
        )
    } else {
        (StatusCode::OK, "ready\n")
    }
}

/// A load balancer that knows a pod by its health alone has to hear at once that it is leaving, since
/// it goes on sending pushes for as long as its checks take.
async fn ready_for_a_load_balancer(admin: State<Admin>) -> (StatusCode, &'static str) {
    if admin.worker.stopping.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        ready(admin).await
    }
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, OPEN_METRICS)],
        admin.worker.stats.prometheus(),
    )
}
