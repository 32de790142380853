//! The read-only API of an operator, or of `executor-chain dev`, over one connection.

use std::time::Duration;

use bytes::Bytes;
use console::{ChainList, LiveChain, Standby};
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::scope::Scope;
use super::seen::Seen;

/// For one request and its response.
const TIMEOUT: Duration = Duration::from_secs(5);

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

/// A connection to the API.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Empty<Bytes>>,
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
            Reply::Found(list) => Reply::Found(Seen {
                at: list.at,
                interval: list.interval,
                chains: scope.of(list.items),
                gaps: Vec::new(),
            }),
            Reply::Absent => Reply::Absent,
            Reply::Standby(leader) => Reply::Standby(leader),
        })
    }

    async fn read<T: DeserializeOwned>(&mut self, path: &str) -> Result<Reply<T>, String> {
        let (status, body) = timeout(TIMEOUT, self.get(path))
            .await
            .map_err(|_| format!("no response in {} s", TIMEOUT.as_secs()))??;
        match status {
            StatusCode::OK => serde_json::from_slice(&body)
                .map(Reply::Found)
                .map_err(|error| {
                    format!("its response is of another version of this program ({error})")
                }),
            StatusCode::NOT_FOUND if is_of_the_api(&body) => Ok(Reply::Absent),
            StatusCode::NOT_FOUND => {
                Err("it has no live numbers: it is older than this program".into())
            }
            StatusCode::SERVICE_UNAVAILABLE => Ok(Reply::Standby(leader(&body))),
            other => Err(format!("GET {path}: status {other}")),
        }
    }

    async fn get(&mut self, path: &str) -> Result<(StatusCode, Bytes), String> {
        let request = Request::get(path)
            .header(HOST, &self.host)
            .body(Empty::new())
            .map_err(reason)?;
        self.sender.ready().await.map_err(reason)?;
        let response = self.sender.send_request(request).await.map_err(reason)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(reason)?;
        Ok((status, body.to_bytes()))
    }
}

/// Whether the answer is one of the API, or of a program that doesn't have it.
fn is_of_the_api(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Problem {
        #[serde(rename = "error")]
        _error: String,
    }
    serde_json::from_slice::<Problem>(body).is_ok()
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
