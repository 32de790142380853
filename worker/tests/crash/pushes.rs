//! Between Cloud Tasks and a worker: passes pushes on, and kills before or after their work.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use testkit::calls::Error;
use testkit::server::text;

use crate::case::Point;
use crate::http1::{self, Body, full};
use crate::script::Script;
use crate::trace::Trace;
use crate::worker::Worker;

#[derive(Clone)]
pub struct Pushes {
    pub worker: Arc<Worker>,
    pub script: Arc<Script>,
    pub trace: Trace,
}

impl Pushes {
    /// The worker's answer, or nothing where it is dead.
    pub async fn pass(self, request: Request<Incoming>) -> Result<StatusCode, Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let number = |name: &str| text(&head.headers, &format!("x-cloudtasks-task{name}"));
        let push = format!(
            "push R={} E={} P={}",
            number("retrycount"),
            number("executioncount"),
            number("previousresponse"),
        );
        let attempt = number("executioncount").parse::<u8>()? + put_off(&head)? + 1;
        let given = self.pass_or_kill(head, body, attempt).await;
        match &given {
            Ok(status) => self.note(format_args!("{push} answered {}", status.as_u16())),
            Err(error) => self.note(format_args!("{push} cut: {error}")),
        }
        given
    }

    async fn pass_or_kill(
        &self,
        head: Parts,
        body: Bytes,
        attempt: u8,
    ) -> Result<StatusCode, Error> {
        let stage = self.worker.stage;
        if self.script.strikes(stage, Point::BeforeRun, Some(attempt)) {
            return Err(self.kill_half_way(head, &body).await);
        }
        let response = http1::send(self.worker.addr, Request::from_parts(head, full(body))).await?;
        let status = response.status();
        // A 503 says that the worker isn't connected yet, and is no answer to an attempt.
        let done = matches!(status.as_u16(), 200 | 477);
        if done
            && self
                .script
                .strikes(stage, Point::AfterAnswer, Some(attempt))
        {
            self.worker.kill().await;
            return Err(format!("killed after the answer {}", status.as_u16()).into());
        }
        if status.is_success() {
            self.script.settle(stage);
        }
        Ok(status)
    }

    async fn kill_half_way(&self, head: Parts, body: &Bytes) -> Error {
        let half = body.slice(..body.len() / 2);
        let sent = http1::send(
            self.worker.addr,
            Request::from_parts(head, and_no_more(half)),
        );
        tokio::select! {
            given = sent => return format!("an answer to half a push: {given:?}").into(),
            () = self.worker.has_a_push() => {}
        }
        self.worker.kill().await;
        "killed with half of the push".into()
    }

    fn note(&self, what: impl std::fmt::Display) {
        self.trace.note(self.worker.stage.name, what);
    }
}

/// The attempts before the task was put off on this stage.
fn put_off(head: &Parts) -> Result<u8, Error> {
    let Some(ledger) = head.headers.get("executor-ledger") else {
        return Ok(0);
    };
    let ledger: serde_json::Value = serde_json::from_slice(ledger.as_bytes())?;
    let attempts = ledger["stay"]["attempts"].as_u64().unwrap_or(0);
    Ok(attempts.try_into()?)
}

/// A body that stops in the middle and does not end.
fn and_no_more(half: Bytes) -> Body {
    let half = stream::iter([Ok::<_, Infallible>(Frame::data(half))]);
    BodyExt::boxed(StreamBody::new(half.chain(stream::pending())))
}
