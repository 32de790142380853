//! Requests to the API of `dev`, which the session carries out.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use console::{PlanReply, PlanRequest};
use crds::ChainOverride;
use plan::Redrive;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::act::redrive::RedriveChange;

/// Requests that wait for the session.
const WAITING: usize = 32;

/// What the session is asked for.
pub enum Request {
    /// The overrides.
    List(oneshot::Sender<Vec<ChainOverride>>),
    /// Another one.
    Create(Box<ChainOverride>, Answer<ChainOverride>),
    /// An end before its time: the name, and who ends it.
    End(String, Option<String>, Answer<ChainOverride>),
    /// Something of redrives.
    Redrive(Asked),
    /// What an edit would do.
    Plan(PlanRequest, Answer<PlanReply>),
}

/// Where an answer goes.
pub type Answer<T> = oneshot::Sender<Result<T, Refusal>>;

/// Why something isn't done: a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It doesn't exist.
    Absent(String),
    /// It is invalid.
    Invalid(String),
    /// A call failed.
    Failed(String),
}

/// Takes requests to the session.
pub type Requests = mpsc::Sender<Request>;

/// Requests to the session, and where it takes them.
pub fn requests() -> (Requests, mpsc::Receiver<Request>) {
    mpsc::channel(WAITING)
}

/// What the session is asked for of redrives.
pub enum Asked {
    /// All of them.
    List(oneshot::Sender<Vec<Redrive>>),
    /// Another one.
    Create(Box<Redrive>, Answer<Redrive>),
    /// Other fields in the spec of one.
    Change(RedriveChange, Answer<Redrive>),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Absent(reason) => problem(StatusCode::NOT_FOUND, &reason),
            Self::Invalid(reason) => problem(StatusCode::UNPROCESSABLE_ENTITY, &reason),
            Self::Failed(reason) => problem(StatusCode::BAD_GATEWAY, &reason),
        }
    }
}

/// An answer that says what is wrong.
pub fn problem(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({"error": error}))).into_response()
}
