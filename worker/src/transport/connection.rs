//! One connection to the handler.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Body;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::unconstrained;
use worker_contract::limits;

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// The bytes of a body that are kept.
const KEPT_BYTES: usize = 4096;

/// How long a handler that has answered early may take to read the rest of its request.
const REST_TIMEOUT: Duration = Duration::from_mins(1);

/// A connection to the handler. Who exchanges messages on it polls it too: a tokio task of its own would have
/// to be woken for each message, and to wake the other.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// None when it is closed.
    io: Option<http1::Connection<Stream, Full<Bytes>>>,
}

/// The beginning of a body that was read to its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptBody {
    /// At most 4 KiB.
    pub bytes: Bytes,
    /// Whether the body is longer.
    pub truncated: bool,
}

/// Why there is no complete response.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection was closed before anything of the request was written.
    Unsent(Box<Request<Full<Bytes>>>),
    /// The handler may have read the request.
    Sent(hyper::Error),
}

impl Connection {
    pub(super) async fn new(stream: Stream) -> hyper::Result<Self> {
        let mut builder = http1::Builder::new();
        builder.max_headers(limits::ANSWER_HEADERS);
        let (sender, io) = builder.handshake(stream).await?;
        Ok(Self {
            sender,
            io: Some(io),
        })
    }

    /// Sends a request and reads the response to its end, however long it is: a handler that is cut off has not
    /// finished its work, and one that dies in the middle of a 200 has not succeeded.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<KeptBody>, Broken> {
        let mut response = pin!(self.sender.try_send_request(request));
        let io = &mut self.io;
        let response = poll_fn(|context| poll_with(io, context, |it| response.as_mut().poll(it)));
        // Where tokio's budget for a task is used up, it would not be seen that the handler has closed the
        // connection, and the response would wait to be woken, which nothing does.
        let response = unconstrained(response).await;
        let (head, mut body) = response.map_err(Broken::from)?.into_parts();
        let mut kept = BytesMut::new();
        let mut truncated = false;
        while !body.is_end_stream() {
            let frame =
                poll_fn(|context| poll_with(io, context, |it| Pin::new(&mut body).poll_frame(it)));
            let Some(frame) = frame.await else { break };
            let Ok(data) = frame.map_err(Broken::Sent)?.into_data() else {
                continue;
            };
            let fits = data.len().min(KEPT_BYTES - kept.len());
            kept.extend_from_slice(&data[..fits]);
            truncated |= fits < data.len();
        }
        let bytes = kept.freeze();
        Ok(Response::from_parts(head, KeptBody { bytes, truncated }))
    }

    /// Returns it if it can take another request. It wakes nobody until it does.
    ///
    /// Otherwise what is left of it is done in a tokio task: a handler that has answered early reads the rest of
    /// its request.
    pub(super) fn settle(mut self) -> Option<Self> {
        poll_io(&mut self.io, &mut Context::from_waker(Waker::noop()));
        if self.sender.is_ready() {
            return Some(self);
        }
        if let Some(io) = self.io {
            tokio::spawn(tokio::time::timeout(REST_TIMEOUT, io));
        }
        None
    }
}

impl From<TrySendError<Request<Full<Bytes>>>> for Broken {
    fn from(mut error: TrySendError<Request<Full<Bytes>>>) -> Self {
        match error.take_message() {
            Some(request) => Self::Unsent(Box::new(request)),
            None => Self::Sent(error.into_error()),
        }
    }
}

/// Polls the connection, and then what comes from it: nothing else moves that on, so it needs no waker.
fn poll_with<T>(
    io: &mut Option<http1::Connection<Stream, Full<Bytes>>>,
    context: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    poll_io(io, context);
    poll(&mut Context::from_waker(Waker::noop()))
}

fn poll_io(io: &mut Option<http1::Connection<Stream, Full<Bytes>>>, context: &mut Context<'_>) {
    let closed = io.as_mut().map(|io| Pin::new(io).poll(context));
    // What went wrong is told by what comes from the connection. Dropped, it can leave nothing pending.
    if closed.is_some_and(|it| it.is_ready()) {
        *io = None;
    }
}
