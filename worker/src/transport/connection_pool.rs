//! The connections to one handler: those that are idle are used again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::Full;
use tower::ServiceExt;

use super::connection::{Broken, Connection, KeptBody};
use super::connector::{ConnectError, Connector, connector};

/// How long a connection may be idle. If the handler closes an idle connection just as a request is
/// sent, the attempt fails, because it is unknown whether the handler has read it. Servers close after
/// 2 s (gunicorn), 5 s (Node, uvicorn) or more.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// The connections to one handler.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionPool {
    connector: Connector,
    /// What is connected to.
    handler: Uri,
    /// For requests without a Host header.
    host: HeaderValue,
    idle: Arc<Mutex<Idle>>,
}

/// The connections that are idle, longest idle first.
#[derive(Debug, Default)]
struct Idle {
    connections: Vec<(Instant, Connection)>,
    /// Whether a tokio task closes them in time.
    is_watched: bool,
}

/// Why there is no complete response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The handler can't be connected to.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The handler has closed the connection before anything of the request was written.
    #[error("the handler has closed the new connection")]
    Unsent,
    /// The handler may have read the request.
    #[error("the connection is broken")]
    Sent(#[source] hyper::Error),
}

impl ConnectionPool {
    /// Connects to the host of a URL within `connect_timeout`.
    pub(crate) fn new(scheme: &Scheme, authority: &Authority, connect_timeout: Duration) -> Self {
        let handler = Uri::builder()
            .scheme(scheme.clone())
            .authority(authority.clone())
            .path_and_query("/")
            .build()
            .expect("a scheme, an authority and a path make a URI");
        Self {
            connector: connector(Some(scheme), connect_timeout),
            handler,
            host: host(scheme, authority),
            idle: Arc::default(),
        }
    }

    /// Sends a request to the handler and reads the response to its end.
    ///
    /// What may have been read by the handler is never sent again.
    pub(crate) async fn exchange(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<KeptBody>, ExchangeError> {
        request
            .headers_mut()
            .entry(header::HOST)
            .or_insert_with(|| self.host.clone());
        if let Some(path) = request.uri().path_and_query().cloned() {
            *request.uri_mut() = Uri::from(path);
        }
        loop {
            let idle = self.idle().take();
            let is_new = idle.is_none();
            let mut connection = match idle {
                Some(connection) => connection,
                // Boxed: most requests need no new connection, and their future would carry the space.
                None => Box::pin(self.connect()).await?,
            };
            match connection.exchange(request).await {
                Ok(response) => {
                    if connection.settle() {
                        self.put(connection);
                    }
                    return Ok(response);
                }
                Err(Broken::Sent(error)) => return Err(ExchangeError::Sent(error)),
                Err(Broken::Unsent(_)) if is_new => return Err(ExchangeError::Unsent),
                Err(Broken::Unsent(unsent)) => request = *unsent,
            }
        }
    }

    async fn connect(&self) -> Result<Connection, ExchangeError> {
        let stream = self.connector.clone().oneshot(self.handler.clone()).await?;
        Connection::new(stream).await.map_err(ExchangeError::Sent)
    }

    fn put(&self, connection: Connection) {
        let mut idle = self.idle();
        idle.connections.push((Instant::now(), connection));
        if !std::mem::replace(&mut idle.is_watched, true) {
            tokio::spawn(close_in_time(Arc::downgrade(&self.idle)));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        lock(&self.idle)
    }
}

impl Idle {
    /// The one that was used last. The others get their turn when more are needed, or are closed.
    fn take(&mut self) -> Option<Connection> {
        let (since, connection) = self.connections.pop()?;
        if since.elapsed() < IDLE_TIMEOUT {
            return Some(connection);
        }
        // All others are idle for longer.
        self.connections.clear();
        None
    }
}

/// Closes connections that are idle for too long, until there are none.
async fn close_in_time(idle: Weak<Mutex<Idle>>) {
    loop {
        tokio::time::sleep(IDLE_TIMEOUT).await;
        let Some(idle) = idle.upgrade() else { return };
        let mut idle = lock(&idle);
        idle.connections
            .retain(|(since, _)| since.elapsed() < IDLE_TIMEOUT);
        if idle.connections.is_empty() {
            idle.is_watched = false;
            return;
        }
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Host and port, without the scheme's own port.
fn host(scheme: &Scheme, authority: &Authority) -> HeaderValue {
    let own = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    let port = authority.port_u16().filter(|port| *port != own);
    let host = authority.host();
    let text = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    HeaderValue::try_from(text).expect("the host of a URL is plain ASCII")
}
