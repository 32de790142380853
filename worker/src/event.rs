//! The event that tells the client how a task ended: `CloudEvents` 1.0, structured JSON.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cloudevents::{Event, EventBuilder, EventBuilderV10};
use decide::headers::to_api_headers;
use decide::{Ledger, Outcome, PendingCreate, StagePolicy};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::push::Push;
use crate::run::{LastAnswer, Ran};

const SUCCEEDED: &str = "dev.executor-chain.task.succeeded.v1";
const FAILED: &str = "dev.executor-chain.task.failed.v1";
/// The largest event, in bytes. A task on the notifier queue is 1 MiB at most, headers included.
const MAX_EVENT: usize = 900_000;

/// What an event is made of.
pub(crate) struct Told<'a> {
    pub push: &'a Push,
    pub policy: &'a StagePolicy,
    /// With the last stage in it.
    pub ledger: &'a Ledger,
    pub pending: &'a PendingCreate,
    /// The run that this dispatch made, if any.
    pub ran: Option<&'a Ran>,
}

/// How much of the task itself an event carries.
#[derive(Clone, Copy)]
enum Carried {
    All,
    WithoutBody,
    Nothing,
}

impl Told<'_> {
    /// The event as JSON, with as much of a failed task as fits.
    pub(crate) fn event(&self, outcome: Outcome) -> Vec<u8> {
        let least = if self.pending.folded {
            Carried::Nothing
        } else {
            Carried::All
        };
        let whole = self.encode(outcome, least);
        if whole.len() <= MAX_EVENT {
            return whole;
        }
        let without_body = self.encode(outcome, Carried::WithoutBody);
        if without_body.len() <= MAX_EVENT {
            return without_body;
        }
        self.encode(outcome, Carried::Nothing)
    }

    fn encode(&self, outcome: Outcome, carried: Carried) -> Vec<u8> {
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
            .data("application/json", self.data(outcome, carried))
            .build()
            .expect("id, type and source are set, and the time is RFC 3339");
        serde_json::to_vec(&event).expect("an event is JSON")
    }

    fn data(&self, outcome: Outcome, carried: Carried) -> Value {
        let mut data = json!({
            "task": self.ledger.task.as_str(),
            "queue": self.ledger.queue.as_str(),
            "chain": self.policy.chain,
            "stage": self.policy.stage.as_str(),
            "outcome": outcome.as_str(),
            "reason": self.pending.reason.as_str(),
            "attempts": self.attempts(),
            "lastAnswer": self.ran.and_then(|ran| ran.last_answer.as_ref()).map(last_answer),
        });
        if outcome == Outcome::Failed {
            data["ledger"] = self.ledger.to_json();
            data["request"] = self.request(carried);
        }
        data
    }

    /// Attempts by stage. A stage that the task came over twice counts both.
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

    /// The task itself: the end of the ladder must not be the end of the data.
    fn request(&self, carried: Carried) -> Value {
        let Push {
            method, path, body, ..
        } = self.push;
        let path = path.as_str();
        let headers = || json!(to_api_headers(&self.push.own_headers()));
        let base64 = || Value::String(BASE64_STANDARD.encode(body));
        let left_out = |what: &str| format!("{what} left out: the event would be too large");
        match carried {
            Carried::All => json!({
                "method": method.as_str(), "path": path, "headers": headers(),
                "bodyBase64": base64(), "bodyBytes": body.len(),
            }),
            Carried::WithoutBody => json!({
                "method": method.as_str(), "path": path, "headers": headers(),
                "bodyBase64": null, "bodyBytes": body.len(), "leftOut": left_out("the body is"),
            }),
            Carried::Nothing => json!({
                "method": method.as_str(), "path": null, "headers": null,
                "bodyBase64": null, "bodyBytes": body.len(),
                "leftOut": left_out("path, headers and body are"),
            }),
        }
    }
}

fn last_answer(answer: &LastAnswer) -> Value {
    let LastAnswer {
        status,
        body,
        truncated,
    } = answer;
    // What is kept may end within a character.
    let whole = match std::str::from_utf8(body) {
        Err(error) if *truncated && error.error_len().is_none() => &body[..error.valid_up_to()],
        _ => body,
    };
    match std::str::from_utf8(whole) {
        Ok(text) => json!({"status": status, "body": text, "truncated": truncated}),
        Err(_) => json!({
            "status": status, "bodyBase64": BASE64_STANDARD.encode(body), "truncated": truncated,
        }),
    }
}
