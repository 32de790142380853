//! How many responses are sent at once, and for how long: each holds what it sends until its reader has taken
//! it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

/// Responses at once, without event streams and fixed files. More get 503.
pub const MAX_RESPONSES: usize = 128;

/// A reader that takes nothing for so long is dropped: it keeps others from their places.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is sent at a time. So much stays with a connection whose reader was dropped.
const PART: usize = 64 * 1024;

/// The places of all responses.
pub(crate) struct Places(Arc<Semaphore>);

/// A response's place, until it is sent or its reader is gone.
pub(crate) struct Place(OwnedSemaphorePermit);

/// All places are taken.
#[derive(Debug)]
pub(crate) struct AllTaken;

impl Default for Places {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_RESPONSES)))
    }
}

impl Places {
    /// A free one.
    pub(crate) fn take(&self) -> Result<Place, AllTaken> {
        let place = Arc::clone(&self.0).try_acquire_owned();
        place.map(Place).map_err(|_| AllTaken)
    }
}

impl Place {
    /// A body with this content, which has the place until all of it is on its way.
    pub(crate) fn body(self, content: impl AsRef<[u8]> + Send + Sync + 'static) -> Body {
        let Self(place) = self;
        let (to, from) = mpsc::channel(1);
        tokio::spawn(async move {
            // Copies: a part of the content itself would keep all of it.
            for part in content.as_ref().chunks(PART) {
                let sent = timeout(PATIENCE, to.send(Bytes::copy_from_slice(part)));
                if !matches!(sent.await, Ok(Ok(()))) {
                    break;
                }
            }
            drop(place);
        });
        Body::from_stream(stream::unfold(from, async |mut from| {
            let part = from.recv().await?;
            Some((Ok::<_, Infallible>(part), from))
        }))
    }
}
