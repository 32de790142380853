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

/// A resolver, the system's unless in tests. A lookup holds a thread until the system gives up, however early the run
/// that wanted it did; so the runs that come meanwhile wait for the same one.
#[derive(Clone)]
pub(super) struct SharedResolver<R = GaiResolver> {
    resolver: R,
    current: Arc<Mutex<Option<(Name, AbortHandle, Lookup)>>>,
}

impl<R> SharedResolver<R> {
    pub(super) fn new(resolver: R) -> Self {
        Self {
            resolver,
            current: Arc::default(),
        }
    }
}

impl<R> Service<Name> for SharedResolver<R>
where
    R: Service<Name, Response: Iterator<Item = SocketAddr> + Send, Error = io::Error>,
    R: Clone + Send + 'static,
    R::Future: Send,
{
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
            let running = tokio::spawn(self.resolver.clone().oneshot(name.clone()));
            let handle = running.abort_handle();
            let lookup = async move {
                let found = running
                    .await
                    .unwrap_or_else(|error| Err(io::Error::other(error)));
                found
                    .map(Iterator::collect)
                    .map_err(|error| LookupError(Arc::new(error)))
            };
            let lookup: Lookup = lookup.boxed().shared();
            *current = Some((name, handle, lookup.clone()));
            lookup
        };
        lookup.map(|found| found.map(Vec::into_iter)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_lookup_that_hangs_is_the_only_one() {
        let lookups = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lookups);
        let resolver = tower::service_fn(move |_: Name| {
            counted.fetch_add(1, Ordering::Relaxed);
            pending::<Result<std::vec::IntoIter<SocketAddr>, io::Error>>()
        });
        let mut shared = SharedResolver::new(resolver);
        for _ in 0..3 {
            let name = "handler.example".parse().unwrap();
            // The caller stops waiting.
            drop(shared.call(name));
            tokio::task::yield_now().await;
        }
        assert_eq!(lookups.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn each_result_is_used_once() {
        let lookups = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lookups);
        let resolver = tower::service_fn(move |_: Name| {
            let port = u16::try_from(counted.fetch_add(1, Ordering::Relaxed)).unwrap();
            std::future::ready(Ok(
                vec![SocketAddr::from(([127, 0, 0, 1], port))].into_iter()
            ))
        });
        let mut shared = SharedResolver::new(resolver);
        for port in 0..3 {
            let found = shared.call("handler.example".parse().unwrap()).await;
            assert_eq!(found.unwrap().next().unwrap().port(), port);
        }
    }
}
