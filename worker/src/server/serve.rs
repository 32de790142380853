//! Serves HTTP on one port: takes as many headers as a task can have, and bounds its connections.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use worker_contract::limits;

use super::connections::{Activity, OpenConnections};
use super::head_reader::HeadReader;

/// How long to wait for a file descriptor.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(10);

/// Serves at most `max_connections` until `close`, and then answers the requests in progress. A client has
/// `head_timeout` for the head of a request.
pub(crate) async fn serve<S>(
    listener: TcpListener,
    service: S,
    max_connections: usize,
    head_timeout: Duration,
    close: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    let tasks = TaskTracker::new();
    let mut open = OpenConnections::new(max_connections);
    let max_headers = Arc::new(AtomicUsize::new(limits::PUSH_HEADER_STEPS[0]));
    let mut check = tokio::time::interval(head_timeout / 30);
    loop {
        let accepted = tokio::select! {
            () = close.cancelled() => break,
            _ = check.tick() => {
                open.close_late(head_timeout);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                if open.make_room() {
                    let activity = Arc::new(Activity::new());
                    let connection = connection(
                        stream,
                        service.clone(),
                        Arc::clone(&activity),
                        Arc::clone(&max_headers),
                        close.clone(),
                    );
                    open.add(activity, tasks.spawn(connection).abort_handle());
                }
            }
            // Its client has disconnected already.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            // Most likely no file descriptor is free.
            Err(_) => {
                open.close_longest_waiting();
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

async fn connection<S>(
    stream: TcpStream,
    service: S,
    activity: Arc<Activity>,
    max_headers: Arc<AtomicUsize>,
    close: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    S: Send + 'static,
    S::Future: Send,
{
    // Answers are sent at once, not collected into larger packets. If it fails, they are only slower.
    let _ = stream.set_nodelay(true);
    let headers = max_headers.load(Ordering::Relaxed);
    let stream = HeadReader::new(stream, Arc::clone(&activity), headers, max_headers);
    let service = service_fn(move |request: Request<Incoming>| {
        let in_progress = activity.begin(request.version());
        let answer = service.call(request);
        async move {
            let answer = answer.await;
            drop(in_progress);
            answer
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    // Without a timer: hyper's time-out for heads also closes connections that are idle between pushes.
    builder
        .http1()
        .max_headers(headers)
        .max_buf_size(limits::PUSH_HEAD_BYTES);
    builder
        .http2()
        .max_header_list_size(limits::PUSH_HEADER_LIST_BYTES);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // An error is the client's: it has got a status from hyper, or it has disconnected.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = close.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::watch;
    use tokio_util::sync::DropGuard;

    use super::*;

    const NEVER: Duration = Duration::from_hours(1);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const HALF: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\nx-name";

    struct Server {
        addr: SocketAddr,
        /// Whether requests are answered.
        answers: watch::Sender<bool>,
        /// How many heads have come.
        heads: watch::Receiver<u32>,
        _closed_on_drop: DropGuard,
    }

    async fn server(max_connections: usize, head_timeout: Duration) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (answers, answering) = watch::channel(true);
        let (count, heads) = watch::channel(0);
        let service = service_fn(move |_| {
            count.send_modify(|heads| *heads += 1);
            let mut answering = answering.clone();
            async move {
                let _ = answering.wait_for(|answers| *answers).await;
                Ok(Response::new(Body::empty()))
            }
        });
        let close = CancellationToken::new();
        let serving = serve(
            listener,
            service,
            max_connections,
            head_timeout,
            close.clone(),
        );
        tokio::spawn(serving);
        Server {
            addr,
            answers,
            heads,
            _closed_on_drop: close.drop_guard(),
        }
    }

    impl Server {
        async fn connect(&self, bytes: &[u8]) -> TcpStream {
            let mut stream = TcpStream::connect(self.addr).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            stream
        }

        /// A connection on which a request was answered.
        async fn answered(&self) -> TcpStream {
            let mut stream = self.connect(b"").await;
            assert!(request(&mut stream).await);
            stream
        }
    }

    /// Whether the server answers one more request.
    async fn request(stream: &mut TcpStream) -> bool {
        stream.write_all(REQUEST).await.is_ok() && answer(stream).await
    }

    async fn answer(stream: &mut TcpStream) -> bool {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return false,
            }
        }
        head.starts_with(b"HTTP/1.1 200")
    }

    async fn closed(mut stream: TcpStream) {
        // An answer to half a request, if there is one.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }

    #[tokio::test]
    async fn a_connection_whose_head_takes_too_long_is_closed_and_an_idle_one_is_not() {
        let server = server(100, Duration::from_millis(300)).await;
        let mut idle = server.answered().await;
        let mut second_half = server.answered().await;
        second_half.write_all(HALF).await.unwrap();
        let silent = server.connect(b"").await;
        let half = server.connect(HALF).await;
        // The beginning of HTTP/2, too.
        let one_letter = server.connect(b"P").await;
        let http2 = server.connect(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let (mut dripping, mut drip) = server.connect(HALF).await.into_split();
        let drips = tokio::spawn(async move {
            while drip.write_all(b"-").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        for stream in [second_half, silent, half, one_letter, http2] {
            closed(stream).await;
        }
        let _ = dripping.read_to_end(&mut Vec::new()).await;
        drips.await.unwrap();
        assert!(request(&mut idle).await);
    }

    #[tokio::test]
    async fn the_lines_of_a_body_that_nobody_reads_are_no_headers() {
        let server = server(100, NEVER).await;
        let body = "a line\n".repeat(3000);
        let length = body.len();
        let push = format!("POST / HTTP/1.1\r\ncontent-length: {length}\r\n\r\n{body}");
        let mut unread = server.connect(push.as_bytes()).await;
        assert!(answer(&mut unread).await);
        closed(unread).await;
        let headers = "x: 1\r\n".repeat(180);
        let push = format!("GET / HTTP/1.1\r\n{headers}\r\n");
        let mut prepared_for_few = server.connect(push.as_bytes()).await;
        assert!(!answer(&mut prepared_for_few).await);
    }

    #[tokio::test]
    async fn a_request_in_progress_may_take_any_time() {
        let server = server(100, Duration::from_millis(300)).await;
        server.answers.send_replace(false);
        let mut slow = server.connect(REQUEST).await;
        closed(server.connect(HALF).await).await;
        closed(server.connect(HALF).await).await;
        server.answers.send_replace(true);
        assert!(answer(&mut slow).await);
    }

    #[tokio::test]
    async fn strangers_who_send_no_heads_take_no_place_of_an_idle_client() {
        let server = server(8, NEVER).await;
        let mut idle = server.answered().await;
        let mut busy = server.answered().await;
        let mut strangers = Vec::new();
        for number in 0..100 {
            strangers.push(server.connect(HALF).await);
            assert!(request(&mut busy).await, "{number}");
            server.answered().await;
        }
        for stranger in strangers.drain(..94) {
            closed(stranger).await;
        }
        assert!(request(&mut idle).await);
    }

    #[tokio::test]
    async fn strangers_who_send_one_request_each_take_no_place_of_a_new_client() {
        let server = server(8, NEVER).await;
        let mut strangers = Vec::new();
        for _ in 0..8 {
            strangers.push(server.answered().await);
        }
        let mut client = server.connect(b"").await;
        for _ in 0..2 {
            strangers.push(server.connect(HALF).await);
        }
        let mut other = server.answered().await;
        assert!(request(&mut client).await);
        for stranger in strangers.drain(..4) {
            closed(stranger).await;
        }
        assert!(request(&mut other).await);
    }

    #[tokio::test]
    async fn a_request_in_progress_is_never_closed_for_a_new_connection() {
        let mut server = server(2, NEVER).await;
        server.answers.send_replace(false);
        let mut first = server.connect(REQUEST).await;
        let mut second = server.connect(REQUEST).await;
        server.heads.wait_for(|heads| *heads == 2).await.unwrap();
        closed(server.connect(REQUEST).await).await;
        server.answers.send_replace(true);
        assert!(answer(&mut first).await);
        assert!(answer(&mut second).await);
        server.answered().await;
    }
}
