//! A proxy of gRPC calls before the emulator: it counts those that pass, notes when the queues of each
//! location are listed, and keeps those to a location that is to be away.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A way to the emulator. Dropped, it closes. It works on the runtime that made it.
#[derive(Debug)]
pub struct CallProxy {
    addr: SocketAddr,
    passed: Arc<Mutex<Passed>>,
    refused: Arc<Mutex<Option<Refusal>>>,
    away: watch::Sender<Option<String>>,
    _accepting: JoinSet<()>,
}

/// Methods, and who answers them instead.
type Refusal = (&'static [&'static str], SocketAddr);

/// What has passed so far.
#[derive(Debug, Default)]
struct Passed {
    calls: BTreeMap<String, u64>,
    lists: BTreeMap<String, Vec<Instant>>,
}

impl CallProxy {
    /// Opens a way to `emulator`, on a free port.
    pub async fn start(emulator: SocketAddr) -> Self {
        let passed = Arc::new(Mutex::new(Passed::default()));
        let (away, turned) = watch::channel(None);
        let notes = Arc::clone(&passed);
        let refused = Arc::new(Mutex::new(None));
        let refusal = Arc::clone(&refused);
        let (addr, accepting) = intercept(emulator, move |mut emulator, call| {
            let location = location(&call);
            let refusal: Option<Refusal> = *lock(&refusal);
            let instead = refusal.filter(|(methods, _)| methods.contains(&method(&call)));
            lock(&notes).note(&call, location.as_deref());
            let mut away = turned.clone();
            async move {
                if location.is_some() {
                    // Its other end lives as long as the proxy.
                    let _ = away.wait_for(|away| *away != location).await;
                }
                let Some((_, elsewhere)) = instead else {
                    return Ok(emulator.send_request(call).await?);
                };
                let stream = TokioIo::new(TcpStream::connect(elsewhere).await?);
                let (mut sender, connection) = handshake(TokioExecutor::new(), stream).await?;
                tokio::spawn(connection);
                Ok(sender.send_request(call).await?)
            }
        })
        .await;
        Self {
            addr,
            passed,
            refused,
            away,
            _accepting: accepting,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many calls of each method came so far.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        lock(&self.passed).calls.clone()
    }

    /// When a page of each location's queues was asked for, oldest first.
    pub fn lists(&self) -> BTreeMap<String, Vec<Instant>> {
        lock(&self.passed).lists.clone()
    }

    /// From now on calls to this location get no answer, those that are kept neither until the way is
    /// opened again.
    pub fn keep(&self, location: &str) {
        self.away.send_replace(Some(location.to_owned()));
    }

    /// From now on calls of these methods go elsewhere, such as to one who refuses them.
    pub fn send_elsewhere(&self, methods: &'static [&'static str], elsewhere: SocketAddr) {
        *lock(&self.refused) = Some((methods, elsewhere));
    }

    /// All calls pass again.
    pub fn open(&self) {
        *lock(&self.refused) = None;
        self.away.send_replace(None);
    }
}

/// Anything that ends a call without an answer.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Serves gRPC calls on a free port until the set is dropped: `pass` gets each call, and the way to the
/// emulator.
pub async fn intercept<P, A, B>(emulator: SocketAddr, pass: P) -> (SocketAddr, JoinSet<()>)
where
    P: Fn(SendRequest<Incoming>, Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Result<Response<B>, Error>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Error>> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap_or_else(|error| panic!("a port for a proxy: {error}"));
    let addr = listener.local_addr().expect("it is bound");
    let mut accepting = JoinSet::new();
    accepting.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let accepted = listener.accept().await;
            let (client, _) = accepted.unwrap_or_else(|error| panic!("a proxy's port: {error}"));
            connections.spawn(carry(client, emulator, pass.clone()));
            while connections.try_join_next().is_some() {}
        }
    });
    (addr, accepting)
}

/// Carries the calls of one connection over another. Either end may hang up: the client connects
/// again, and fails audibly if it can't.
async fn carry<P, A, B>(client: TcpStream, emulator: SocketAddr, pass: P)
where
    P: Fn(SendRequest<Incoming>, Request<Incoming>) -> A + Send + 'static,
    A: Future<Output = Result<Response<B>, Error>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Error>> + Send + 'static,
{
    let Ok(server) = TcpStream::connect(emulator).await else {
        return;
    };
    // Small frames would wait for one another.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let Ok((sender, connection)) = handshake(TokioExecutor::new(), TokioIo::new(server)).await
    else {
        return;
    };
    let service = service_fn(move |call| pass(sender.clone(), call));
    let carrying =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(client), service);
    tokio::select! {
        _ = carrying => {}
        _ = connection => {}
    }
}

impl Passed {
    fn note(&mut self, request: &Request<Incoming>, location: Option<&str>) {
        let method = method(request);
        *self.calls.entry(method.to_owned()).or_default() += 1;
        // Not of v2beta3, which lists live numbers.
        let is_list = request.uri().path() == "/google.cloud.tasks.v2.CloudTasks/ListQueues";
        if let Some(location) = location.filter(|_| is_list) {
            let times = self.lists.entry(location.to_owned()).or_default();
            times.push(Instant::now());
        }
    }
}

fn method(request: &Request<Incoming>) -> &str {
    request.uri().path().rsplit('/').next().unwrap_or_default()
}

/// The location of what a call is about, as its routing header says.
fn location(request: &Request<Incoming>) -> Option<String> {
    let route = request.headers().get("x-goog-request-params")?;
    let mut parts = route.to_str().ok()?.split("%2F");
    parts.find(|part| *part == "locations")?;
    parts.next().map(str::to_owned)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
