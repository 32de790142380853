//! Looks up names, one lookup at a time for all that wait for it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tokio::task::AbortHandle;
use tower::{Service, ServiceExt};

type Lookup = Shared<BoxFuture<'static, Result<Vec<SocketAddr>, LookupError>>>;

/// A name that can't be resolved.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the name can't be resolved: {0}")]
pub(crate) struct LookupError(Arc<io::Error>);

/// The system's resolver. A lookup holds a thread until the system gives up, however early the run
/// that wanted it did; so the runs that come meanwhile wait for the same one.
#[derive(Clone, Default)]
pub(super) struct SharedResolver {
    current: Arc<Mutex<Option<(Name, AbortHandle, Lookup)>>>,
}

impl Service<Name> for SharedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = LookupError;
    type Future = BoxFuture<'static, Result<Self::Response, LookupError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LookupError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let joined = current
            .as_ref()
            .filter(|(of, running, _)| *of == name && !running.is_finished());
        let lookup = if let Some((_, _, lookup)) = joined {
            lookup.clone()
        } else {
            let running = tokio::spawn(GaiResolver::new().oneshot(name.clone()));
            let handle = running.abort_handle();
            let lookup = async move {
                let found = running.await.unwrap_or_else(|error| Err(io::Error::other(error)));
                found.map(Iterator::collect).map_err(|error| LookupError(Arc::new(error)))
            };
            let lookup: Lookup = lookup.boxed().shared();
            *current = Some((name, handle, lookup.clone()));
            lookup
        };
        lookup.map(|found| found.map(Vec::into_iter)).boxed()
    }
}
