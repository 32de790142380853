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
                    if let Some(connection) = connection.settle() {
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use futures::future::join_all;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::{oneshot, watch};
    use tokio::time::timeout;

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    /// More than the buffers of a connection hold.
    const BODY: usize = 20 << 20;

    #[tokio::test]
    async fn a_handler_that_answers_early_gets_the_whole_body() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (answered, was_answered) = oneshot::channel();
        let handler = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            stream.write_all(ANSWER).await.unwrap();
            was_answered.await.unwrap();
            let mut body = 0;
            while body < BODY {
                let more = stream.read(&mut [0; 1 << 14]).await.unwrap();
                assert!(more > 0, "the connection was closed after {body} bytes");
                body += more;
            }
        });
        let body = Bytes::from(vec![b'x'; BODY]);
        let response = pool(addr).exchange(request(addr, body)).await.unwrap();
        assert_eq!(response.status(), 200);
        answered.send(()).unwrap();
        handler.await.unwrap();
    }

    fn pool(handler: SocketAddr) -> ConnectionPool {
        let authority = handler.to_string().parse().unwrap();
        ConnectionPool::new(&Scheme::HTTP, &authority, Duration::from_secs(10))
    }

    fn request(handler: SocketAddr, body: Bytes) -> Request<Full<Bytes>> {
        let request = Request::post(format!("http://{handler}/"));
        request.body(Full::new(body)).unwrap()
    }

    /// More than the polls that tokio grants a task at once.
    const CONNECTIONS: usize = 200;

    /// Answers one request, when all first ones are there, and then waits to close the connection.
    async fn keep(
        mut stream: TcpStream,
        (requests, closed): (watch::Sender<usize>, watch::Sender<usize>),
        mut over: watch::Receiver<bool>,
    ) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.unwrap() == 0 {
                return;
            }
        }
        requests.send_modify(|count| *count += 1);
        let all = |count: &usize| *count >= CONNECTIONS;
        requests.subscribe().wait_for(all).await.unwrap();
        stream.write_all(ANSWER).await.unwrap();
        let _ = over.wait_for(|over| *over).await;
        drop(stream);
        closed.send_modify(|count| *count += 1);
    }

    #[tokio::test]
    async fn a_request_is_sent_however_many_idle_connections_the_handler_has_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (end, over) = watch::channel(false);
        let (closed, mut are_closed) = watch::channel(0);
        tokio::spawn(async move {
            let counts = (watch::Sender::new(0), closed);
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(keep(stream, counts.clone(), over.clone()));
            }
        });
        let pool = pool(addr);
        let exchange = || pool.exchange(request(addr, Bytes::new()));
        let all = join_all((0..CONNECTIONS).map(|_| exchange())).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(pool.idle().connections.len(), CONNECTIONS);
        end.send_replace(true);
        let all = |count: &usize| *count == CONNECTIONS;
        are_closed.wait_for(all).await.unwrap();
        // The runtime hears of what has happened in its order.
        drop(TcpStream::connect(addr).await.unwrap());
        let next = tokio::spawn({
            let pool = pool.clone();
            async move {
                // Each closed connection takes two of an even number.
                tokio::task::consume_budget().await;
                pool.exchange(request(addr, Bytes::new())).await
            }
        });
        let next = timeout(Duration::from_secs(20), next).await;
        next.unwrap().unwrap().unwrap();
    }
}
