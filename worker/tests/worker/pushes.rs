//! Pushes by hand, for what Cloud Tasks does only in a bad moment.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Headers of a push of the task `task` from the queue `incoming`.
pub fn head(task: &str, r: u32, e: u32, p: Option<u16>) -> Vec<(String, String)> {
    let mut head = vec![
        ("x-cloudtasks-queuename".to_owned(), "incoming".to_owned()),
        ("x-cloudtasks-taskname".to_owned(), task.to_owned()),
        ("x-cloudtasks-taskretrycount".to_owned(), r.to_string()),
        ("x-cloudtasks-taskexecutioncount".to_owned(), e.to_string()),
    ];
    head.extend(p.map(|p| {
        (
            "x-cloudtasks-taskpreviousresponse".to_owned(),
            p.to_string(),
        )
    }));
    head
}

pub async fn send(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: Bytes,
) -> (u16, Bytes) {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://{to}{path}"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client
        .request(request.body(Full::new(body)).unwrap())
        .await
        .unwrap();
    let status = response.status().as_u16();
    (
        status,
        response.into_body().collect().await.unwrap().to_bytes(),
    )
}

pub async fn push(to: SocketAddr, head: &[(String, String)]) -> u16 {
    send(to, "POST", "/", head, Bytes::from_static(b"{}"))
        .await
        .0
}

pub async fn get(to: SocketAddr, path: &str) -> (u16, String) {
    let (status, body) = send(to, "GET", path, &[], Bytes::new()).await;
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// A connection on which a push is begun: the head is sent, the body is the caller's business.
pub async fn begin(to: SocketAddr, head: &[(String, String)], framing: &str) -> TcpStream {
    use std::fmt::Write;

    let mut text = format!("POST / HTTP/1.1\r\nhost: {to}\r\n{framing}\r\n");
    for (name, value) in head {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    text.push_str("\r\n");
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

pub async fn status(stream: &mut TcpStream) -> u16 {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    String::from_utf8_lossy(&start[9..]).parse().unwrap()
}
