//! Runs the handler: sends it the task, and turns its response into a result.

use std::error::Error as StdError;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use cloudtasks::Method;
use decide::headers::set_cloud_tasks_headers;
use decide::rules::LATER;
use decide::{Delivery, FailedAttempt, HandlerHeaders, RunResult, StagePolicy, TaskReason};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version, header};
use http_body_util::Full;
use jiff::Timestamp;
use tower::{ServiceExt, service_fn};
use tower_http::follow_redirect::FollowRedirect;
use tower_http::follow_redirect::policy::{Limited, PolicyExt, SameOrigin, clone_body_fn};
use tracing::warn;

use crate::config::{HandlerConfig, HandlerUrl};
use crate::transport::{ConnectionPool, ExchangeError, KeptBody, PushRequest};

/// A handler in the same pod, or a service near by, accepts within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The most redirects of a run.
const MAX_REDIRECTS: usize = 5;

/// The connections to one handler.
#[derive(Debug, Clone)]
pub(crate) struct HandlerClient {
    connections: ConnectionPool,
    config: HandlerConfig,
    /// The headers with the same values in each request.
    headers: Vec<(HeaderName, HeaderValue)>,
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
    pub headers: HeaderMap,
    pub body: KeptBody,
}

impl HandlerClient {
    pub(crate) fn new(config: &HandlerConfig, policy: &StagePolicy) -> Self {
        // Below the run's time-out, so that an address that doesn't respond is not taken for a slow
        // handler.
        let connect_timeout = CONNECT_TIMEOUT.min(config.timeout / 2);
        let HandlerUrl {
            scheme, authority, ..
        } = &config.url;
        Self {
            connections: ConnectionPool::new(scheme, authority, connect_timeout),
            config: config.clone(),
            headers: fixed_headers(config, policy),
        }
    }

    /// Sends the task and waits for the response, up to the time-out.
    pub(crate) async fn run(&self, push: &PushRequest, delivery: &Delivery) -> HandlerRun {
        let send = self.send(|| self.request(push, delivery));
        tokio::time::timeout(self.config.timeout, send)
            .await
            .unwrap_or_else(|_| HandlerRun::failed(TaskReason::TIMEOUT))
    }

    async fn send(&self, request: impl Fn() -> Request<Full<Bytes>>) -> HandlerRun {
        let (response, redirected) = match self.connections.exchange(request()).await {
            // Boxed and apart: few handlers redirect, and what follows redirects copies each request.
            Ok(redirect) if redirect.status().is_redirection() => {
                (Box::pin(self.follow(request(), redirect)).await, true)
            }
            response => (response, false),
        };
        let (head, body) = match response {
            Ok(response) => response.into_parts(),
            Err(error) => return HandlerRun::without_response(&error, redirected),
        };
        HandlerRun {
            result: result(&head),
            response: Some(HandlerResponse {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
            }),
        }
    }

    /// Follows a redirect, the response to this request, and those after it.
    async fn follow(
        &self,
        request: Request<Full<Bytes>>,
        redirect: Response<KeptBody>,
    ) -> Result<Response<KeptBody>, ExchangeError> {
        let first = Mutex::new(Some(redirect));
        let client = service_fn(|request: Request<Full<Bytes>>| {
            let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            async move {
                match first {
                    Some(redirect) => Ok(redirect),
                    None => self.connections.exchange(request).await,
                }
            }
        });
        let same_origin = Limited::new(MAX_REDIRECTS)
            .and::<_, Full<Bytes>, ExchangeError>(SameOrigin::new())
            .and::<_, Full<Bytes>, ExchangeError>(clone_body_fn(|body: &Full<Bytes>| {
                Some(body.clone())
            }));
        FollowRedirect::with_policy(client, same_origin)
            .oneshot(request)
            .await
    }

