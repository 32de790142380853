//! Reads requests. A head with more lines than its connection is prepared for gets no answer, so that Cloud
//! Tasks doesn't count an attempt, as it would for the HTTP server's 431; and new connections are prepared for
//! more.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use worker_contract::limits;

use super::connections::Activity;

/// A connection's stream.
pub(super) struct HeadReader {
    stream: TcpStream,
    activity: Arc<Activity>,
    max_headers: usize,
    max_headers_of_new: Arc<AtomicUsize>,
}

impl HeadReader {
    /// Reads heads with at most `max_headers`. If one has more, `max_headers_of_new` goes up.
    pub(super) fn new(
        stream: TcpStream,
        activity: Arc<Activity>,
        max_headers: usize,
        max_headers_of_new: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            stream,
            activity,
            max_headers,
            max_headers_of_new,
        }
    }
}

/// The first step with room for so many headers, of which more may come.
fn room_for(headers: usize) -> usize {
    let mut steps = limits::PUSH_HEADER_STEPS.into_iter();
    let step = steps.find(|step| *step >= headers);
    step.unwrap_or(limits::PUSH_HEADERS)
}

impl AsyncRead for HeadReader {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let begin = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let lines = this.activity.bytes_read(&buffer.filled()[begin..]);
        // The first line isn't a header's.
        if lines > this.max_headers + 1 && this.max_headers < limits::PUSH_HEADERS {
            this.max_headers_of_new
                .fetch_max(room_for(lines - 1), Ordering::Relaxed);
            let error = io::Error::new(ErrorKind::InvalidData, "the head has too many lines");
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HeadReader {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
