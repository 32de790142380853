//! The routes. All of them read: a plan is asked for by POST, and changes nothing.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use console::page::{self, Document};
use console::{ParkedQuery, PlanRequest};

use crate::answers;
use crate::guard::guard;
use crate::query::Query;
use crate::rendered::Viewed;
use crate::response_limit::{AllTaken, Place};
use crate::source::{NotListed, Source, Unplanned};
use crate::streams::Viewers;
use crate::view::{ChainName, View, json};

/// The API and the page. Other paths are 404, methods other than GET and HEAD 405.
pub fn routes(source: Arc<dyn Source>) -> Router {
    routes_with(source, Router::new())
}

/// With further routes, which are kept from other web sites too.
pub fn routes_with(source: Arc<dyn Source>, more: Router) -> Router {
    Router::new()
        .route("/", get(listing))
        .route("/chains/{namespace}/{name}", get(chain))
        .route("/events", get(events_of_page))
        .route("/page.css", get(style))
        .route("/page.js", get(script))
        .route("/icon.svg", get(icon))
        .route("/api/v1/chains", get(all_as_json))
        .route("/api/v1/chains/{namespace}/{name}", get(one_as_json))
        .route("/api/v1/events", get(events_as_json))
        .route("/api/v1/parked/{namespace}/{name}", get(parked))
        .route("/api/v1/plan", post(plan))
        .with_state(Arc::new(Viewers::new(source)))
        .merge(more)
        .layer(from_fn(guard))
}

async fn all_as_json(State(viewers): State<Arc<Viewers>>, place: Place) -> Response {
    answers::of_text(viewers.view(&View::AllAsJson).text, place)
}

async fn one_as_json(
    State(viewers): State<Arc<Viewers>>,
    Path((namespace, name)): Path<(String, String)>,
    place: Place,
) -> Response {
    let chain = ChainName { namespace, name };
    answers::of_text(viewers.view(&View::OneAsJson(chain)).text, place)
}

async fn plan(
    State(viewers): State<Arc<Viewers>>,
    request: Result<Json<PlanRequest>, JsonRejection>,
) -> Response {
    let request = match request {
        Ok(Json(request)) => request,
        Err(error) => return answers::of_problem(error.status(), error.body_text()),
    };
    match viewers.source().plan(request).await {
        Ok(reply) => answers::of_json(StatusCode::OK, json(&reply)),
        Err(Unplanned::Standby(standby)) => {
            answers::of_json(StatusCode::SERVICE_UNAVAILABLE, json(&standby))
        }
        Err(Unplanned::Absent(error)) => answers::of_problem(StatusCode::NOT_FOUND, error),
        Err(Unplanned::NoPlan(error)) => answers::of_problem(StatusCode::BAD_GATEWAY, error),
    }
}

/// The place is taken before the queue is listed: who waits for that has one.
async fn parked(
    State(viewers): State<Arc<Viewers>>,
    Path(chain): Path<(String, String)>,
    RawQuery(query): RawQuery,
    place: Place,
) -> Response {
    let query = match ParkedQuery::parse(query.as_deref().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => return answers::of_problem(StatusCode::BAD_REQUEST, error),
    };
    match viewers.source().parked(chain, query).await {
        Ok(reply) => answers::of_own(json(&reply), place),
        Err(NotListed::Standby(standby)) => {
            answers::of_json(StatusCode::SERVICE_UNAVAILABLE, json(&standby))
        }
        Err(NotListed::Absent(error)) => answers::of_problem(StatusCode::NOT_FOUND, error),
        Err(NotListed::Failed(error)) => answers::of_problem(StatusCode::BAD_GATEWAY, error),
        Err(NotListed::TooOften(error)) => {
            answers::of_problem(StatusCode::TOO_MANY_REQUESTS, error)
        }
    }
}

async fn events_as_json(
    State(viewers): State<Arc<Viewers>>,
    RawQuery(query): RawQuery,
) -> Response {
    let view = match Query::parse(query.as_deref()).chain() {
        Ok(Some(chain)) => View::OneAsJson(chain),
        Ok(None) => View::AllAsJson,
        Err(half) => return answers::of_problem(StatusCode::BAD_REQUEST, half.to_string()),
    };
    events(&viewers, view)
}

async fn listing(
    State(viewers): State<Arc<Viewers>>,
    RawQuery(query): RawQuery,
    place: Place,
) -> Response {
    let listing = Query::parse(query.as_deref()).listing();
    let query = listing.query();
    let filter = listing.filter.clone();
    let events = format!("events?{query}");
    let document = Document {
        title: "All",
        root: "",
        events: &events,
        filter: &filter,
    };
    page(&viewers, &View::Listing(listing), &document, place)
}

async fn chain(
    State(viewers): State<Arc<Viewers>>,
    Path((namespace, name)): Path<(String, String)>,
    place: Place,
) -> Response {
    let title = format!("{namespace}/{name}");
    let chain = ChainName { namespace, name };
    let events = format!("events?{}", chain.query());
    let document = Document {
        title: &title,
        root: "../../",
        events: &events,
        filter: "",
    };
    page(&viewers, &View::Chain(chain), &document, place)
}

async fn events_of_page(
    State(viewers): State<Arc<Viewers>>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = Query::parse(query.as_deref());
    let view = match query.chain() {
        Ok(Some(chain)) => View::Chain(chain),
        Ok(None) => View::Listing(query.listing()),
        Err(half) => return answers::of_problem(StatusCode::BAD_REQUEST, half.to_string()),
    };
    events(&viewers, view)
}

async fn style() -> Response {
    answers::of_file("text/css; charset=utf-8", page::STYLE)
}

async fn script() -> Response {
    answers::of_file("text/javascript; charset=utf-8", page::SCRIPT)
}

async fn icon() -> Response {
    answers::of_file("image/svg+xml", page::ICON)
}

impl FromRequestParts<Arc<Viewers>> for Place {
    type Rejection = AllTaken;

    async fn from_request_parts(_: &mut Parts, viewers: &Arc<Viewers>) -> Result<Self, AllTaken> {
        viewers.places.take()
    }
}

fn events(viewers: &Arc<Viewers>, view: View) -> Response {
    match viewers.subscribe(view) {
        Ok(ticks) => answers::of_events(ticks),
        Err(too_many) => too_many.into_response(),
    }
}

fn page(viewers: &Viewers, view: &View, document: &Document<'_>, place: Place) -> Response {
    let Viewed { text, at, interval } = viewers.view(view);
    let document = page::document(document, at, interval, text.shown.text());
    answers::of_page(&text, document, place)
}
