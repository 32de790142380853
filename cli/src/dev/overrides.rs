//! Overrides of the chain that `dev` runs, and what edits of it would do: requests to its API, which the session
//! carries out.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use console::{PlanReply, PlanRequest};
use console_serve::Unplanned;
use crds::{ChainOverride, ExecutorChain};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use plan::{is_forgotten, override_status};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::act::target::{End, OverrideList};
use crate::admission::admit_override;
use crate::dev::requests::{Answer, Refusal, Request, Requests, problem};

/// The routes.
pub fn routes(requests: Requests) -> Router {
    Router::new()
        .route("/api/v1/overrides", get(list).post(create))
        .route("/api/v1/overrides/{name}/end", post(end))
        .with_state(Arc::new(requests))
}

async fn list(State(requests): State<Arc<Requests>>) -> Response {
    let (answer, answered) = oneshot::channel();
    // The session ends only with the process.
    let _ = requests.send(Request::List(answer)).await;
    let items = answered.await.unwrap_or_default();
    Json(OverrideList { items }).into_response()
}

async fn create(
    State(requests): State<Arc<Requests>>,
    content: Result<Json<Value>, JsonRejection>,
) -> Response {
    let content = match content {
        Ok(Json(content)) => content,
        Err(error) => return problem(error.status(), &error.body_text()),
    };
    let admitted = match admit_override(content) {
        Ok(admitted) => admitted,
        Err(rejection) => return problem(StatusCode::UNPROCESSABLE_ENTITY, &rejection.to_string()),
    };
    ask(&requests, |answer| {
        Request::Create(Box::new(admitted), answer)
    })
    .await
}

async fn end(
    State(requests): State<Arc<Requests>>,
    Path(name): Path<String>,
    content: Result<Json<End>, JsonRejection>,
) -> Response {
    match content {
        Ok(Json(End { ended_by })) => {
            ask(&requests, |answer| Request::End(name, ended_by, answer)).await
        }
        Err(error) => problem(error.status(), &error.body_text()),
    }
}

async fn ask(
    requests: &Requests,
    request: impl FnOnce(Answer<ChainOverride>) -> Request,
) -> Response {
    let (answer, answered) = oneshot::channel();
    let _ = requests.send(request(answer)).await;
    match answered.await {
        Ok(Ok(it)) => Json(it).into_response(),
        Ok(Err(refusal)) => refusal.into_response(),
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "dev ends"),
    }
}

/// Asks the session for a plan.
pub async fn ask_plan(requests: Requests, request: PlanRequest) -> Result<PlanReply, Unplanned> {
    let (answer, answered) = oneshot::channel();
    let _ = requests.send(Request::Plan(request, answer)).await;
    match answered.await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(Refusal::Absent(reason))) => Err(Unplanned::Absent(reason)),
        Ok(Err(Refusal::Invalid(reason) | Refusal::Failed(reason))) => {
            Err(Unplanned::NoPlan(reason))
        }
        Err(_) => Err(Unplanned::NoPlan("dev ends".to_owned())),
    }
}

/// The overrides of the session.
#[derive(Debug, Default)]
pub struct Overrides {
    items: Vec<ChainOverride>,
    created: u64,
}

impl Overrides {
    /// All, those that are over included.
    pub fn all(&self) -> &[ChainOverride] {
        &self.items
    }

    /// One more, as the API server would make it.
    pub fn create(&mut self, mut it: ChainOverride, chain: &str) -> Result<ChainOverride, Refusal> {
        if it.spec.chain != chain {
            return Err(Refusal::Absent(format!(
                "there is no chain {}: this dev runs {chain}",
                it.spec.chain
            )));
        }
        self.created += 1;
        let metadata = &mut it.metadata;
        let prefix = metadata.generate_name.take();
        if metadata.name.is_none() {
            let prefix = prefix.unwrap_or_else(|| "override-".to_owned());
            metadata.name = Some(format!("{prefix}{}", self.created));
        }
        if self
            .items
            .iter()
            .any(|other| other.metadata.name == metadata.name)
        {
            let name = metadata.name.clone().unwrap_or_default();
            return Err(Refusal::Invalid(format!(
                "override {name} exists: choose another --name"
            )));
        }
        metadata.uid = Some(self.created.to_string());
        metadata.creation_timestamp = Some(Time(Timestamp::now()));
        it.status = None;
        self.items.push(it.clone());
        Ok(it)
    }

    /// Ends one.
    pub fn end(&mut self, name: &str, by: Option<String>) -> Result<ChainOverride, Refusal> {
        let mut items = self.items.iter_mut();
        let it = items.find(|it| it.name_any() == name);
        let it = it.ok_or_else(|| Refusal::Absent(format!("there is no override {name}")))?;
        let is_over = it.status.as_ref().is_some_and(|it| it.ended_at.is_some());
        if it.spec.ended || is_over {
            it.spec.restore = None;
        }
        if !it.spec.ended {
            it.spec.ended = true;
            it.spec.ended_by = by;
        }
        Ok(it.clone())
    }

    /// Reports what has become of them. `chain` has its status.
    pub fn report(&mut self, chain: &ExecutorChain, now: Timestamp) {
        self.items.retain(|it| !is_forgotten(it, now));
        let others = self.items.clone();
        for it in &mut self.items {
            it.status = Some(override_status(it, Some(chain), &others, now));
        }
    }
}
