//! The live numbers of a location's queues, asked for every period, beside the lists that plans are made
//! from. Nothing is planned from these: if Cloud Tasks doesn't return them, they are unknown.

use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::{Duration, Instant};

use cloudtasks::{Error, LocationPath, QueueId, QueueStats};
use console::{Known, QueueNumbers, Unknown};
use execute::AdminClient;
use execute::admin_client::ListedStats;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::viewers::Viewers;

/// Numbers that are older than so many periods are unknown.
const STALE: u32 = 3;
/// After so many periods a used-up quota is tried again: Google counts quotas by the minute.
const QUOTA_PAUSE: u32 = 4;
/// After so many periods Cloud Tasks is asked again whether it has become able or willing.
const REFUSED_PAUSE: u32 = 20;

/// The numbers of the queues of one location. They end with it.
pub struct LocationStats {
    period: Duration,
    state: Mutex<State>,
}

struct State {
    answer: Answer,
    /// When it came.
    since: Instant,
    /// When Cloud Tasks may be asked again.
    next: Instant,
    error: Option<Error>,
    /// What the log says.
    logged: Option<Unknown>,
}

/// The last answer of Cloud Tasks, other than that it is away.
enum Answer {
    Pending,
    Numbers {
        at: Timestamp,
        queues: BTreeMap<QueueId, Option<QueueStats>>,
    },
    Refused(Unknown),
}

impl LocationStats {
    /// Nothing is known yet.
    pub fn new(period: Duration) -> Self {
        let now = Instant::now();
        Self {
            period,
            state: Mutex::new(State {
                answer: Answer::Pending,
                since: now,
                next: now,
                error: None,
                logged: None,
            }),
        }
    }

    /// The numbers of a queue, or why they are unknown; `None` if the queue wasn't listed.
    pub fn of(&self, queue: &QueueId, now: Instant) -> Option<Known<QueueNumbers>> {
        self.state.lock().of(queue, now, self.period)
    }

    async fn ask(&self, cloud: &AdminClient, parent: &LocationPath) {
        if Instant::now() >= self.state.lock().next {
            let listed = cloud.list_queue_stats(parent).await;
            // None was made: the numbers age.
            if let Some(listed) = listed.transpose() {
                let mut state = self.state.lock();
                state.take(listed, Timestamp::now(), Instant::now(), self.period);
            }
        }
        self.state.lock().log(parent, Instant::now(), self.period);
    }
}

/// Asks at once, then after `second`, then every period, until the location is dropped. Periods are shorter
/// while there are viewers.
pub async fn poll(
    stats: Weak<LocationStats>,
    cloud: AdminClient,
    parent: LocationPath,
    second: Duration,
    viewers: Viewers,
) {
    let mut pause = second;
    while let Some(stats) = stats.upgrade() {
        stats.ask(&cloud, &parent).await;
        let period = stats.period;
        drop(stats);
        viewers.pause(Instant::now(), pause).await;
        pause = period;
    }
}

impl State {
    fn take(
        &mut self,
        listed: Result<ListedStats, Error>,
        at: Timestamp,
        now: Instant,
        period: Duration,
    ) {
        let error = listed.as_ref().err().cloned();
        let (answer, pause) = match listed {
            Ok(queues) if !queues.is_empty() && queues.iter().all(|(_, it)| it.is_none()) => {
                (Answer::Refused(Unknown::Absent), 0)
            }
            Ok(queues) => {
                let queues = queues.into_iter().map(|(path, stats)| (path.id, stats));
                let queues = queues.collect();
                (Answer::Numbers { at, queues }, 0)
            }
            Err(Error::Away { .. } | Error::TimedOut { .. } | Error::Setup { .. }) => {
                self.error = error;
                return;
            }
            Err(Error::Quota { .. }) => (Answer::Refused(Unknown::Quota), QUOTA_PAUSE),
            Err(Error::Forbidden { .. }) => (Answer::Refused(Unknown::Forbidden), REFUSED_PAUSE),
            Err(Error::Unimplemented { .. }) => {
                (Answer::Refused(Unknown::Unimplemented), REFUSED_PAUSE)
            }
            Err(
                Error::Missing { .. }
                | Error::Exists { .. }
                | Error::ExistedTooRecently { .. }
                | Error::Refused { .. }
                | Error::NotNow { .. },
            ) => (Answer::Refused(Unknown::Refused), REFUSED_PAUSE),
        };
        self.answer = answer;
        self.since = now;
        self.next = now + period * pause;
        self.error = error;
    }

    fn of(&self, queue: &QueueId, now: Instant, period: Duration) -> Option<Known<QueueNumbers>> {
        if let Some(reason) = self.unknown(now, period) {
            return Some(reason.into());
        }
        let Answer::Numbers { at, queues } = &self.answer else {
            return None;
        };
        let stats = *queues.get(queue)?;
        let numbers = stats.map(|stats| numbers(stats, *at));
        Some(numbers.ok_or(Unknown::Absent).into())
    }

    /// Why nothing is known of the location.
    fn unknown(&self, now: Instant, period: Duration) -> Option<Unknown> {
        let is_stale = now.saturating_duration_since(self.since) > period * STALE;
        match self.answer {
            Answer::Refused(reason) => Some(reason),
            Answer::Pending | Answer::Numbers { .. } => is_stale.then_some(Unknown::Stale),
        }
    }

