//! A count from outside: a proxy before the emulator that counts the calls which pass.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use hyper::client::conn::http2::handshake;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How often each method was called.
type Calls = BTreeMap<String, u64>;

/// A way to the emulator. Dropped, it closes.
pub struct Counted {
    pub addr: SocketAddr,
    calls: Arc<Mutex<Calls>>,
    _accepting: JoinSet<()>,
}

impl Counted {
    /// Opens a way to `emulator`.
    pub async fn way_to(emulator: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let calls = Arc::new(Mutex::new(Calls::new()));
        let counts = Arc::clone(&calls);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let counts = Arc::clone(&counts);
                connections.spawn(async move {
                    // Either end may hang up: the operator connects again, and fails audibly if it can't.
                    let _ = carry(client, emulator, counts).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            addr,
            calls,
            _accepting: accepting,
        })
    }

    /// How many calls of each method have passed so far.
    pub fn calls(&self) -> Calls {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.clone()
    }
}

/// Carries the calls of one connection over another.
async fn carry(
    client: TcpStream,
    emulator: SocketAddr,
    counts: Arc<Mutex<Calls>>,
) -> anyhow::Result<()> {
    let server = TcpStream::connect(emulator).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(server)).await?;
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        let mut calls = counts.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(method.to_owned()).or_default() += 1;
        let mut sender = sender.clone();
        async move { sender.send_request(request).await }
    });
    let carrying =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(client), service);
    tokio::select! {
        ended = carrying => ended.context("the operator's end"),
        ended = connection => ended.context("the emulator's end"),
    }
}
