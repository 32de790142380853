//! The open connections of one port, and which of them to close.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::Version;
use tokio::task::AbortHandle;

use super::head_lines::HeadLines;

/// The open connections of one port.
#[derive(Debug)]
pub(super) struct OpenConnections {
    max: usize,
    connections: Vec<(Arc<Activity>, AbortHandle)>,
}

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    /// The requests in progress. HTTP/2 may have several.
    requests: u32,
    /// The last answer, or the accept.
    waiting_since: Instant,
    /// The first byte of a request whose head isn't complete. For the first request, the accept.
    head_since: Option<Instant>,
    /// The lines of that head.
    head: HeadLines,
    /// HTTP/2 has other frames than heads, and limits of its own.
    http2: bool,
}

/// Keeps a request in progress until its answer.
#[derive(Debug)]
pub(super) struct InProgress(Arc<Activity>);

impl OpenConnections {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            connections: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, activity: Arc<Activity>, task: AbortHandle) {
        self.connections.push((activity, task));
    }

    /// Makes room for one more connection. False if all are in the middle of a request.
    pub(super) fn make_room(&mut self) -> bool {
        if self.connections.len() >= self.max {
            self.forget_closed();
        }
        self.connections.len() < self.max || self.close_longest_waiting()
    }

    /// Closes the connection that has waited longest: of those without a complete head if they are half of
    /// all that wait, or else of those that are idle. So strangers who send no heads don't take the place
    /// of idle clients, and strangers who send some don't take the place of new clients.
    pub(super) fn close_longest_waiting(&mut self) -> bool {
        let connections = self.connections.iter().enumerate();
        let waiting = connections.filter_map(|(index, (activity, _))| {
            let state = activity.state();
            let since = state.head_since.unwrap_or(state.waiting_since);
            (state.requests == 0).then_some((state.head_since.is_none(), since, index))
        });
        let waiting: Vec<_> = waiting.collect();
        let idle = waiting.iter().filter(|(is_idle, ..)| *is_idle).count();
        let close_idle = idle * 2 > waiting.len();
        let candidates = waiting.into_iter().filter(|it| it.0 == close_idle);
        let longest = candidates.min();
        if let Some((_, _, index)) = longest {
            self.connections.swap_remove(index).1.abort();
        }
        longest.is_some()
    }

    /// Closes the connections on which the head of a request takes longer than `timeout`.
    pub(super) fn close_late(&mut self, timeout: Duration) {
        self.forget_closed();
        for (activity, task) in &self.connections {
            let head_since = activity.state().head_since;
            if head_since.is_some_and(|since| since.elapsed() > timeout) {
                task.abort();
            }
        }
    }

    fn forget_closed(&mut self) {
        self.connections.retain(|(_, task)| !task.is_finished());
    }
}

impl Activity {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self(Mutex::new(State {
            requests: 0,
            waiting_since: now,
            head_since: Some(now),
            head: HeadLines::default(),
            http2: false,
        }))
    }

    /// Bytes have come. Returns the lines of the head that they are of, so far.
    pub(super) fn bytes_read(&self, bytes: &[u8]) -> usize {
        let mut state = self.state();
        if state.requests > 0 || state.http2 {
            return 0;
        }
        state.head_since.get_or_insert_with(Instant::now);
        state.head.add(bytes)
    }

    /// The head of a request has come.
    pub(super) fn begin(self: &Arc<Self>, version: Version) -> InProgress {
        let mut state = self.state();
        state.requests += 1;
        state.head_since = None;
        state.head = HeadLines::default();
        state.http2 = version == Version::HTTP_2;
        InProgress(Arc::clone(self))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        state.waiting_since = Instant::now();
    }
}
