//! The routes. All of them read.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::answers;
use crate::guard::guard;
use crate::source::Source;
use crate::streams::Viewers;
use crate::view::{ChainName, View};

/// The API and the page. Other paths are 404, methods other than GET and HEAD 405.
pub fn routes(source: Arc<dyn Source>) -> Router {
    Router::new()
        .route("/api/v1/chains", get(all_as_json))
        .route("/api/v1/chains/{namespace}/{name}", get(one_as_json))
        .route("/api/v1/events", get(events_as_json))
        .with_state(Arc::new(Viewers::new(source)))
        .layer(from_fn(guard))
}

async fn all_as_json(State(viewers): State<Arc<Viewers>>) -> Response {
    answers::of_text(&viewers.view(&View::AllAsJson))
}

async fn one_as_json(
    State(viewers): State<Arc<Viewers>>,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    let chain = ChainName { namespace, name };
    answers::of_text(&viewers.view(&View::OneAsJson(chain)))
}

async fn events_as_json(
    State(viewers): State<Arc<Viewers>>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = Query::of(query.as_deref());
    let view = match (query.namespace, query.name) {
        (Some(namespace), Some(name)) => View::OneAsJson(ChainName { namespace, name }),
        (None, None) => View::AllAsJson,
        (Some(_), None) | (None, Some(_)) => {
            let error = "namespace and name belong together: give both, or neither for all chains";
            return answers::of_problem(StatusCode::BAD_REQUEST, error);
        }
    };
    events(&viewers, view)
}

fn events(viewers: &Arc<Viewers>, view: View) -> Response {
    match viewers.subscribe(view) {
        Ok(events) => answers::of_events(events),
        Err(too_many) => too_many.into_response(),
    }
}

/// The parameters of a request. Others are ignored.
#[derive(Default)]
struct Query {
    namespace: Option<String>,
    name: Option<String>,
}

impl Query {
    fn of(query: Option<&str>) -> Self {
        let mut found = Self::default();
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*key {
                "namespace" => found.namespace = Some(value.into_owned()),
                "name" => found.name = Some(value.into_owned()),
                _ => {}
            }
        }
        found
    }
}
