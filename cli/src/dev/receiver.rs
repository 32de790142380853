//! Receives the notifications instead of the client: counts each, and forwards it to `notifier.url` if
//! that is on this machine.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, Request, StatusCode, header};
use crds::{Notifier, Outcome};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use parking_lot::RwLock;
use serde::Deserialize;

use crate::dev::chain::is_local;
use crate::dev::outcomes::TaskOutcomes;

/// The part of a notification that is counted.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    task: String,
}

/// The manifest's notifier, which an edit may change.
#[derive(Clone)]
pub struct NotifierSettings(Arc<RwLock<Notifier>>);

impl NotifierSettings {
    /// Of the first manifest.
    pub fn new(notifier: &Notifier) -> Self {
        Self(Arc::new(RwLock::new(notifier.clone())))
    }

    /// Takes an edit. Returns whether it changes anything.
    pub fn follow(&self, notifier: &Notifier) -> bool {
        let mut current = self.0.write();
        let changes = current.url != notifier.url || current.outcomes != notifier.outcomes;
        current.clone_from(notifier);
        changes
    }

    /// Where an outcome is forwarded to.
    fn url(&self, outcome: Outcome) -> Option<String> {
        let notifier = self.0.read();
        let is_forwarded = is_local(&notifier.url) && notifier.outcomes.contains(&outcome);
        is_forwarded.then(|| notifier.url.clone())
    }
}

/// Headers of the connection from the emulator to here.
const OF_THE_CONNECTION: [HeaderName; 4] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
];

struct Receiver {
    outcomes: Arc<TaskOutcomes>,
    notifier: NotifierSettings,
    client: Client<HttpConnector, Body>,
}

/// The receiver's routes.
pub fn routes(outcomes: Arc<TaskOutcomes>, notifier: NotifierSettings) -> Router {
    let client = Client::builder(TokioExecutor::new()).build_http();
    Router::new()
        .fallback(receive)
        .with_state(Arc::new(Receiver {
            outcomes,
            notifier,
            client,
        }))
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let Ok(event) = serde_json::from_slice::<Event>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let outcome = if event.kind.contains(".succeeded.") {
        Outcome::Succeeded
    } else {
        Outcome::Failed
    };
    if let Some(url) = receiver.notifier.url(outcome) {
        let status = forward(&receiver, &url, &headers, body).await;
        if !status.is_success() {
            // The notifier's queue retries, as it would without `dev`.
            return status;
        }
    }
    receiver.outcomes.ended(&event.data.task, outcome);
    StatusCode::OK
}

async fn forward(receiver: &Receiver, url: &str, headers: &HeaderMap, body: Bytes) -> StatusCode {
    let mut request = Request::new(Body::from(body));
    let Ok(uri) = url.parse() else {
        return StatusCode::BAD_GATEWAY;
    };
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    // Also a token, so that a receiver that demands one can be tried here.
    request.headers_mut().clone_from(headers);
    for own in OF_THE_CONNECTION {
        request.headers_mut().remove(own);
    }
    match receiver.client.request(request).await {
        Ok(answer) => answer.status(),
        Err(_) => StatusCode::BAD_GATEWAY,
    }
}