    /// Logs each change once.
    fn log(&mut self, parent: &LocationPath, now: Instant, period: Duration) {
        let reason = self.unknown(now, period);
        if reason == self.logged {
            return;
        }
        self.logged = reason;
        if let Some(reason) = reason {
            let error = self.error.as_ref().map(ToString::to_string);
            tracing::warn!(location = %parent, reason = reason.as_str(), error, "the live numbers of queues are unknown");
        } else {
            tracing::info!(location = %parent, "the live numbers of queues are known");
        }
    }
}

/// What was listed at this time.
fn numbers(stats: QueueStats, at: Timestamp) -> QueueNumbers {
    let QueueStats {
        tasks,
        oldest,
        executed_last_minute,
        in_flight,
        effective_rate,
    } = stats;
    QueueNumbers {
        tasks,
        first_due: oldest,
        lag: stats.lag(at),
        executed_last_minute,
        in_flight,
        effective_rate,
    }
}

#[cfg(test)]
mod tests {
    use cloudtasks::QueuePath;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(15);

    fn path(queue: &str) -> QueuePath {
        let queue = format!("projects/demo/locations/europe-west1/queues/{queue}");
        queue.parse().unwrap()
    }

    fn stats(tasks: u64) -> QueueStats {
        QueueStats {
            tasks,
            oldest: Timestamp::from_second(100).ok(),
            executed_last_minute: 7,
            in_flight: 2,
            effective_rate: 5.0,
        }
    }

    /// At a time when nothing has been answered.
    struct Asked {
        state: State,
        now: Instant,
    }

    impl Asked {
        fn new() -> Self {
            let state = LocationStats::new(PERIOD).state.into_inner();
            let now = state.since;
            Self { state, now }
        }

        fn answers(&mut self, listed: Result<ListedStats, Error>) {
            let at = Timestamp::from_second(160).unwrap();
            self.state.take(listed, at, self.now, PERIOD);
        }

        fn known(&mut self) {
            self.answers(Ok(vec![(path("a"), Some(stats(3))), (path("b"), None)]));
        }

        fn of(&self, queue: &str) -> Option<Known<QueueNumbers>> {
            self.state.of(&path(queue).id, self.now, PERIOD)
        }

        fn unknown(&self, queue: &str) -> Option<Unknown> {
            self.of(queue)?.unknown()
        }

        fn is_known(&self, queue: &str) -> bool {
            self.of(queue).is_some_and(|it| it.value().is_some())
        }
    }

    fn message() -> (String, String) {
        ("queues".into(), "no".into())
    }

    fn away() -> Error {
        let (_, message) = message();
        Error::Away { message }
    }

    fn refusals() -> [(Error, Unknown, u32); 4] {
        let (resource, message) = message();
        [
            (
                Error::Unimplemented {
                    resource: resource.clone(),
                    message: message.clone(),
                },
                Unknown::Unimplemented,
                20,
            ),
            (
                Error::Forbidden {
                    resource: resource.clone(),
                    message: message.clone(),
                },
                Unknown::Forbidden,
                20,
            ),
            (
                Error::Refused {
                    resource: resource.clone(),
                    message: message.clone(),
                },
                Unknown::Refused,
                20,
            ),
            (Error::Quota { resource, message }, Unknown::Quota, 4),
        ]
    }

    #[test]
    fn a_queue_has_its_numbers_and_the_lag_at_the_time_of_the_list() {
        let mut asked = Asked::new();
        assert_eq!(asked.of("a"), None, "nothing was answered yet");
        asked.known();
        asked.now += PERIOD;
        let wanted = QueueNumbers {
            tasks: 3,
            first_due: Timestamp::from_second(100).ok(),
            lag: Some(Duration::from_mins(1)),
            executed_last_minute: 7,
            in_flight: 2,
            effective_rate: 5.0,
        };
        assert_eq!(asked.of("a"), Some(Known::Known(wanted)));
        assert_eq!(asked.unknown("b"), Some(Unknown::Absent));
        assert_eq!(asked.of("c"), None, "not listed");
    }

    #[test]
    fn numbers_are_kept_for_three_periods_without_an_answer() {
        for was_known in [true, false] {
            let mut asked = Asked::new();
            if was_known {
                asked.known();
            }
            for _ in 0..3 {
                asked.now += PERIOD;
                asked.answers(Err(away()));
                assert_eq!(asked.of("a").is_some(), was_known);
                assert!(asked.now >= asked.state.next);
            }
            asked.now += Duration::from_millis(1);
            assert_eq!(asked.unknown("a"), Some(Unknown::Stale));
            asked.known();
            assert!(asked.is_known("a"));
        }
    }

    #[test]
    fn a_refusal_makes_numbers_unknown_at_once_and_is_followed_by_a_pause() {
        for (error, reason, pause) in refusals() {
            let mut asked = Asked::new();
            asked.known();
            asked.answers(Err(error));
            assert_eq!(asked.unknown("a"), Some(reason));
            assert_eq!(asked.state.next, asked.now + PERIOD * pause);
            // It is no fresher for that.
            asked.answers(Err(away()));
            assert_eq!(asked.unknown("a"), Some(reason));
            asked.known();
            assert!(asked.is_known("a"));
            assert_eq!(asked.state.next, asked.now);
        }
    }

    #[test]
    fn a_location_without_any_numbers_is_unknown_and_one_without_queues_is_not() {
        let mut asked = Asked::new();
        asked.answers(Ok(vec![(path("a"), None)]));
        assert_eq!(
            asked.state.unknown(asked.now, PERIOD),
            Some(Unknown::Absent)
        );
        asked.answers(Ok(Vec::new()));
        assert_eq!(asked.state.unknown(asked.now, PERIOD), None);
    }
}
