//! The API of an operator, or of `executor-chain dev`, over one connection.

use std::time::Duration;

use bytes::Bytes;
use console::{ChainList, LiveChain, Standby};
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::scope::Scope;
use super::seen::{Gap, Seen};

/// For one request and its response.
const TIMEOUT: Duration = Duration::from_secs(5);
/// For one that the operator asks Cloud Tasks for, which takes it 8 s and one call more.
const LONG_TIMEOUT: Duration = Duration::from_secs(20);

/// A response.
#[derive(Debug)]
pub enum Reply<T> {
    /// What was asked for.
    Found(T),
    /// There is none.
    Absent,
    /// The operator doesn't lead. It may know which one does.
    Standby(Option<String>),
}

/// A response to what was sent.
#[derive(Debug)]
pub enum Posted<T> {
    /// It was done.
    Done(T),
    /// It was refused: a sentence.
    Refused(String),
    /// The operator doesn't lead.
    Standby,
}

/// A response to a question that may have no answer now.
#[derive(Debug)]
pub enum Asked<T> {
    /// The answer.
    Found(T),
    /// There is none: a sentence.
    Refused(String),
    /// It can't be given now: a sentence.
    NotNow(String),
    /// The operator doesn't lead.
    Standby,
}

/// A connection to the API.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    /// Over a stream. `host` is what the request names.
    pub async fn over<S>(stream: S, host: String) -> Result<Self, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(reason)?;
        // It ends with the stream. Its error is that of the request that failed.
        tokio::spawn(connection);
        Ok(Self { sender, host })
    }

    /// The chains of a scope. One chain is asked for by name: a list of a thousand is some megabytes.
    pub async fn look(&mut self, scope: &Scope) -> Result<Reply<Seen>, String> {
        if let (Some(namespace), Some(name)) = (&scope.namespace, &scope.name) {
            let path = format!("/api/v1/chains/{namespace}/{name}");
            return Ok(match self.read::<LiveChain>(&path).await? {
                Reply::Found(chain) => Reply::Found(Seen {
                    chains: vec![chain],
                    ..Seen::nothing()
                }),
                Reply::Absent => Reply::Absent,
                Reply::Standby(leader) => Reply::Standby(leader),
            });
        }
        Ok(match self.read::<ChainList>("/api/v1/chains").await? {
            Reply::Found(list) => {
                let unlisted = scope.of_namespaces(list.unlisted);
                let gap = Some(unlisted).filter(|it| !it.is_empty());
                Reply::Found(Seen {
                    at: list.at,
                    interval: list.interval,
                    chains: scope.of(list.items),
                    gaps: gap.map(Gap::Unlisted).into_iter().collect(),
                })
            }
            Reply::Absent => Reply::Absent,
            Reply::Standby(leader) => Reply::Standby(leader),
        })
    }

    /// Reads what a path has.
    pub async fn read<T: DeserializeOwned>(&mut self, path: &str) -> Result<Reply<T>, String> {
        let (status, body) = self.send(Method::GET, path, Bytes::new()).await?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body)
                .map(Reply::Found)
                .map_err(|error| {
                    format!("its version differs from that of this program ({error}): use the same version")
                }),
            StatusCode::NOT_FOUND if problem(&body).is_some() => Ok(Reply::Absent),
            StatusCode::NOT_FOUND => {
                Err("it is older than this program, and has no live numbers".into())
            }
            StatusCode::SERVICE_UNAVAILABLE if let Some(error) = problem(&body) => Err(error),
            StatusCode::SERVICE_UNAVAILABLE => Ok(Reply::Standby(leader(&body))),
            other => Err(format!("GET {path}: status {other}")),
        }
    }

    /// Asks for what the operator doesn't have in memory.
    pub async fn ask<T: DeserializeOwned>(&mut self, path: &str) -> Result<Asked<T>, String> {
        let (status, body) = self
            .send_for(Method::GET, path, Bytes::new(), LONG_TIMEOUT)
            .await?;
        let problem = problem(&body);
        match (status, problem) {
            (StatusCode::OK, _) => {
                serde_json::from_slice(&body)
                    .map(Asked::Found)
                    .map_err(|error| {
                        format!("its version differs from that of this program ({error}): use the same version")
                    })
            }
            (StatusCode::SERVICE_UNAVAILABLE, None) => Ok(Asked::Standby),
            (StatusCode::TOO_MANY_REQUESTS, Some(problem)) => Ok(Asked::NotNow(problem)),
            (status, Some(problem)) if status.is_server_error() => Ok(Asked::NotNow(problem)),
            (_, Some(problem)) => Ok(Asked::Refused(problem)),
            (StatusCode::NOT_FOUND, None) => Err("it is older than this program".into()),
            (other, None) => Err(format!("GET {path}: status {other}")),
        }
    }

    /// Sends JSON to a path.
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        content: &impl Serialize,
    ) -> Result<Posted<T>, String> {
        let body = serde_json::to_vec(content).map_err(reason)?;
        let (status, body) = self.send(Method::POST, path, body.into()).await?;
        match status {
            StatusCode::OK | StatusCode::CREATED => serde_json::from_slice(&body)
                .map(Posted::Done)
                .map_err(|error| {
                    format!("its version differs from that of this program ({error}): use the same version")
                }),
            StatusCode::SERVICE_UNAVAILABLE => Ok(Posted::Standby),
            other => match problem(&body) {
                // What can't be read now is no fault of what was sent.
                Some(problem) if other.is_server_error() => Err(problem),
                Some(problem) => Ok(Posted::Refused(problem)),
                None if other == StatusCode::NOT_FOUND
                    || other == StatusCode::METHOD_NOT_ALLOWED =>
                {
                    Err("it is older than this program".into())
                }
                None => Err(format!("POST {path}: status {other}")),
            },
        }
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        self.send_for(method, path, body, TIMEOUT).await
    }

    async fn send_for(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
        patience: Duration,
    ) -> Result<(StatusCode, Bytes), String> {
        let sent = timeout(patience, self.exchange(method, path, body)).await;
        sent.map_err(|_| format!("no response in {} s", patience.as_secs()))?
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        let mut request = Request::builder()
            .method(&method)
            .uri(path)
            .header(HOST, &self.host);
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body)).map_err(reason)?;
        self.sender.ready().await.map_err(reason)?;
        let response = self.sender.send_request(request).await.map_err(reason)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(reason)?;
        Ok((status, body.to_bytes()))
    }
}

/// What the API says is wrong. `None` if the answer is of a program that doesn't have it.
fn problem(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem {
        error: String,
    }
    let problem = serde_json::from_slice::<Problem>(body).ok()?;
    Some(problem.error)
}

/// The leader that a standby names.
fn leader(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Standby>(body).ok()?.leader
}

/// The error with its causes: hyper's own text is only "connection error".
fn reason(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
