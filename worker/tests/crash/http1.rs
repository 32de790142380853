//! HTTP/1.1 in both directions, with connections that can be cut in place of an answer.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Body = BoxBody<Bytes, Infallible>;

/// Serves on a free port of this machine until the runtime ends. Where `answer` gives an error,
/// the connection is closed without an answer.
pub async fn serve<A, F>(answer: A) -> SocketAddr
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<StatusCode, Error>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let status = answer(request);
                async {
                    let mut response = Response::new(Empty::<Bytes>::new());
                    *response.status_mut() = status.await?;
                    Ok::<_, Error>(response)
                }
            });
            // It ends with an error whenever a connection is cut, by us or by the other end.
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    addr
}

/// Sends a request on a connection of its own, so that none is left from a server that died.
pub async fn send(to: SocketAddr, request: Request<Body>) -> Result<Response<Incoming>, Error> {
    let stream = TcpStream::connect(to).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

/// Asks for a page: its status and its text.
pub async fn get(from: SocketAddr, path: &str) -> Result<(StatusCode, String), Error> {
    let request = Request::get(path)
        .header("host", from.to_string())
        .body(full(Bytes::new()))?;
    let response = send(from, request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8(body.to_vec())?))
}

pub fn full(body: Bytes) -> Body {
    Full::new(body).boxed()
}

/// A header as text, or "".
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
