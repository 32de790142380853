//! The push as it comes in: what can't be served is turned away before its body is read, and the
//! work is done in a task of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use decide::Answer;
use decide::headers::{TASK_NAME, previous};
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::oneshot;
use tracing::{Instrument, info, info_span, warn};

use crate::push::{Push, Unread};
use crate::work::Worker;

/// How long a body of 1 MiB at most may take to come in.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Receives one push.
pub(crate) async fn receive(State(worker): State<Arc<Worker>>, request: Request) -> Response {
    let _waiting = worker.stats.caller();
    let answer = admit(&worker, request).await;
    worker.stats.answered(answer);
    let mut response = Response::new(Body::empty());
    *response.status_mut() =
        StatusCode::from_u16(answer.code()).expect("all answers are codes from 200 to 599");
    // A worker that stops is left by connections too: one that was kept would bring pushes until the
    // worker ends, whatever a load balancer has learned of it, and the last of them would be turned
    // away.
    if worker.stopping.load(Ordering::Relaxed) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

async fn admit(worker: &Arc<Worker>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    // Whoever is turned away unread must not forget that its handler need not run again.
    let previous = previous(&parts.headers);
    let no_room = Answer::NoCapacity.unless_pending(previous);
    let unknown = Answer::Unknown.unless_pending(previous);

    // First of all, and before the bound on pushes: strangers take no place of theirs. 500, since
    // Cloud Tasks counts a 401 as an attempt, and a wrong audience would use up every task's.
    if let Some(identity) = &worker.identity
        && identity
            .verify(&parts.headers, &worker.stats)
            .await
            .is_err()
    {
        return unknown;
    }

    // Also closed to newcomers while the worker stops.
    let Ok(permit) = Arc::clone(&worker.pushes).try_acquire_owned() else {
        return no_room;
    };
    let Some(cloud) = worker.cloud_tasks.get().cloned() else {
        return no_room;
    };

    let span = span(worker, &parts.headers);
    let signed = worker.identity.is_some();
    let read = tokio::time::timeout(READ_TIMEOUT, Push::read(parts, body, signed));
    let push = match read.await.unwrap_or(Err(Unread::Broken)) {
        Ok(push) => push,
        Err(unread) => {
            span.in_scope(|| warn!(?unread, "push not read"));
            return unread.answer(previous);
        }
    };

    // A caller who closes the connection ends this future, but not the work: the next task may
    // be half created, and the handler's success must not be forgotten.
    let (caller, heard) = oneshot::channel();
    let worker = Arc::clone(worker);
    let work = async move {
        worker.stats.pushes_under_way.inc();
        let answer = worker.work(&push, &cloud, &caller).await;
        worker.stats.pushes_under_way.dec();
        let gone = caller.send(answer).is_err();
        info!(
            answer = answer.as_str(),
            code = answer.code(),
            caller_gone = gone,
            "answered"
        );
        drop(permit);
    };
    tokio::spawn(work.instrument(span));
    // Without an answer the work has panicked, and what became of the task isn't known.
    heard.await.unwrap_or(unknown)
}

fn span(worker: &Worker, headers: &HeaderMap) -> tracing::Span {
    let policy = &worker.config.policy;
    let task = headers.get(TASK_NAME).and_then(|name| name.to_str().ok());
    info_span!("push", chain = policy.chain, stage = %policy.stage, queue = %policy.queue, task)
}
