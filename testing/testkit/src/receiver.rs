//! An HTTP server that remembers what it was sent: the far end of pushes and calls.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, Uri};
use http_body_util::BodyExt;
use tokio::sync::oneshot;

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// The headers, in order.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// When the body had arrived.
    pub at: Instant,
}

impl Recorded {
    /// A header's value, or "" where it is absent or not text.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Status code, headers and body.
pub type CannedResponse = (u16, Vec<(String, String)>, Vec<u8>);

type Requests = Arc<Mutex<Vec<Recorded>>>;

/// A server on loopback with a thread and a runtime of its own, so that it answers whatever the
/// test's runtime does. Dropped, it closes its port and cuts what it has not answered.
#[derive(Debug)]
pub struct Receiver {
    addr: SocketAddr,
    requests: Requests,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Starts on a free port. `answer` is called after a request is recorded; a future that hangs
    /// makes a handler that hangs.
    pub fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Recorded) -> A + Send + Sync + 'static,
        A: Future<Output = CannedResponse> + Send + 'static,
    {
        Self::start_on(0, answer)
    }

    /// Starts on `port`, for a server that comes back.
    pub fn start_on<F, A>(port: u16, answer: F) -> Self
    where
        F: Fn(Recorded) -> A + Send + Sync + 'static,
        A: Future<Output = CannedResponse> + Send + 'static,
    {
        let listener = bind(port);
        let addr = listener.local_addr().expect("it is bound");
        let requests = Requests::default();
        let (stop, stopped) = oneshot::channel();
        let router = router(Arc::clone(&requests), answer);
        let thread = std::thread::spawn(move || serve(listener, router, stopped));
        Self {
            addr,
            requests,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Starts one that answers each request with `status` and nothing else.
    pub fn answering(status: u16) -> Self {
        Self::start(move |_| std::future::ready((status, Vec::new(), Vec::new())))
    }

    /// Starts one that refuses each gRPC call: over HTTP/2, with the status in the headers.
    pub fn refusing(code: u32, message: &'static str) -> Self {
        let headers = [
            ("content-type", "application/grpc".to_owned()),
            ("grpc-status", code.to_string()),
            ("grpc-message", message.to_owned()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        Self::start(move |_| std::future::ready((200, headers.to_vec(), Vec::new())))
    }

    /// Where it listens: HTTP/1.1, and HTTP/2 without TLS.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// What came so far, in order, also what is not answered yet.
    pub fn requests(&self) -> Vec<Recorded> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the thread was printed there; this may be part of another.
            let _ = thread.join();
        }
    }
}

/// A program that another thread is just starting holds all our listeners for a moment, closed ones
/// too, until it runs its own code.
fn bind(port: u16) -> TcpListener {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return listener,
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("port {port}: {error}"),
        }
    }
}

fn router<F, A>(requests: Requests, answer: F) -> Router
where
    F: Fn(Recorded) -> A + Send + Sync + 'static,
    A: Future<Output = CannedResponse> + Send + 'static,
{
    let answer = Arc::new(answer);
    Router::new().fallback(move |request: Request| {
        let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
        async move {
            let Ok(recorded) = record(request).await else {
                // The sender went away in the middle of it, and reads no answer either.
                return response((400, Vec::new(), Vec::new()));
            };
            requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(recorded.clone());
            response(answer(recorded).await)
        }
    })
}

async fn record(request: Request) -> Result<Recorded, axum::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Recorded {
        method: head.method,
        uri: head.uri,
        headers: head.headers,
        body,
        at: Instant::now(),
    })
}

fn response((status, headers, body): CannedResponse) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response
        .body(Body::from(body))
        .expect("the test gave a valid status and valid headers")
}

fn serve(listener: TcpListener, router: Router, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async move {
        listener.set_nonblocking(true).expect("it is a socket");
        let listener = tokio::net::TcpListener::from_std(listener).expect("it is a socket");
        tokio::select! {
            served = async { axum::serve(listener, router).await } => {
                served.expect("it accepts until it is dropped");
            }
            _ = stopped => {}
        }
    });
    // Not waiting for handlers that hang.
    runtime.shutdown_background();
}
