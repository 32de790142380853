//! One push as the worker holds it: the task, and how it got here.

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use cloudtasks::Method;
use decide::Answer;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;

/// The largest body that is read, in bytes: Cloud Tasks' own limit for a whole task.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// A push, read to its end.
#[derive(Debug)]
pub(crate) struct Push {
    pub method: Method,
    /// Path and query, as they stand in the request.
    pub path: PathAndQuery,
    /// Where the push was sent to.
    pub host: String,
    /// All headers.
    pub headers: HeaderMap,
    /// Whether Cloud Tasks signs the pushes of this queue.
    oidc: bool,
    pub body: Bytes,
    /// When it arrived.
    pub at: Timestamp,
}

/// Why a push could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Longer than any task.
    TooLarge,
    /// The connection broke.
    Broken,
    /// Not a method that Cloud Tasks pushes with.
    Method,
}

impl Unread {
    pub(crate) fn answer(self, previous: Option<u16>) -> Answer {
        match self {
            Self::TooLarge => Answer::TooLarge,
            Self::Broken | Self::Method => Answer::Unknown.unless_pending(previous),
        }
    }
}

impl Push {
    /// Reads the body, and not a byte of one that is announced as too long.
    pub(crate) async fn read(parts: Parts, body: Body, oidc: bool) -> Result<Self, Unread> {
        let method = Method::parse(parts.method.as_str()).ok_or(Unread::Method)?;
        let announced = body.size_hint().lower();
        if announced > MAX_BODY as u64 {
            return Err(Unread::TooLarge);
        }
        // A body in chunks announces nothing; it is cut at the limit.
        let collected = Limited::new(body, MAX_BODY).collect().await;
        let body = collected.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                Unread::TooLarge
            } else {
                Unread::Broken
            }
        })?;
        let host = parts
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| parts.uri.authority().map(http::uri::Authority::as_str))
            .unwrap_or("localhost")
            .to_owned();
        Ok(Self {
            method,
            path: parts
                .uri
                .path_and_query()
                .map_or_else(|| PathAndQuery::from_static("/"), PathAndQuery::clone),
            host,
            headers: parts.headers,
            oidc,
            body: body.to_bytes(),
            at: Timestamp::now(),
        })
    }

    /// The task's own headers, without those of the hop.
    pub(crate) fn own_headers(&self) -> HeaderMap {
        decide::headers::task_headers(&self.headers, self.oidc)
    }
}
