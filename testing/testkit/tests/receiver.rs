//! The HTTP server that remembers, and waiting with a bound.

use std::future::pending;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use testkit::{Receiver, eventually, free_port};

const WITHIN: Duration = Duration::from_secs(10);

/// Sends a request and returns the stream to read the answer from.
fn send(addr: SocketAddr, head: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("it listens");
    write!(
        stream,
        "{head}\r\nHost: {addr}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .expect("it reads");
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn requests_are_recorded_and_answered_by_the_closure() {
    let receiver = Receiver::start(async |request| {
        let echo = [b"got ", request.body.as_ref()].concat();
        (418, vec![("x-kind".to_owned(), "pot".to_owned())], echo)
    });
    let head = "POST /a/b?c=d HTTP/1.1\r\nX-Name: Value";
    let answer = answer(send(receiver.addr(), head, "tea"));
    assert!(answer.starts_with("HTTP/1.1 418 "), "{answer}");
    assert!(answer.contains("\r\nx-kind: pot\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ngot tea"), "{answer}");

    let [request] = &receiver.requests()[..] else {
        panic!("one request was sent: {:?}", receiver.requests());
    };
    assert_eq!(request.method, "POST");
    assert_eq!(request.uri, "/a/b?c=d");
    assert_eq!(request.header("x-name"), "Value");
    assert_eq!(request.header("absent"), "");
    assert_eq!(request.body, "tea");
}

#[tokio::test]
async fn a_handler_that_hangs_blocks_neither_others_nor_the_end() {
    let receiver = Receiver::start(async |request| {
        if request.uri == "/hang" {
            pending::<()>().await;
        }
        (204, vec![], vec![])
    });
    let hanging = send(receiver.addr(), "GET /hang HTTP/1.1", "");
    eventually("the first request", WITHIN, async || {
        receiver.requests().len() == 1
    })
    .await;
    let other = answer(send(receiver.addr(), "GET /other HTTP/1.1", ""));
    assert!(other.starts_with("HTTP/1.1 204 "), "{other}");

    let addr = receiver.addr();
    drop(receiver);
    assert_eq!(answer(hanging), "");
    TcpStream::connect(addr).expect_err("nothing listens any more");
    assert_eq!(
        Receiver::start_on(addr.port(), async |_| (200, vec![], vec![])).addr(),
        addr
    );
}

#[tokio::test]
#[should_panic(expected = "the moon: not within 50ms; last seen: \"clouds\"")]
async fn waiting_in_vain_shows_what_was_seen_last() {
    let look = async || Err::<(), _>("clouds");
    eventually("the moon", Duration::from_millis(50), look).await;
}

#[tokio::test]
#[should_panic(
    expected = "the moon: not within 50ms; last seen: nothing: the first look did not \
                           return"
)]
async fn a_look_that_hangs_is_bounded_too() {
    let look = async || pending::<Option<()>>().await;
    eventually("the moon", Duration::from_millis(50), look).await;
}

#[test]
fn ports_are_given_once() {
    let mut ports: Vec<u16> = (0..200).map(|_| free_port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 200);
}
