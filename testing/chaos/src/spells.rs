//! The way from the workers to Cloud Tasks, which is closed for a while now and then.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::account::Account;
use crate::chance::Seed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Connections are cut, and no new ones taken.
    Closed,
    /// Requests get through, answers don't; at the end all is cut.
    Mute,
}

/// Opens the way to `emulator`, and closes it in spells.
pub async fn start(
    emulator: SocketAddr,
    seed: Seed,
    account: Arc<Account>,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", testkit::free_port())).await?;
    let addr = listener.local_addr()?;
    let way = watch::Sender::new(Way::Open);
    tokio::spawn(accept(listener, emulator, way.subscribe()));
    tokio::spawn(async move {
        for spell in 0.. {
            let draw = seed.of("spell", "", spell);
            tokio::time::sleep(draw.between(1500, 5000)).await;
            let kind = if draw.of_1000() < 400 {
                Way::Mute
            } else {
                Way::Closed
            };
            way.send_replace(kind);
            account.spells.add();
            tokio::time::sleep(draw.of("length", "", 0).between(200, 2000)).await;
            way.send_replace(Way::Open);
        }
    });
    Ok(addr)
}

async fn accept(listener: TcpListener, emulator: SocketAddr, mut way: watch::Receiver<Way>) {
    let Ok(addr) = listener.local_addr() else {
        return;
    };
    let mut listener = Some(listener);
    loop {
        if *way.borrow_and_update() == Way::Closed {
            // Nobody listens: connections are refused.
            listener = None;
            if way.changed().await.is_err() {
                return;
            }
            continue;
        }
        let bound = match listener.take() {
            Some(open) => Ok(open),
            None => TcpListener::bind(addr).await,
        };
        let Ok(open) = bound else {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            continue;
        };
        tokio::select! {
            accepted = open.accept() => {
                if let Ok((stream, _)) = accepted {
                    tokio::spawn(carry(stream, emulator, way.clone()));
                }
            }
            changed = way.changed() => if changed.is_err() { return },
        }
        listener = Some(open);
    }
}

/// Carries one connection until either end closes it or a spell cuts it.
async fn carry(worker: TcpStream, emulator: SocketAddr, mut way: watch::Receiver<Way>) {
    let Ok(upstream) = TcpStream::connect(emulator).await else {
        return;
    };
    let _ = (worker.set_nodelay(true), upstream.set_nodelay(true));
    let (mut from_worker, mut to_worker) = worker.into_split();
    let (mut from_emulator, mut to_emulator) = upstream.into_split();
    let up = async {
        tokio::io::copy(&mut from_worker, &mut to_emulator)
            .await
            .map(drop)
    };
    let seen = way.clone();
    let down = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from_emulator.read(&mut buffer).await?;
            if read == 0 {
                return Ok::<(), std::io::Error>(());
            }
            if *seen.borrow() == Way::Open {
                to_worker.write_all(&buffer[..read]).await?;
            }
        }
    };
    let cut = async {
        let mut was_mute = *way.borrow_and_update() == Way::Mute;
        loop {
            if way.changed().await.is_err() {
                return;
            }
            match *way.borrow_and_update() {
                Way::Closed => return,
                // What was swallowed is missing: the connection is of no use any more.
                Way::Open if was_mute => return,
                Way::Open => {}
                Way::Mute => was_mute = true,
            }
        }
    };
    tokio::select! {
        _ = up => {}
        _ = down => {}
        () = cut => {}
    }
}
