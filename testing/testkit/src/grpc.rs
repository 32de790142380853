//! Messages and refusals as gRPC frames them.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use prost::Message;

use crate::calls::Error;

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Error>;

/// The message of a call or an answer that has one.
pub(crate) fn message_of<M: Message + Default>(body: &Bytes) -> Result<M, Error> {
    // One byte says whether it is compressed, four how long it is.
    let message = body.get(5..).ok_or("there is no message")?;
    Ok(M::decode(message)?)
}

/// An answer.
pub(crate) fn response(message: &impl Message) -> Response<Body> {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).expect("a page is small");
    let frame = [&[0][..], &length.to_be_bytes(), &message].concat();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", 0.into());
    let body = Full::new(Bytes::from(frame)).with_trailers(std::future::ready(Some(Ok(trailers))));
    grpc(Response::builder(), body)
}

/// A refusal, by its code.
pub(crate) fn refusal(code: u32, message: &str) -> Response<Body> {
    let head = Response::builder()
        .header("grpc-status", code)
        .header("grpc-message", message);
    grpc(head, Full::default())
}

fn grpc<B>(head: http::response::Builder, body: B) -> Response<Body>
where
    B: hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let body = body.map_err(|never| match never {}).boxed_unsync();
    let response = head.header("content-type", "application/grpc").body(body);
    response.expect("its headers are constants")
}
