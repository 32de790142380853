//! The run: the task is sent to the handler, and its answer becomes a verdict.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use decide::{Delivery, FailedAttempt, HandlerHeaders, Reason, RunResult, StagePolicy};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tracing::warn;

use crate::config::{Config, HandlerUrl};
use crate::connector::connector;
use crate::push::Push;

/// How much of the handler's answer is kept for the notification, in bytes.
const KEPT: usize = 4096;
/// A handler in the same pod, or a service near by, accepts within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may wait for its next run. A request sent just as the handler closes an
/// idle connection counts as a failed attempt, since nobody knows whether it was read; servers
/// close after 2 s (gunicorn), 5 s (Node, uvicorn) or more.
const IDLE: Duration = Duration::from_secs(1);

/// The connections to one handler.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: HandlerUrl,
    timeout: Duration,
}

/// How a run ended, and what the handler said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub run: RunResult,
    pub last_answer: Option<LastAnswer>,
}

/// The beginning of the handler's answer.
#[derive(Debug)]
pub(crate) struct LastAnswer {
    pub status: u16,
    /// At most [`KEPT`] bytes.
    pub body: Bytes,
    /// Whether there was more.
    pub truncated: bool,
}

impl Handler {
    pub(crate) fn new(config: &Config) -> Self {
        // Below the time-out of the run, so that a silent address is not taken for a slow handler.
        let connector = connector(CONNECT_TIMEOUT.min(config.handler_timeout / 2));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self {
            client,
            url: config.handler.clone(),
            timeout: config.handler_timeout,
        }
    }

    /// Sends the task, and waits for the answer up to the time-out.
    pub(crate) async fn run(&self, push: &Push, delivery: &Delivery, policy: &StagePolicy) -> Ran {
        let request = self.request(push, delivery, policy);
        let answered = tokio::time::timeout(self.timeout, self.send(request)).await;
        match answered {
            Ok(ran) => ran,
            Err(_) => Ran::failed(Reason::TIMEOUT),
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Ran {
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                warn!(%error, "the handler does not accept connections");
                return Ran {
                    run: RunResult::Unreachable,
                    last_answer: None,
                };
            }
            Err(_) => return Ran::failed(Reason::CONNECTION),
        };
        let (head, body) = response.into_parts();
        // The answer counts when it is complete: a handler that dies in the middle of a 200 has
        // not said that it is done.
        match read_to_end(body).await {
            Ok((body, truncated)) => {
                let status = head.status.as_u16();
                let last_answer = Some(LastAnswer {
                    status,
                    body,
                    truncated,
                });
                Ran {
                    run: judge(&Response::from_parts(head, ())),
                    last_answer,
                }
            }
            Err(_) => Ran::failed(Reason::CONNECTION),
        }
    }

    fn request(
        &self,
        push: &Push,
        delivery: &Delivery,
        policy: &StagePolicy,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(push.body.clone()));
        *request.method_mut() = push
            .method
            .as_str()
            .parse()
            .expect("each is a method of HTTP");
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = self.uri(push);
        let headers = request.headers_mut();
        *headers = push.own_headers();
        set(headers, "executor-chain", &policy.chain);
        set(headers, "executor-stage", policy.stage.as_str());
        set(headers, "executor-task", delivery.ledger.task.as_str());
        set(
            headers,
            "executor-attempt",
            &delivery.execution_count.saturating_add(1).to_string(),
        );
        set(
            headers,
            "executor-max-attempts",
            &policy.max_attempts.to_string(),
        );
        request
    }

    fn uri(&self, push: &Push) -> Uri {
        let path = self.url.path.as_ref().unwrap_or(&push.path);
        Uri::builder()
            .scheme(self.url.scheme.clone())
            .authority(self.url.authority.clone())
            .path_and_query(path.clone())
            .build()
            .expect("a scheme, an authority and a path make a URI")
    }
}

impl Ran {
    fn failed(reason: Reason) -> Self {
        let run = RunResult::Failed(FailedAttempt {
            status: None,
            verdict: None,
            reason,
        });
        Self {
            run,
            last_answer: None,
        }
    }

    /// The handler's status.
    pub(crate) fn status(&self) -> Option<u16> {
        self.last_answer.as_ref().map(|answer| answer.status)
    }
}

fn judge(response: &Response<()>) -> RunResult {
    let status = response.status().as_u16();
    if response.status().is_success() {
        return RunResult::Succeeded { status };
    }
    let HandlerHeaders {
        verdict,
        reason,
        unreadable,
    } = HandlerHeaders::parse(response.headers());
    for header in unreadable {
        warn!(
            header,
            "the handler says something that is no known word; the attempt has failed"
        );
    }
    let reason = reason.unwrap_or(Reason::STATUS);
    RunResult::Failed(FailedAttempt {
        status: Some(status),
        verdict,
        reason,
    })
}

/// Reads the body to its end, however long it is: a handler that is cut off while it writes has not
/// finished its work. Keeps the first [`KEPT`] bytes, and says whether there were more.
async fn read_to_end(mut body: Incoming) -> Result<(Bytes, bool), hyper::Error> {
    let mut kept = BytesMut::new();
    let mut truncated = false;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let room = data.len().min(KEPT - kept.len());
        kept.extend_from_slice(&data[..room]);
        truncated |= room < data.len();
    }
    Ok((kept.freeze(), truncated))
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("ids, names and numbers are plain ASCII");
    headers.insert(HeaderName::from_static(name), value);
}
