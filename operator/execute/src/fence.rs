//! The fence: until when this operator may write.
//!
//! A Lease alone is no fence: its holder may be cut off from the API server, or be stopped, while
//! Cloud Tasks still takes its calls. So what the Lease grants ends at an instant of this machine's
//! own clock, which is checked before each write.

use std::future::{Future, pending};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::error::Error;

/// The right to write until an instant of the monotonic clock, which continues while the process is
/// stopped. Clones share it.
#[derive(Debug, Clone)]
pub struct Fence(Arc<watch::Sender<Grant>>);

#[derive(Debug, Clone, Copy)]
enum Grant {
    None,
    Until(Instant),
    Unlimited,
}

impl Grant {
    fn is_valid(self) -> bool {
        match self {
            Self::None => false,
            Self::Until(end) => Instant::now() < end,
            Self::Unlimited => true,
        }
    }
}

impl Fence {
    /// Always granted: without leader election.
    pub fn unlimited() -> Self {
        Self::of(Grant::Unlimited)
    }

    /// Not granted yet.
    pub fn not_granted() -> Self {
        Self::of(Grant::None)
    }

    fn of(grant: Grant) -> Self {
        Self(Arc::new(watch::Sender::new(grant)))
    }

    /// Grants writes until `end`.
    pub fn grant_until(&self, end: Instant) {
        self.0.send_replace(Grant::Until(end));
    }

    /// Ends the grant now.
    pub fn revoke(&self) {
        self.0.send_replace(Grant::None);
    }

    /// Whether writes are granted at this moment.
    pub fn is_granted(&self) -> bool {
        self.0.borrow().is_valid()
    }

    /// Waits until writes are granted.
    pub async fn granted(&self) {
        let mut grant = self.0.subscribe();
        grant
            .wait_for(|grant| grant.is_valid())
            .await
            .expect("the sender is ours");
    }

    /// Waits until the grant has ended, extensions included.
    pub async fn ended(&self) {
        let mut grant = self.0.subscribe();
        loop {
            let now = *grant.borrow_and_update();
            let end = async {
                match now {
                    Grant::None => {}
                    Grant::Until(end) => sleep_until(end).await,
                    Grant::Unlimited => pending().await,
                }
            };
            tokio::select! {
                biased;
                () = end => return,
                changed = grant.changed() => changed.expect("the sender is ours"),
            }
        }
    }

    /// Runs a write while it is granted. Without a grant the write doesn't begin; one that outlasts
    /// the grant is canceled, and may have happened all the same.
    pub fn guard<T, E: From<Error>>(
        &self,
        write: impl Future<Output = Result<T, E>>,
    ) -> impl Future<Output = Result<T, E>> {
        // A call to Cloud Tasks is 15 KB, which each future around it would hold once more.
        let write = Box::pin(write);
        async move {
            // The timer below fires at the next millisecond; this check is exact.
            if !self.is_granted() {
                return Err(Error::NotLeader.into());
            }
            tokio::select! {
                biased;
                () = self.ended() => Err(Error::NotLeader.into()),
                written = write => written,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Fence;
    use crate::error::Error;

    const LONG: Duration = Duration::from_hours(1);

    async fn writes(fence: &Fence) -> bool {
        match fence.guard(ready(Ok(()))).await {
            Ok(()) => true,
            Err(Error::NotLeader) => false,
            Err(error) => panic!("{error}"),
        }
    }

    #[tokio::test]
    async fn a_write_needs_a_grant_that_has_not_ended() {
        let fence = Fence::not_granted();
        assert!(!writes(&fence).await);
        fence.grant_until(Instant::now() + LONG);
        assert!(writes(&fence).await);
        fence.grant_until(Instant::now());
        assert!(!writes(&fence).await, "it ended before the answer arrived");
        fence.grant_until(Instant::now() + LONG);
        fence.revoke();
        assert!(!writes(&fence).await);
        assert!(writes(&Fence::unlimited()).await);
    }

    #[tokio::test]
    async fn a_write_without_a_grant_does_not_begin() {
        let begun = async { panic!("it has begun") };
        let written: Result<(), Error> = Fence::not_granted().guard(begun).await;
        assert!(matches!(written, Err(Error::NotLeader)));
    }

    #[tokio::test]
    async fn a_write_that_hangs_is_canceled_when_the_grant_ends() {
        let fence = Fence::not_granted();
        fence.grant_until(Instant::now() + Duration::from_millis(20));
        let written: Result<(), Error> = fence.guard(pending()).await;
        assert!(matches!(written, Err(Error::NotLeader)));
    }

    #[tokio::test]
    async fn an_extended_grant_cancels_nothing() {
        let fence = Fence::not_granted();
        let end = Instant::now() + Duration::from_millis(20);
        fence.grant_until(end);
        let extended = fence.clone();
        let write = async move {
            extended.grant_until(end + LONG);
            tokio::time::sleep_until(end + Duration::from_millis(20)).await;
            Ok::<(), Error>(())
        };
        fence.guard(write).await.unwrap();
    }
}
