//! A TCP proxy: a way to a server that can be cut while both ends live.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ports::free_addr;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They lead to the server.
    Open,
    /// Nothing comes through, in either direction, and nobody is told: a network that drops packets.
    Silent,
    /// What clients send arrives, and no answer comes back: those connections are closed afterwards.
    Mute,
    /// They are closed, the new ones too: a server that is gone.
    Closed,
    /// They are closed, and nobody listens: a server whose port is free.
    Refused,
    /// They lead to another server: one that answers what the real one can't be brought to say.
    Elsewhere(SocketAddr),
}

/// A port that leads to another. Bytes pass as they are, TLS too. Dropped, it closes all
/// connections. It works on the runtime that made it.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    way: watch::Sender<Way>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Starts an open way to `server`, on a free port.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(free_addr())
            .await
            .unwrap_or_else(|error| panic!("a port for a proxy: {error}"));
        let addr = listener.local_addr().expect("it is bound");
        let (way, turned) = watch::channel(Way::Open);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, server, turned));
        Self {
            addr,
            way,
            _accepting: accepting,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on it is so. What was held up while it was silent is lost: those connections are
    /// closed when the way opens again.
    pub fn turn(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn accept(mut listener: TcpListener, server: SocketAddr, mut turned: watch::Receiver<Way>) {
    let addr = listener.local_addr().expect("it is bound");
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => Some(accepted),
            _ = turned.wait_for(|now| *now == Way::Refused) => None,
        };
        let Some(accepted) = accepted else {
            drop(listener);
            let _ = turned.wait_for(|now| *now != Way::Refused).await;
            listener = bound(addr).await;
            continue;
        };
        let (client, _) = accepted.unwrap_or_else(|error| panic!("a proxy's port: {error}"));
        connections.spawn(pass(client, server, turned.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// The port again: the kernel may still be closing what came in last.
async fn bound(addr: SocketAddr) -> TcpListener {
    loop {
        if let Ok(listener) = TcpListener::bind(addr).await {
            return listener;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Serves one connection for as long as the way is as it was when that came, or becomes mute.
async fn pass(mut client: TcpStream, server: SocketAddr, mut turned: watch::Receiver<Way>) {
    let way = *turned.borrow_and_update();
    let seen = turned.clone();
    let open = async {
        let server = match way {
            Way::Open | Way::Mute => server,
            Way::Elsewhere(other) => other,
            Way::Closed | Way::Refused => return,
            // Silence is kept below.
            Way::Silent => std::future::pending().await,
        };
        if let Ok(server) = TcpStream::connect(server).await {
            // Either end may hang up as it likes.
            let _ = carry(&mut client, server, seen).await;
        }
    };
    let mut was_mute = false;
    let is_over = |now: &Way| {
        was_mute |= *now == Way::Mute;
        // What was swallowed is missing: the connection is of no use afterwards.
        *now != Way::Mute && (was_mute || *now != way)
    };
    tokio::select! {
        () = open => return,
        _ = turned.wait_for(is_over) => {}
    }
    // Cut off without a word, until that is over.
    let _ = turned.wait_for(|now| *now != Way::Silent).await;
}

async fn carry(
    client: &mut TcpStream,
    mut server: TcpStream,
    turned: watch::Receiver<Way>,
) -> io::Result<()> {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = async {
        copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    };
    let down = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from_server.read(&mut buffer).await?;
            if read == 0 {
                return to_client.shutdown().await;
            }
            if *turned.borrow() != Way::Mute {
                to_client.write_all(&buffer[..read]).await?;
            }
        }
    };
    tokio::try_join!(up, down).map(drop)
}
