//! Receives a push. What can't be served is rejected before its body is read; the rest is processed to its
//! end, whether or not the caller stays.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Body;
use decide::Answer;
use decide::headers::{TASK_NAME, previous_response};
use futures::FutureExt;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use tracing::{Instrument, info, info_span, warn};
use worker_contract::limits;

use super::process::process;
use super::run_to_end::{Caller, RunToEnd};
use crate::identity::token_origin;
use crate::state::Worker;
use crate::transport::{PushRequest, ReadError};

/// Receives one push.
pub(crate) async fn receive(worker: Arc<Worker>, request: Request<Incoming>) -> Response<Body> {
    let _waiting = worker.metrics.caller();
    let answer = admit(&worker, request).await;
    worker.metrics.answered(answer);
    let mut response = Response::new(Body::empty());
    *response.status_mut() =
        StatusCode::from_u16(answer.code()).expect("all answers are codes from 200 to 599");
    // A caller that keeps its connection would push to this worker until it ends, whatever a load
    // balancer knows of it. The last of those pushes would be rejected.
    if worker.stopping.load(Ordering::Relaxed) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

async fn admit(worker: &Arc<Worker>, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    // A push that is rejected unread keeps its 596 or 597, or the handler would run again.
    let previous = previous_response(&parts.headers);
    let no_capacity = Answer::NoCapacity.unless_pending(previous);
    let unknown = Answer::Unknown.unless_pending(previous);

    // Before the limit on pushes, so that strangers use no permits. 500 and not 401, which Cloud Tasks
    // counts as an attempt: a wrong audience would use up every task's attempts.
    if let Some(verifier) = &worker.verifier
        && verifier
            .verify(&parts.headers, &worker.metrics)
            .await
            .is_err()
    {
        return unknown;
    }

    // No permit is free either while the worker stops.
    let Ok(permit) = Arc::clone(&worker.push_permits).try_acquire_owned() else {
        return no_capacity;
    };
    if worker.cloud_tasks.get().is_none() {
        return no_capacity;
    }

    let span = span(worker, &parts.headers);
    let config = &worker.config;
    let signed = worker.verifier.is_some();
    let token = token_origin(&parts.headers, signed, &config.token_issuers);
    let read = PushRequest::read(parts, body, token, Arc::clone(&config.keep_headers));
    let read = tokio::time::timeout(limits::READ_PUSH, read);
    let push = match read.await.unwrap_or(Err(ReadError::Broken)) {
        Ok(push) => push,
        Err(error) => {
            span.in_scope(|| warn!(%error, "can't read the push"));
            return error.answer(previous);
        }
    };

    let worker = Arc::clone(worker);
    let work = |caller: Caller| {
        let work = async move {
            worker.metrics.pushes_under_way.inc();
            let cloud = worker.cloud_tasks.get().expect("it was there before");
            let answer = process(&worker, &push, cloud, &caller).await;
            worker.metrics.pushes_under_way.dec();
            info!(
                answer = answer.as_str(),
                code = answer.code(),
                caller_gone = caller.is_gone(),
                "answered"
            );
            drop(permit);
            answer
        };
        AssertUnwindSafe(work).catch_unwind().instrument(span)
    };
    // A caller that disconnects ends this future, but not the work: the next task may be half created,
    // and the handler's success must be kept. A panic ends the work, and not the caller's connection.
    RunToEnd::new(work).await.unwrap_or(unknown)
}

fn span(worker: &Worker, headers: &HeaderMap) -> tracing::Span {
    // As text: a log line for each push would write them anew.
    let (stage, queue) = (worker.config.policy.stage.as_str(), worker.queue.as_str());
    let task = headers.get(TASK_NAME).and_then(|name| name.to_str().ok());
    info_span!(
        "push",
        chain = worker.config.policy.chain,
        stage,
        queue,
        task
    )
}
