//! The event that notifies the client of a task's outcome: `CloudEvents` 1.0, structured JSON.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cloudevents::{Event, EventBuilder, EventBuilderV10};
use decide::headers::to_api_headers;
use decide::{Ledger, Outcome, StagePolicy, TaskReason};
use http::header;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::handler::{HandlerResponse, HandlerRun};
use crate::transport::{KeptBody, PushRequest};

const SUCCEEDED: &str = "dev.executor-chain.task.succeeded.v1";
const FAILED: &str = "dev.executor-chain.task.failed.v1";
/// The largest event, in bytes. A task is at most 1 MiB, headers included.
const MAX_EVENT_BYTES: usize = 900_000;

/// What an event is made from.
pub(super) struct EventSource<'a> {
    pub push: &'a PushRequest,
    pub policy: &'a StagePolicy,
    /// With the last stage's record.
    pub ledger: &'a Ledger,
    /// Why the task has ended.
    pub reason: &'a TaskReason,
    /// Whether to leave out the task itself, because Cloud Tasks refused the whole.
    pub folded: bool,
    /// The run of this dispatch, if there was one.
    pub run: Option<&'a HandlerRun>,
}

/// How much of the task an event carries.
#[derive(Clone, Copy)]
enum RequestDetail {
    All,
    WithoutBody,
    Nothing,
}

impl EventSource<'_> {
    /// The event as JSON, with as much of a failed task as fits.
    pub(super) fn event(&self, outcome: Outcome) -> Vec<u8> {
        let most = if self.folded {
            RequestDetail::Nothing
        } else {
            RequestDetail::All
        };
        let whole = self.encode(outcome, most);
        if whole.len() <= MAX_EVENT_BYTES {
            return whole;
        }
        let without_body = self.encode(outcome, RequestDetail::WithoutBody);
        if without_body.len() <= MAX_EVENT_BYTES {
            return without_body;
        }
        self.encode(outcome, RequestDetail::Nothing)
    }

    fn encode(&self, outcome: Outcome, detail: RequestDetail) -> Vec<u8> {
        let ty = match outcome {
            Outcome::Succeeded => SUCCEEDED,
            Outcome::Failed => FAILED,
        };
        let event: Event = EventBuilderV10::new()
            .id(self.ledger.root.notification().as_str())
            .ty(ty)
            .source(format!("/chains/{}", self.policy.chain))
            .subject(self.ledger.task.as_str())
            .time(Timestamp::now().to_string())
            .data("application/json", self.data(outcome, detail))
            .build()
            .expect("id, type and source are set, and the time is RFC 3339");
        serde_json::to_vec(&event).expect("an event is JSON")
    }

    fn data(&self, outcome: Outcome, detail: RequestDetail) -> Value {
        let mut data = json!({
            "task": self.ledger.task.as_str(),
            "queue": self.ledger.queue.as_str(),
            "chain": self.policy.chain,
            "stage": self.policy.stage.as_str(),
            "outcome": outcome.as_str(),
            "reason": self.reason.as_str(),
            "attempts": self.attempts(),
            "lastAnswer": self.run.and_then(|run| run.response.as_ref()).map(last_answer),
        });
        if let Some(life) = &self.ledger.life {
            data["life"] = life.number.into();
            data["redriveOf"] = life.root_before().notification().as_str().into();
        }
        if outcome == Outcome::Failed {
            data["ledger"] = self.ledger.to_json();
            data["request"] = self.request(detail);
        }
        data
    }

    /// The attempts by stage. If a task was on a stage twice, both count.
    fn attempts(&self) -> Map<String, Value> {
        let mut attempts: BTreeMap<&str, u64> = BTreeMap::new();
        let mut order = Vec::new();
        for record in &self.ledger.stages {
            let stage = record.stage.as_str();
            if !attempts.contains_key(stage) {
                order.push(stage);
            }
            *attempts.entry(stage).or_default() += u64::from(record.attempts);
        }
        order
            .into_iter()
            .map(|stage| (stage.to_owned(), attempts[stage].into()))
            .collect()
    }

    /// The task itself, so that its data outlives it.
    fn request(&self, detail: RequestDetail) -> Value {
        let PushRequest {
            method, path, body, ..
        } = self.push;
        let path = path.as_str();
        let headers = || json!(to_api_headers(&self.push.task_headers()));
        let base64 = || Value::String(BASE64_STANDARD.encode(body));
        let left_out = |what: &str| format!("{what} left out: the event would be too large");
        match detail {
            RequestDetail::All => json!({
                "method": method.as_str(), "path": path, "headers": headers(),
                "bodyBase64": base64(), "bodyBytes": body.len(),
            }),
            RequestDetail::WithoutBody => json!({
                "method": method.as_str(), "path": path, "headers": headers(),
                "bodyBase64": null, "bodyBytes": body.len(), "leftOut": left_out("the body is"),
            }),
            RequestDetail::Nothing => json!({
                "method": method.as_str(), "path": null, "headers": null,
                "bodyBase64": null, "bodyBytes": body.len(),
                "leftOut": left_out("path, headers and body are"),
            }),
        }
    }
}

fn last_answer(response: &HandlerResponse) -> Value {
    let HandlerResponse {
        status,
        headers,
        body: KeptBody {
            bytes: body,
            truncated,
        },
    } = response;
    // A truncated body may end within a character.
    let whole = match std::str::from_utf8(body) {
        Err(error) if *truncated && error.error_len().is_none() => &body[..error.valid_up_to()],
        _ => body,
    };
    let mut answer = json!({"status": status});
    match std::str::from_utf8(whole) {
        Ok(text) => answer["body"] = text.into(),
        Err(_) => answer["bodyBase64"] = BASE64_STANDARD.encode(body).into(),
    }
    answer["truncated"] = (*truncated).into();
    for (field, name) in [
        ("contentType", header::CONTENT_TYPE),
        ("contentEncoding", header::CONTENT_ENCODING),
        ("location", header::LOCATION),
    ] {
        if let Some(value) = headers.get(name) {
            answer[field] = String::from_utf8_lossy(value.as_bytes()).into();
        }
    }
    answer
}
