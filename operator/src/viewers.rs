//! Viewers of chains: while there are some, queues and workers are asked more often.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::chain::NamespacedName;

/// For how long a viewer who has looked counts.
const VIEWS_FOR: Duration = Duration::from_secs(15);
/// How often to ask for what has viewers.
const WATCHED_PERIOD: Duration = Duration::from_secs(5);
/// More chains at a time are as good as all.
const MAX_CHAINS: usize = 256;

/// Viewers of chains.
#[derive(Debug, Clone, Default)]
pub struct Viewers(Arc<State>);

#[derive(Debug, Default)]
struct State {
    looked: Mutex<Looked>,
    /// There is a viewer, after there was none.
    begun: Notify,
}

#[derive(Debug, Default)]
struct Looked {
    /// When a viewer has last looked at all chains.
    at_all: Option<Instant>,
    /// And at single ones.
    at: HashMap<NamespacedName, Instant>,
}

impl Viewers {
    /// A viewer looks at a chain, or at all of them.
    pub fn looked_at(&self, chain: Option<(&str, &str)>, now: Instant) {
        let mut looked = self.0.looked.lock();
        let had_viewers = looked.has_viewers(now);
        looked.at.retain(|_, then| is_recent(*then, now));
        match chain {
            Some((namespace, name)) if looked.at.len() < MAX_CHAINS => {
                looked
                    .at
                    .insert((namespace.to_owned(), name.to_owned()), now);
            }
            Some(_) | None => looked.at_all = Some(now),
        }
        drop(looked);
        if !had_viewers {
            self.0.begun.notify_waiters();
        }
    }

    /// Whether there are any.
    pub fn exist(&self, now: Instant) -> bool {
        self.0.looked.lock().has_viewers(now)
    }

    /// Whether there are some of all chains.
    pub fn see_all(&self, now: Instant) -> bool {
        self.0
            .looked
            .lock()
            .at_all
            .is_some_and(|then| is_recent(then, now))
    }

    /// Whether there are some of this very chain.
    pub fn see(&self, chain: &NamespacedName, now: Instant) -> bool {
        let looked = self.0.looked.lock();
        looked
            .at
            .get(chain)
            .is_some_and(|then| is_recent(*then, now))
    }

    /// How often to ask for what is asked for every `period` without viewers.
    pub fn period(&self, period: Duration, now: Instant) -> Duration {
        if self.exist(now) {
            period.min(WATCHED_PERIOD)
        } else {
            period
        }
    }

    /// Waits until a period has passed since it has `begun`, a shorter one once there are viewers.
    pub async fn pause(&self, begun: Instant, period: Duration) {
        loop {
            let mut looks = std::pin::pin!(self.0.begun.notified());
            // Before the question, so that no beginning is missed.
            looks.as_mut().enable();
            let end = begun + self.period(period, Instant::now());
            let ended = tokio::time::timeout_at(end.into(), looks).await;
            if ended.is_err() {
                return;
            }
        }
    }
}

impl Looked {
    fn has_viewers(&self, now: Instant) -> bool {
        let mut looks = self.at_all.iter().chain(self.at.values());
        looks.any(|then| is_recent(*then, now))
    }
}

fn is_recent(then: Instant, now: Instant) -> bool {
    now.saturating_duration_since(then) < VIEWS_FOR
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(15);

    #[test]
    fn a_viewer_counts_for_fifteen_seconds() {
        let viewers = Viewers::default();
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let orders = ("shop".to_owned(), "orders".to_owned());
        assert!(!viewers.exist(begin));
        assert_eq!(viewers.period(PERIOD, begin), PERIOD);
        viewers.looked_at(Some(("shop", "orders")), begin);
        assert!(viewers.see(&orders, after(14)));
        assert!(!viewers.see(&("shop".into(), "parcels".into()), after(14)));
        assert!(!viewers.see_all(after(14)));
        assert_eq!(viewers.period(PERIOD, after(14)), WATCHED_PERIOD);
        let second = Duration::from_secs(1);
        assert_eq!(viewers.period(second, after(14)), second);
        viewers.looked_at(None, after(14));
        assert!(!viewers.see(&orders, after(15)));
        assert!(viewers.see_all(after(28)));
        assert!(!viewers.exist(after(29)));
    }

    #[test]
    fn names_that_are_asked_for_take_no_more_memory_than_there_is_for_them() {
        let viewers = Viewers::default();
        let now = Instant::now();
        for chain in 0..2 * MAX_CHAINS {
            viewers.looked_at(Some(("shop", &chain.to_string())), now);
        }
        assert_eq!(viewers.0.looked.lock().at.len(), MAX_CHAINS);
        assert!(viewers.see_all(now));
        viewers.looked_at(Some(("shop", "orders")), now + VIEWS_FOR);
        assert_eq!(viewers.0.looked.lock().at.len(), 1);
    }

    #[tokio::test]
    async fn a_pause_is_shorter_once_there_are_viewers() {
        let viewers = Viewers::default();
        let begun = Instant::now().checked_sub(WATCHED_PERIOD).unwrap();
        let mut pause = std::pin::pin!(viewers.pause(begun, Duration::from_hours(1)));
        assert_eq!(futures::poll!(pause.as_mut()), Poll::Pending);
        viewers.looked_at(None, Instant::now());
        pause.await;
    }
}
