//! Events that wait until there is time to write them.

use std::collections::VecDeque;
use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube_runtime::events::EventType;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// An Event of a chain.
pub struct EventOfChain {
    /// The chain.
    pub regarding: ObjectReference,
    /// Whether it is normal, or a warning.
    pub type_: EventType,
    /// A word in upper camel case.
    pub reason: String,
    /// A sentence, of at most 1,024 bytes.
    pub note: String,
    /// When it happened.
    pub at: Timestamp,
    /// Since when it waits.
    pub since: Instant,
}

/// The Events that wait, the oldest first.
#[derive(Default)]
pub struct LateEvents {
    waiting: Mutex<VecDeque<EventOfChain>>,
    wake: Notify,
}

impl LateEvents {
    /// One more.
    pub fn push(&self, event: EventOfChain) {
        self.waiting.lock().push_back(event);
        self.wake.notify_one();
    }

    /// Waits until there is one. Returns since when it waits.
    pub async fn next(&self) -> Instant {
        loop {
            if let Some(since) = self.waiting.lock().front().map(|it| it.since) {
                return since;
            }
            self.wake.notified().await;
        }
    }

    /// Whether several wait.
    pub fn are_many(&self) -> bool {
        self.waiting.lock().len() > 1
    }

    /// Takes the oldest.
    pub fn take(&self) -> Option<EventOfChain> {
        self.waiting.lock().pop_front()
    }
}
