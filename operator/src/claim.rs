//! The claim: for how long this operator may still write.
//!
//! A Lease alone is no fence: its holder may be cut off from the API server, or stopped, while Cloud
//! Tasks still takes its calls. So what the Lease has granted has an end on this machine's own clock,
//! and that end is looked at before each write.

use std::future::{Future, pending};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::error::Error;

/// The right to write, until an instant of the monotonic clock, which goes on while the process is
/// stopped. Clones are one claim.
#[derive(Debug, Clone)]
pub struct Claim(Arc<watch::Sender<Term>>);

#[derive(Debug, Clone, Copy)]
enum Term {
    None,
    Until(Instant),
    Endless,
}

impl Term {
    fn holds(self) -> bool {
        match self {
            Self::None => false,
            Self::Until(end) => Instant::now() < end,
            Self::Endless => true,
        }
    }
}

impl Claim {
    /// Without an election: of one that is alone.
    pub fn endless() -> Self {
        Self::of(Term::Endless)
    }

    /// Not granted yet.
    pub fn none() -> Self {
        Self::of(Term::None)
    }

    fn of(term: Term) -> Self {
        Self(Arc::new(watch::Sender::new(term)))
    }

    /// From now on it lasts until `end`.
    pub fn extend(&self, end: Instant) {
        self.0.send_replace(Term::Until(end));
    }

    /// It ends now.
    pub fn end(&self) {
        self.0.send_replace(Term::None);
    }

    /// Whether it lasts at this moment.
    pub fn holds(&self) -> bool {
        self.0.borrow().holds()
    }

    /// Waits until it is granted.
    pub async fn begins(&self) {
        let mut term = self.0.subscribe();
        term.wait_for(|term| term.holds())
            .await
            .expect("the sender is ours");
    }

    /// Waits for its end, however often that is put off.
    pub async fn ends(&self) {
        let mut term = self.0.subscribe();
        loop {
            let now = *term.borrow_and_update();
            let end = async {
                match now {
                    Term::None => {}
                    Term::Until(end) => sleep_until(end).await,
                    Term::Endless => pending().await,
                }
            };
            tokio::select! {
                biased;
                () = end => return,
                changed = term.changed() => changed.expect("the sender is ours"),
            }
        }
    }

    /// Runs a write for as long as the claim lasts. Without a claim it isn't begun; one that outlasts
    /// the claim is cut off, and may have been carried out all the same.
    pub fn hold<T>(
        &self,
        write: impl Future<Output = Result<T, Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        // A call to Cloud Tasks is 15 KB, which each future around it would hold once more.
        let write = Box::pin(write);
        async move {
            // The timer below fires at the next millisecond, this look is exact.
            if !self.holds() {
                return Err(Error::NotLeader);
            }
            tokio::select! {
                biased;
                () = self.ends() => Err(Error::NotLeader),
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

    use super::Claim;
    use crate::error::Error;

    const LONG: Duration = Duration::from_hours(1);

    async fn writes(claim: &Claim) -> bool {
        match claim.hold(ready(Ok(()))).await {
            Ok(()) => true,
            Err(Error::NotLeader) => false,
            Err(error) => panic!("{error}"),
        }
    }

    #[tokio::test]
    async fn a_write_needs_a_claim_that_lasts() {
        let claim = Claim::none();
        assert!(!writes(&claim).await);
        claim.extend(Instant::now() + LONG);
        assert!(writes(&claim).await);
        claim.extend(Instant::now());
        assert!(!writes(&claim).await, "granted, and over when it was heard");
        claim.extend(Instant::now() + LONG);
        claim.end();
        assert!(!writes(&claim).await);
        assert!(writes(&Claim::endless()).await);
    }

    #[tokio::test]
    async fn a_write_without_a_claim_is_not_begun() {
        let begun = async { panic!("it was begun") };
        let written: Result<(), Error> = Claim::none().hold(begun).await;
        assert!(matches!(written, Err(Error::NotLeader)));
    }

    #[tokio::test]
    async fn a_write_that_hangs_is_cut_off_at_the_end() {
        let claim = Claim::none();
        claim.extend(Instant::now() + Duration::from_millis(20));
        let written: Result<(), Error> = claim.hold(pending()).await;
        assert!(matches!(written, Err(Error::NotLeader)));
    }

    #[tokio::test]
    async fn an_end_that_is_put_off_cuts_nothing() {
        let claim = Claim::none();
        let end = Instant::now() + Duration::from_millis(20);
        claim.extend(end);
        let put_off = claim.clone();
        let write = async move {
            put_off.extend(end + LONG);
            tokio::time::sleep_until(end + Duration::from_millis(20)).await;
            Ok(())
        };
        claim.hold(write).await.unwrap();
    }
}