    fn request(&self, push: &PushRequest, delivery: &Delivery) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(push.body.clone()));
        *request.method_mut() = push
            .method
            .as_str()
            .parse()
            .expect("each is a method of HTTP");
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = self.uri(push);
        let headers = request.headers_mut();
        *headers = push.handler_headers(self.config.pass_token);
        // Without it, servers wait for a body or answer 411.
        if push.body.is_empty() && matches!(push.method, Method::Post | Method::Put | Method::Patch)
        {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if self.config.cloud_tasks_headers {
            set_cloud_tasks_headers(headers, delivery, &push.headers);
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        headers.insert(
            const { HeaderName::from_static("executor-task") },
            text(delivery.ledger.task.as_str()),
        );
        let attempt = delivery.attempts().saturating_add(1);
        headers.insert(
            const { HeaderName::from_static("executor-attempt") },
            HeaderValue::from(attempt),
        );
        request
    }

    fn uri(&self, push: &PushRequest) -> Uri {
        let HandlerUrl {
            scheme,
            authority,
            path,
        } = &self.config.url;
        let path = path.as_ref().unwrap_or(&push.path);
        Uri::builder()
            .scheme(scheme.clone())
            .authority(authority.clone())
            .path_and_query(path.clone())
            .build()
            .expect("a scheme, an authority and a path make a URI")
    }
}

impl HandlerRun {
    /// Without a connection the handler can't have read the request, so this is no attempt. Two exceptions:
    /// the handler has read it and redirected; or its TLS doesn't work, which no retry changes.
    fn without_response(error: &ExchangeError, redirected: bool) -> Self {
        let causes = causes(error);
        if causes.iter().any(|cause| cause.is::<rustls::Error>()) {
            warn!(
                error = chain(&causes),
                "the TLS connection to the handler fails"
            );
            return Self::failed(TaskReason::TLS);
        }
        let unread = matches!(error, ExchangeError::Connect(_) | ExchangeError::Unsent);
        if unread && !redirected {
            warn!(error = chain(&causes), "the handler accepts no connection");
            return Self {
                result: RunResult::Unreachable,
                response: None,
            };
        }
        warn!(
            error = chain(&causes),
            "the connection to the handler broke"
        );
        Self::failed(TaskReason::CONNECTION)
    }

    fn failed(reason: TaskReason) -> Self {
        let result = RunResult::Failed(FailedAttempt {
            status: None,
            verdict: None,
            reason,
            retry_after: None,
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
        retry_after,
        invalid,
    } = HandlerHeaders::parse(&head.headers, Timestamp::now());
    if retry_after.is_some_and(|time| time > *LATER.end()) {
        warn!(?retry_after, longest = ?LATER.end(), "the handler's Retry-After is too long and is shortened");
    }
    for header in invalid {
        warn!(
            header,
            "the handler's header is not valid and is ignored; the attempt has failed"
        );
    }
    // Only a redirect to another origin, or one too many, gets here: the others were followed.
    let redirect = head.headers.contains_key(header::LOCATION)
        && matches!(status, 301 | 302 | 303 | 307 | 308);
    let own = if redirect {
        TaskReason::REDIRECT
    } else {
        TaskReason::STATUS
    };
    let reason = reason.unwrap_or(own);
    RunResult::Failed(FailedAttempt {
        status: Some(status),
        verdict,
        reason,
        retry_after,
    })
}

/// An error and what caused it, from the outside in.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error)).collect()
}

/// What an I/O error wraps is not its source.
fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn chain(causes: &[&(dyn StdError + 'static)]) -> String {
    let texts: Vec<String> = causes.iter().map(ToString::to_string).collect();
    texts.join(": ")
}

/// The headers with the same values in each request.
fn fixed_headers(config: &HandlerConfig, policy: &StagePolicy) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = config.headers.clone();
    headers.extend(config.host.clone().map(|host| (header::HOST, host)));
    // The answer is kept for people to read.
    let identity = HeaderValue::from_static("identity");
    headers.push((header::ACCEPT_ENCODING, identity));
    let mut add = |name, value| headers.push((HeaderName::from_static(name), value));
    add("executor-chain", text(policy.chain.as_str()));
    add("executor-stage", text(policy.stage.as_str()));
    add(
        "executor-max-attempts",
        text(policy.max_attempts.to_string()),
    );
    headers
}

fn text(value: impl Into<String>) -> HeaderValue {
    HeaderValue::try_from(value.into()).expect("ids, names and numbers are plain ASCII")
}
