//! HTTP answers.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use crate::rendered::Text;
use crate::response_limit::{AllTaken, Place};
use crate::streams::{Tick, TooMany};
use crate::view::{Problem, Shown, json};

/// How many seconds later a reader for whom there was no place may try again.
const RETRY_AFTER: (HeaderName, HeaderValue) = (header::RETRY_AFTER, HeaderValue::from_static("5"));

/// A view as JSON.
pub(crate) fn of_text(text: Arc<Text>, place: Place) -> Response {
    of_content("application/json", status(&text), Shared(text), place)
}

struct Shared(Arc<Text>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.shown.text().as_bytes()
    }
}

/// A page. `text` is what it shows.
pub(crate) fn of_page(text: &Text, document: String, place: Place) -> Response {
    of_content("text/html; charset=utf-8", status(text), document, place)
}

/// Not a copy of the content: it may have megabytes, and readers may take their time.
fn of_content(
    content_type: &'static str,
    status: StatusCode,
    content: impl AsRef<[u8]> + Send + Sync + 'static,
    place: Place,
) -> Response {
    let length = [(header::CONTENT_LENGTH, content.as_ref().len())];
    let length = length.map(|(name, length)| (name, length.to_string()));
    of_file(content_type, (status, length, place.body(content)))
}

/// JSON that nobody else is shown.
pub(crate) fn of_own(text: String, place: Place) -> Response {
    of_content("application/json", StatusCode::OK, text, place)
}

/// What is wrong with a request.
pub(crate) fn of_problem(status: StatusCode, error: impl Into<String>) -> Response {
    let error = error.into();
    of_json(status, json(&Problem { error }))
}

/// Events until the reader leaves or is dropped.
pub(crate) fn of_events(ticks: mpsc::Receiver<Tick>) -> Response {
    let ticks = stream::unfold(ticks, async |mut ticks| {
        let Tick { content, at } = ticks.recv().await?;
        Some((content.into_iter().chain([at]), ticks))
    });
    let events = ticks.flat_map(|events| stream::iter(events.map(Ok::<_, Infallible>)));
    of_file("text/event-stream", Body::from_stream(events))
}

/// Something of a type.
pub(crate) fn of_file(content_type: &'static str, content: impl IntoResponse) -> Response {
    ([(header::CONTENT_TYPE, content_type)], content).into_response()
}

/// JSON with a status.
pub(crate) fn of_json(status: StatusCode, text: String) -> Response {
    of_file("application/json", (status, text))
}

fn status(text: &Text) -> StatusCode {
    match text.shown {
        Shown::Found(_) => StatusCode::OK,
        Shown::NotFound(_) => StatusCode::NOT_FOUND,
        Shown::Standby(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl IntoResponse for TooMany {
    fn into_response(self) -> Response {
        of_full("too many pages are open: close one, or ask for /api/v1/chains")
    }
}

impl IntoResponse for AllTaken {
    fn into_response(self) -> Response {
        of_full("too many responses are being sent: try again in some seconds")
    }
}

fn of_full(error: &str) -> Response {
    let mut response = of_problem(StatusCode::SERVICE_UNAVAILABLE, error);
    let (name, value) = RETRY_AFTER;
    response.headers_mut().insert(name, value);
    response
}
