//! HTTP answers.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use tokio::sync::mpsc;

use crate::rendered::Text;
use crate::streams::TooMany;
use crate::view::{Problem, Shown, json};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// A view as JSON.
pub(crate) fn of_text(text: &Text) -> Response {
    let status = match text.shown {
        Shown::Found(_) => StatusCode::OK,
        Shown::NotFound(_) => StatusCode::NOT_FOUND,
        Shown::Standby(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    of_json(status, text.shown.text().to_owned())
}

/// What is wrong with a request.
pub(crate) fn of_problem(status: StatusCode, error: impl Into<String>) -> Response {
    let error = error.into();
    of_json(status, json(&Problem { error }))
}

/// Events until the reader leaves or is dropped.
pub(crate) fn of_events(events: mpsc::Receiver<Bytes>) -> Response {
    let events = stream::unfold(events, async |mut events| {
        let event = events.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(event), events))
    });
    ([(header::CONTENT_TYPE, EVENTS)], Body::from_stream(events)).into_response()
}

fn of_json(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], text).into_response()
}

impl IntoResponse for TooMany {
    fn into_response(self) -> Response {
        let error = "too many pages are open: close one, or ask for /api/v1/chains";
        of_problem(StatusCode::SERVICE_UNAVAILABLE, error)
    }
}
