//! How many responses are sent at once: each holds what it sends until its reader has taken it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Responses at once, without event streams and fixed files. More get 503.
pub const MAX_RESPONSES: usize = 128;

/// The places of all responses.
pub(crate) struct Places(Arc<Semaphore>);

/// A response's place, until it is sent or its reader leaves.
pub(crate) struct Place(OwnedSemaphorePermit);

/// All places are taken.
#[derive(Debug)]
pub(crate) struct AllTaken;

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_RESPONSES)))
    }
}

impl Place {
    /// The bytes, which keep the place until the last of them is sent.
    pub(crate) fn hold(self, content: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Held {
            content,
            _place: self.0,
        })
    }
}

impl Places {
    /// A free one.
    pub(crate) fn take(&self) -> Result<Place, AllTaken> {
        let place = Arc::clone(&self.0).try_acquire_owned();
        place.map(Place).map_err(|_| AllTaken)
    }
}

struct Held<C> {
    content: C,
    _place: OwnedSemaphorePermit,
}

impl<C: AsRef<[u8]>> AsRef<[u8]> for Held<C> {
    fn as_ref(&self) -> &[u8] {
        self.content.as_ref()
    }
}
