//! Health and metrics. They have a port of their own, because a task may have any path.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use decide::IsolatedCategory;
use http::{StatusCode, header};
use serde_json::{Value, json};
use worker_contract::admin_paths;

use crate::state::Worker;

/// The content type of what `prometheus-client` writes.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Page = (StatusCode, Cow<'static, str>);

/// What the admin pages show.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub worker: Arc<Worker>,
    /// Whether the worker has stopped accepting pushes. Until then it stays ready: if all pods of a
    /// Service are terminating, Kubernetes routes to those that are ready.
    pub refusing: Arc<AtomicBool>,
}

impl Admin {
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route(admin_paths::LIVENESS, get(async || "alive\n"))
            .route(admin_paths::READINESS, get(ready))
            .route(
                admin_paths::READINESS_OF_LOAD_BALANCER,
                get(ready_for_load_balancer),
            )
            .route(admin_paths::METRICS, get(metrics))
            .route(admin_paths::ISOLATED, get(isolated))
            .with_state(self)
    }
}

async fn ready(State(admin): State<Admin>) -> Page {
    let worker = &admin.worker;
    let missing = if admin.refusing.load(Ordering::Relaxed) {
        "stopping\n".into()
    } else if worker.cloud_tasks.get().is_none() {
        "not connected to Cloud Tasks yet\n".into()
    } else if !worker.has_keys() {
        "no keys to verify tokens with yet\n".into()
    } else if !*worker.handler_listens.borrow() {
        let handler = &worker.config.handler.url.authority;
        format!("the handler takes no connections at {handler}: check its port\n").into()
    } else {
        return (StatusCode::OK, "ready\n".into());
    };
    (StatusCode::SERVICE_UNAVAILABLE, missing)
}

/// A load balancer that knows pods by health checks alone must see at once that one is terminating: it
/// keeps sending pushes until its checks have failed.
async fn ready_for_load_balancer(admin: State<Admin>) -> Page {
    if admin.worker.stopping.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into())
    } else {
        ready(admin).await
    }
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    let worker = &admin.worker;
    if let Some(health) = &worker.health {
        let isolated = health.isolated().len();
        worker.metrics.health(isolated, health.is_holding());
    }
    (
        [(header::CONTENT_TYPE, OPEN_METRICS)],
        worker.metrics.prometheus(),
    )
}

/// The categories that are isolated because they fail.
async fn isolated(State(admin): State<Admin>) -> impl IntoResponse {
    let worker = &admin.worker;
    let health = worker.health.as_ref();
    let isolated = health.map(|health| health.isolated());
    let rules: Vec<_> = worker.config.policy.isolation.iter().collect();
    let entry = |category: IsolatedCategory| {
        let rule = rules.get(usize::from(category.rule.0))?;
        Some(json!({
            "header": rule.header.as_str(),
            "to": rule.to.to_string(),
            "category": category.label,
            "hash": format!("{:016x}", health?.hash(category.id)),
        }))
    };
    let entries = isolated.into_iter().flatten().filter_map(entry);
    let entries: Vec<Value> = entries.collect();
    (
        [(header::CONTENT_TYPE, "application/json")],
        Value::from(entries).to_string(),
    )
}
