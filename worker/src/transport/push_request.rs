//! A push: the task, and the headers that it came with.

use std::sync::Arc;

use axum::body::HttpBody;
use bytes::Bytes;
use cloudtasks::Method;
use decide::Answer;
use decide::headers::{PushHeaders, TokenOrigin};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use worker_contract::limits;

/// A complete push.
#[derive(Debug)]
pub(crate) struct PushRequest {
    pub method: Method,
    /// Path and query, as in the request.
    pub path: PathAndQuery,
    /// All headers.
    pub headers: HeaderMap,
    /// Whose `Authorization` is.
    token: TokenOrigin,
    /// The names that stay with the task although proxies add headers of that name.
    keep: Arc<[HeaderName]>,
    pub body: Bytes,
    /// Before the body.
    pub arrived_at: Timestamp,
}

/// Why a push can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the body is larger than any task")]
    TooLarge,
    #[error("the connection broke, or the body took too long")]
    Broken,
    #[error("Cloud Tasks has no such HTTP method")]
    Method,
}

impl ReadError {
    pub(crate) fn answer(self, previous: Option<u16>) -> Answer {
        match self {
            Self::TooLarge => Answer::TooLarge,
            Self::Broken | Self::Method => Answer::Unknown.unless_pending(previous),
        }
    }
}

impl PushRequest {
    /// Reads the body. If its announced length exceeds the limit, nothing is read.
    pub(crate) async fn read(
        parts: Parts,
        body: Incoming,
        token: TokenOrigin,
        keep: Arc<[HeaderName]>,
    ) -> Result<Self, ReadError> {
        // A slow body doesn't make the push late.
        let arrived_at = Timestamp::now();
        let method = Method::parse(parts.method.as_str()).ok_or(ReadError::Method)?;
        let announced = body.size_hint().lower();
        if announced > limits::TASK_BYTES as u64 {
            return Err(ReadError::TooLarge);
        }
        // A chunked body announces no length.
        let collected = Limited::new(body, limits::TASK_BYTES).collect().await;
        let body = collected.map_err(|error| {
            if error.is::<LengthLimitError>() {
                ReadError::TooLarge
            } else {
                ReadError::Broken
            }
        })?;
        Ok(Self {
            method,
            path: parts
                .uri
                .path_and_query()
                .map_or_else(|| PathAndQuery::from_static("/"), PathAndQuery::clone),
            headers: parts.headers,
            token,
            keep,
            body: body.to_bytes(),
            arrived_at,
        })
    }

    /// The headers that stay with the task.
    pub(crate) fn task_headers(&self) -> HeaderMap {
        self.by_origin(false).of_task()
    }

    /// The headers that the handler gets, of those that the push has.
    pub(crate) fn handler_headers(&self, pass_token: bool) -> HeaderMap {
        self.by_origin(pass_token).for_handler()
    }

    fn by_origin(&self, pass_token: bool) -> PushHeaders<'_> {
        PushHeaders {
            all: &self.headers,
            keep: &self.keep,
            token: self.token,
            pass_token,
        }
    }
}
