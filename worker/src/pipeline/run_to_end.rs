//! Work that goes on when nobody waits for it any more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// Work that is polled by who waits for it, and goes on in a tokio task of its own once that is dropped.
pub(super) struct RunToEnd<F: Future<Output: Send> + Send + 'static> {
    /// None when it has ended.
    work: Option<Pin<Box<F>>>,
    caller: Caller,
}

/// Who waits for the work: a client, which may disconnect.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller(Arc<AtomicBool>);

impl Caller {
    /// Whether nobody waits any more.
    pub(super) fn is_gone(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<F: Future<Output: Send> + Send> RunToEnd<F> {
    pub(super) fn new<W>(work: W) -> Self
    where
        W: FnOnce(Caller) -> F,
    {
        let caller = Caller::default();
        let work = Some(Box::pin(work(caller.clone())));
        Self { work, caller }
    }
}

impl<F: Future<Output: Send> + Send> Future for RunToEnd<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let work = self.work.as_mut().expect("it is not polled after its end");
        let output = work.as_mut().poll(context);
        if output.is_ready() {
            self.work = None;
        }
        output
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for RunToEnd<F> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        self.caller.0.store(true, Ordering::Relaxed);
        // Without a runtime the process ends.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    #[tokio::test]
    async fn work_goes_on_without_its_caller_and_knows_that() {
        let (go_on, gone_on) = oneshot::channel::<()>();
        let (say, mut said) = mpsc::unbounded_channel();
        let mut work = Box::pin(RunToEnd::new(|caller| async move {
            say.send(caller.is_gone()).unwrap();
            gone_on.await.unwrap();
            say.send(caller.is_gone()).unwrap();
        }));
        assert!(futures::poll!(work.as_mut()).is_pending());
        drop(work);
        go_on.send(()).unwrap();
        assert_eq!(said.recv().await, Some(false));
        assert_eq!(said.recv().await, Some(true));
    }

    #[tokio::test]
    async fn who_waits_gets_the_output() {
        let output = RunToEnd::new(async move |caller| caller.is_gone());
        assert!(!output.await);
    }
}
