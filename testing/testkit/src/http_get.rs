//! One request to a server: its health, its metrics, its API.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::metrics::Counters;

/// As a kubelet's probe.
const PATIENCE: Duration = Duration::from_secs(1);
/// A program that has much to count may have much else to do.
const COUNTERS: Duration = Duration::from_secs(5);

/// The body of what a server answers to GET, if its status is 200.
pub async fn http_get(addr: SocketAddr, path: &str) -> io::Result<String> {
    get_within(PATIENCE, addr, path).await
}

async fn get_within(patience: Duration, addr: SocketAddr, path: &str) -> io::Result<String> {
    match tokio::time::timeout(patience, status_and_body(addr, path)).await?? {
        (200, body) => Ok(body),
        (status, body) => Err(io::Error::other(format!("{path}: {status} {body}"))),
    }
}

/// Status and body of what a server answers to GET.
pub async fn status_and_body(addr: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    // HTTP/1.0 has no chunks: the connection's end is the body's.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {addr}\r\n\r\n");
    parsed(exchange(addr, &request).await?)
}

/// Status and body of what a server answers to a POST of JSON.
pub async fn post(addr: SocketAddr, path: &str, body: &str) -> io::Result<(u16, String)> {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.0\r\nHost: {addr}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    parsed(exchange(addr, &request).await?)
}

fn parsed(answer: String) -> io::Result<(u16, String)> {
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    match (status, answer.split_once("\r\n\r\n")) {
        (Some(status), Some((_, body))) => Ok((status, body.to_owned())),
        _ => Err(io::Error::other(answer)),
    }
}

/// What a server has counted, by its `/metrics`.
pub async fn counters(addr: SocketAddr) -> io::Result<Counters> {
    Ok(Counters::parse(
        &get_within(COUNTERS, addr, "/metrics").await?,
    ))
}

/// Sends these bytes, and reads until the server closes the connection.
pub async fn exchange(addr: SocketAddr, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
