//! Redrives and discards of the chain that `dev` runs: requests to its API, and the mover, in this process.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use crds::{ExecutorChain, RedriveStatus};
use executor_worker::{MoverConfig, RunningMover, start_mover};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use plan::is_redrive_forgotten;
use plan::objects::worker_env::variable;
use plan::redrives::turn;
use plan::{Desired, MoverSeen, MoverStep, ParkingSeen, Problem, Redrive, RedrivenChain, Turn};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use worker_contract::env;

use crate::act::redrive::{Kind, RedriveChange, RedriveList};
use crate::admission::{admit_discard, admit_redrive};
use crate::dev::requests::{Answer, Asked, Refusal, Request, Requests, problem};
use crate::error::Error;

/// The routes.
pub fn routes(requests: Requests) -> Router {
    Router::new()
        .route("/api/v1/redrives", get(list).post(create))
        .route("/api/v1/redrives/change", post(change))
        .with_state(Arc::new(requests))
}

async fn list(State(requests): State<Arc<Requests>>) -> Response {
    let (answer, answered) = oneshot::channel();
    // The session ends only with the process.
    let _ = requests.send(Request::Redrive(Asked::List(answer))).await;
    let items = answered.await.unwrap_or_default();
    Json(RedriveList::of(items)).into_response()
}

async fn create(
    State(requests): State<Arc<Requests>>,
    content: Result<Json<Value>, JsonRejection>,
) -> Response {
    let content = match content {
        Ok(Json(content)) => content,
        Err(error) => return problem(error.status(), &error.body_text()),
    };
    let one = |kind: &str| {
        content[kind]
            .as_array()
            .and_then(|all| all.first())
            .cloned()
    };
    let admitted = match (one("redrives"), one("discards")) {
        (Some(it), _) => admit_redrive(it, None).map(|it| Redrive::Move(Box::new(it))),
        (None, Some(it)) => admit_discard(it, None).map(|it| Redrive::Discard(Box::new(it))),
        (None, None) => return problem(StatusCode::UNPROCESSABLE_ENTITY, "there is none in it"),
    };
    match admitted {
        Ok(it) => ask(&requests, |answer| Asked::Create(Box::new(it), answer)).await,
        Err(rejection) => problem(StatusCode::UNPROCESSABLE_ENTITY, &rejection.to_string()),
    }
}

async fn change(
    State(requests): State<Arc<Requests>>,
    content: Result<Json<RedriveChange>, JsonRejection>,
) -> Response {
    match content {
        Ok(Json(change)) => ask(&requests, |answer| Asked::Change(change, answer)).await,
        Err(error) => problem(error.status(), &error.body_text()),
    }
}

async fn ask(requests: &Requests, asked: impl FnOnce(Answer<Redrive>) -> Asked) -> Response {
    let (answer, answered) = oneshot::channel();
    let _ = requests.send(Request::Redrive(asked(answer))).await;
    match answered.await {
        Ok(Ok(it)) => Json(RedriveList::of(vec![it])).into_response(),
        Ok(Err(refusal)) => refusal.into_response(),
        Err(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "dev ends"),
    }
}

/// The redrives of the session, and the mover that carries out the oldest.
#[derive(Default)]
pub struct Redrives {
    items: Vec<Redrive>,
    created: u64,
    mover: Option<(Deployment, RunningMover)>,
}

impl Redrives {
    /// Whether some are not finished.
    pub fn are_open(&self) -> bool {
        self.mover.is_some() || self.items.iter().any(|it| !it.is_finished())
    }

    /// Answers a request to the API.
    pub fn answer(&mut self, asked: Asked, chain: &str) {
        // Who has asked may be gone.
        match asked {
            Asked::List(answer) => drop(answer.send(self.items.clone())),
            Asked::Create(it, answer) => drop(answer.send(self.create(*it, chain))),
            Asked::Change(change, answer) => drop(answer.send(self.change(&change))),
        }
    }

