//! A TCP proxy: a way to a server that can be cut while both ends live.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They lead to the server.
    Open,
    /// Nothing comes through, in either direction, and nobody is told: a network that drops packets.
    Silent,
    /// They are closed, the new ones too: a server that is gone.
    Closed,
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
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
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

async fn accept(listener: TcpListener, server: SocketAddr, turned: watch::Receiver<Way>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        let (client, _) = accepted.unwrap_or_else(|error| panic!("a proxy's port: {error}"));
        connections.spawn(pass(client, server, turned.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one connection for as long as the way is as it was when that came.
async fn pass(mut client: TcpStream, server: SocketAddr, mut turned: watch::Receiver<Way>) {
    let way = *turned.borrow_and_update();
    let open = async {
        let server = match way {
            Way::Open => server,
            Way::Elsewhere(other) => other,
            Way::Closed => return,
            // Silence is kept below.
            Way::Silent => std::future::pending().await,
        };
        if let Ok(mut server) = TcpStream::connect(server).await {
            // Either end may hang up as it likes.
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    };
    tokio::select! {
        () = open => return,
        _ = turned.wait_for(|now| *now != way) => {}
    }
    // Cut off without a word, until that is over.
    let _ = turned.wait_for(|now| *now != Way::Silent).await;
}
