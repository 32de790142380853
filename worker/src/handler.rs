//! Runs the handler: sends it the task, and turns its response into a result.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use decide::{Delivery, FailedAttempt, HandlerHeaders, RunResult, StagePolicy, TaskReason};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tracing::warn;

use crate::config::{Config, HandlerUrl};
use crate::transport::{PushRequest, connector};

/// The bytes of the handler's response that the notification carries.
const KEPT_BYTES: usize = 4096;
/// A handler in the same pod, or a service near by, accepts within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may be idle. If the handler closes an idle connection just as a request is
/// sent, the attempt fails, because it is unknown whether the handler has read it. Servers close after
/// 2 s (gunicorn), 5 s (Node, uvicorn) or more.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// The connections to one handler.
#[derive(Debug, Clone)]
pub(crate) struct HandlerClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: HandlerUrl,
    timeout: Duration,
}

/// One run of the handler.
#[derive(Debug)]
pub(crate) struct HandlerRun {
    pub result: RunResult,
    pub response: Option<HandlerResponse>,
}

/// The beginning of the handler's response.
#[derive(Debug)]
pub(crate) struct HandlerResponse {
    pub status: u16,
    /// At most [`KEPT_BYTES`].
    pub body: Bytes,
    /// Whether the body is longer.
    pub truncated: bool,
}

impl HandlerClient {
    pub(crate) fn new(config: &Config) -> Self {
        // Below the run's time-out, so that an address that doesn't respond is not taken for a slow
        // handler.
        let connector = connector(CONNECT_TIMEOUT.min(config.handler_timeout / 2));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self {
            client,
            url: config.handler.clone(),
            timeout: config.handler_timeout,
        }
    }

    /// Sends the task and waits for the response, up to the time-out.
    pub(crate) async fn run(
        &self,
        push: &PushRequest,
        delivery: &Delivery,
        policy: &StagePolicy,
    ) -> HandlerRun {
        let request = self.request(push, delivery, policy);
        tokio::time::timeout(self.timeout, self.send(request))
            .await
            .unwrap_or_else(|_| HandlerRun::failed(TaskReason::TIMEOUT))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> HandlerRun {
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                warn!(%error, "the handler does not accept connections");
                return HandlerRun {
                    result: RunResult::Unreachable,
                    response: None,
                };
            }
            Err(_) => return HandlerRun::failed(TaskReason::CONNECTION),
        };
        let (head, body) = response.into_parts();
        // Only a complete response counts: a handler that dies in the middle of a 200 has not succeeded.
        match read_to_end(body).await {
            Ok((body, truncated)) => HandlerRun {
                result: result(&head),
                response: Some(HandlerResponse {
                    status: head.status.as_u16(),
                    body,
                    truncated,
                }),
            },
            Err(_) => HandlerRun::failed(TaskReason::CONNECTION),
        }
    }

    fn request(
        &self,
        push: &PushRequest,
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
        *headers = push.task_headers();
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

    fn uri(&self, push: &PushRequest) -> Uri {
        let path = self.url.path.as_ref().unwrap_or(&push.path);
        Uri::builder()
            .scheme(self.url.scheme.clone())
            .authority(self.url.authority.clone())
            .path_and_query(path.clone())
            .build()
            .expect("a scheme, an authority and a path make a URI")
    }
}

impl HandlerRun {
    fn failed(reason: TaskReason) -> Self {
        let result = RunResult::Failed(FailedAttempt {
            status: None,
            verdict: None,
            reason,
        });
        Self {
            result,
            response: None,
        }
    }

    /// The handler's status.
    pub(crate) fn status(&self) -> Option<u16> {
        self.response.as_ref().map(|response| response.status)
    }
}

fn result(head: &Parts) -> RunResult {
    let status = head.status.as_u16();
    if head.status.is_success() {
        return RunResult::Succeeded { status };
    }
    let HandlerHeaders {
        verdict,
        reason,
        invalid,
    } = HandlerHeaders::parse(&head.headers);
    for header in invalid {
        warn!(
            header,
            "the handler's header is not valid and is ignored; the attempt has failed"
        );
    }
    let reason = reason.unwrap_or(TaskReason::STATUS);
    RunResult::Failed(FailedAttempt {
        status: Some(status),
        verdict,
        reason,
    })
}

/// Reads the body to its end, however long it is: a handler that is cut off has not finished its work.
/// Keeps the first [`KEPT_BYTES`], and says whether the body is longer.
async fn read_to_end(mut body: Incoming) -> Result<(Bytes, bool), hyper::Error> {
    let mut kept = BytesMut::new();
    let mut truncated = false;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let fits = data.len().min(KEPT_BYTES - kept.len());
        kept.extend_from_slice(&data[..fits]);
        truncated |= fits < data.len();
    }
    Ok((kept.freeze(), truncated))
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("ids, names and numbers are plain ASCII");
    headers.insert(HeaderName::from_static(name), value);
}