    /// One more, as the API server would make it.
    fn create(&mut self, mut it: Redrive, chain: &str) -> Result<Redrive, Refusal> {
        if it.chain() != chain {
            return Err(Refusal::Absent(format!(
                "there is no chain {}: this dev runs {chain}",
                it.chain()
            )));
        }
        self.created += 1;
        let metadata = metadata_mut(&mut it);
        let prefix = metadata.generate_name.take();
        if metadata.name.is_none() {
            let prefix = prefix.unwrap_or_else(|| "redrive-".to_owned());
            metadata.name = Some(format!("{prefix}{}", self.created));
        }
        metadata.uid = Some(format!("dev-{}", self.created));
        metadata.creation_timestamp = Some(Time(Timestamp::now()));
        let is_same =
            |other: &&Redrive| Kind::of(other) == Kind::of(&it) && other.name() == it.name();
        if let Some(other) = self.items.iter().find(is_same) {
            return Err(Refusal::Invalid(format!(
                "{} {} exists: choose another --name",
                other.kind(),
                other.name()
            )));
        }
        self.items.push(it.clone());
        Ok(it)
    }

    /// Other fields in the spec of one, as the API server would admit them.
    fn change(&mut self, change: &RedriveChange) -> Result<Redrive, Refusal> {
        let RedriveChange { kind, name, spec } = change;
        let mut items = self.items.iter_mut();
        let it = items.find(|it| Kind::of(it) == *kind && it.name() == *name);
        let it = it.ok_or_else(|| Refusal::Absent(format!("there is no {kind} {name}")))?;
        let before = match &*it {
            Redrive::Move(it) => json!(it),
            Redrive::Discard(it) => json!(it),
        };
        let mut after = before.clone();
        for (field, value) in spec.as_object().into_iter().flatten() {
            after["spec"][field] = value.clone();
        }
        let changed = match kind {
            Kind::Redrive => {
                admit_redrive(after, Some(&before)).map(|it| Redrive::Move(Box::new(it)))
            }
            Kind::Discard => {
                admit_discard(after, Some(&before)).map(|it| Redrive::Discard(Box::new(it)))
            }
        };
        let status = it.status().cloned();
        let changed = changed.map_err(|rejection| Refusal::Invalid(rejection.to_string()))?;
        *it = changed.with_status(status.unwrap_or_default());
        Ok(it.clone())
    }

    /// Carries them on. `chain` has its status.
    pub async fn carry_on(
        &mut self,
        desired: &Desired,
        chain: &ExecutorChain,
        parking: &ParkingSeen,
    ) -> Result<(), Error> {
        let now = Timestamp::now();
        self.items.retain(|it| !is_redrive_forgotten(it, now));
        let seen = MoverSeen {
            deployment: self
                .mover
                .as_ref()
                .map(|(deployment, _)| deployment.clone()),
            has_pods: self.mover.is_some(),
            progress: self.mover.as_ref().map(|(_, mover)| mover.progress()),
            trouble: None,
        };
        let redriven = RedrivenChain::Served {
            desired,
            status: chain.status.as_ref(),
            parking,
        };
        let Turn { statuses, mover } = turn(&desired.name, redriven, &self.items, &seen, now);
        for (it, status) in self.items.iter_mut().zip(statuses) {
            if let Some(status) = status {
                *it = with_status(it, status);
            }
        }
        match mover {
            MoverStep::Keep => {}
            MoverStep::Remove => self.stop().await,
            MoverStep::Apply(wanted) => {
                self.stop().await;
                let mover = start_mover(config(&wanted)?).await?;
                self.mover = Some((*wanted, mover));
            }
        }
        Ok(())
    }

    /// Ends the mover.
    pub async fn stop(&mut self) {
        if let Some((_, mover)) = self.mover.take() {
            mover.stop().await;
        }
    }
}

fn with_status(it: &Redrive, status: RedriveStatus) -> Redrive {
    it.clone().with_status(status)
}

fn metadata_mut(it: &mut Redrive) -> &mut ObjectMeta {
    match it {
        Redrive::Move(it) => {
            it.status = None;
            &mut it.metadata
        }
        Redrive::Discard(it) => {
            it.status = None;
            &mut it.metadata
        }
    }
}

/// As a pod of the Deployment would have it, but for its port.
fn config(mover: &Deployment) -> Result<MoverConfig, Error> {
    let get = |name: &str| match name {
        env::ADMIN_ADDR => Some("127.0.0.1:0".to_owned()),
        name => variable(mover, name),
    };
    MoverConfig::from_vars(&get).map_err(|error| Problem::invalid(error.to_string()).into())
}
