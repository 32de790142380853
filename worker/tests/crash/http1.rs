//! Requests on connections of their own.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use testkit::calls::Error;
use tokio::net::TcpStream;

pub type Body = BoxBody<Bytes, Infallible>;

/// Sends a request on a connection of its own, so that none is left from a server that died.
pub async fn send(to: SocketAddr, request: Request<Body>) -> Result<Response<Incoming>, Error> {
    let stream = TcpStream::connect(to).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

pub fn full(body: Bytes) -> Body {
    Full::new(body).boxed()
}
