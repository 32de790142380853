//! A way that is cut, and opened again.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

use std::net::SocketAddr;
use std::time::Duration;

use testkit::{Proxy, Receiver, Way, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);
/// Nothing has come for so long: a way that is silent can only be listened to.
const A_WHILE: Duration = Duration::from_millis(200);

async fn asked(stream: &mut TcpStream) -> std::io::Result<usize> {
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: it\r\n\r\n")
        .await?;
    stream.read(&mut [0; 1024]).await
}

async fn connect(addr: SocketAddr) -> TcpStream {
    TcpStream::connect(addr).await.unwrap()
}

#[tokio::test]
async fn bytes_pass_unless_it_is_cut() {
    let receiver = Receiver::answering(200);
    let proxy = Proxy::start(receiver.addr()).await;
    let mut before = connect(proxy.addr()).await;
    assert!(asked(&mut before).await.unwrap() > 0);

    proxy.turn(Way::Silent);
    let mut during = connect(proxy.addr()).await;
    assert!(timeout(A_WHILE, asked(&mut before)).await.is_err());
    assert!(timeout(A_WHILE, asked(&mut during)).await.is_err());
    assert_eq!(receiver.requests().len(), 1);

    proxy.turn(Way::Open);
    let mut after = connect(proxy.addr()).await;
    assert!(asked(&mut after).await.unwrap() > 0);
    for mut held_up in [before, during] {
        eventually("an end of what was held up", SOON, async || {
            matches!(held_up.read(&mut [0; 1024]).await, Ok(0) | Err(_)).then_some(())
        })
        .await;
    }

    proxy.turn(Way::Closed);
    eventually("a connection that is closed", SOON, async || {
        matches!(
            asked(&mut connect(proxy.addr()).await).await,
            Ok(0) | Err(_)
        )
        .then_some(())
    })
    .await;
    assert_eq!(receiver.requests().len(), 2);
}

#[tokio::test]
async fn a_mute_way_swallows_answers_and_a_refused_one_connections() {
    let receiver = Receiver::answering(200);
    let proxy = Proxy::start(receiver.addr()).await;
    let mut before = connect(proxy.addr()).await;
    assert!(asked(&mut before).await.unwrap() > 0);

    proxy.turn(Way::Mute);
    let mut during = connect(proxy.addr()).await;
    for stream in [&mut before, &mut during] {
        assert!(timeout(A_WHILE, asked(stream)).await.is_err());
    }
    assert_eq!(receiver.requests().len(), 3);

    proxy.turn(Way::Open);
    for mut swallowed in [before, during] {
        assert!(matches!(
            swallowed.read(&mut [0; 1024]).await,
            Ok(0) | Err(_)
        ));
    }
    proxy.turn(Way::Refused);
    eventually("a refused connection", SOON, async || {
        TcpStream::connect(proxy.addr())
            .await
            .is_err()
            .then_some(())
    })
    .await;
    proxy.turn(Way::Open);
    eventually("an answer", SOON, async || {
        asked(&mut TcpStream::connect(proxy.addr()).await?).await
    })
    .await;
}

#[tokio::test]
async fn a_way_may_lead_to_another_server_for_a_while() {
    let (receiver, other) = (Receiver::answering(200), Receiver::answering(503));
    let proxy = Proxy::start(receiver.addr()).await;
    proxy.turn(Way::Elsewhere(other.addr()));
    assert!(asked(&mut connect(proxy.addr()).await).await.unwrap() > 0);
    assert_eq!((receiver.requests().len(), other.requests().len()), (0, 1));
    proxy.turn(Way::Open);
    assert!(asked(&mut connect(proxy.addr()).await).await.unwrap() > 0);
    assert_eq!((receiver.requests().len(), other.requests().len()), (1, 1));
}
