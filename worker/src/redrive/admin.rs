//! Health, metrics, and how far the redrive has come.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{StatusCode, header};
use parking::{RedriveOrder, RedriveProgress};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use worker_contract::{admin_paths, metrics as names};

use crate::server::OPEN_METRICS;

/// What the admin pages show.
#[derive(Debug, Clone)]
pub(super) struct Admin {
    pub order: Arc<RedriveOrder>,
    pub progress: watch::Receiver<RedriveProgress>,
    /// Whether Cloud Tasks was reached.
    pub connected: watch::Receiver<bool>,
}

impl Admin {
    pub(super) fn router(self) -> Router {
        Router::new()
            .route(admin_paths::LIVENESS, get(async || "alive\n"))
            .route(admin_paths::READINESS, get(ready))
            .route(admin_paths::METRICS, get(metrics))
            .route(admin_paths::REDRIVE, get(redrive))
            .with_state(self)
    }
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if *admin.connected.borrow() {
        (StatusCode::OK, "ready\n")
    } else {
        let missing = "not connected to Cloud Tasks yet\n";
        (StatusCode::SERVICE_UNAVAILABLE, missing)
    }
}

async fn redrive(State(admin): State<Admin>) -> impl IntoResponse {
    let json = serde_json::to_string(&*admin.progress.borrow());
    (
        [(header::CONTENT_TYPE, "application/json")],
        json.expect("a struct of texts and numbers is JSON"),
    )
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    let progress = admin.progress.borrow().clone();
    (
        [(header::CONTENT_TYPE, OPEN_METRICS)],
        page(&admin.order, &progress),
    )
}

fn page(order: &RedriveOrder, progress: &RedriveProgress) -> String {
    let labels = [
        (names::CHAIN.into(), order.chain.clone().into()),
        (
            names::REDRIVE.into(),
            progress.redrive.as_str().to_owned().into(),
        ),
    ];
    let mut registry = Registry::with_prefix_and_labels(names::MOVER_PREFIX, labels.into_iter());
    registry.register(
        "moved",
        "Tasks moved or deleted since this mover began",
        ConstCounter::new(progress.moved),
    );
    registry.register(
        "skipped",
        "Tasks that match and can't be moved",
        ConstCounter::new(progress.skipped),
    );
    registry.register(
        "has_problem",
        "1 while the redrive is blocked",
        ConstGauge::new(i64::from(progress.problem.is_some())),
    );
    if let Some(remaining) = progress.remaining {
        registry.register(
            "remaining",
            "Tasks that match and are still parked, as far as they are counted",
            ConstGauge::new(i64::try_from(remaining).unwrap_or(i64::MAX)),
        );
    }
    let mut page = String::new();
    text::encode(&mut page, &registry).expect("writing into a String does not fail");
    page
}
