//! What stages were like in the last minutes, for sparklines.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::chain::{LiveChain, LiveStage};

/// Points that are kept of each stage.
pub const TREND_POINTS: usize = 60;

/// The last points of each stage in which something happened. A source of snapshots keeps it, and records
/// also while no page is open, so that the first one shows how an incident began.
#[derive(Debug, Clone)]
pub struct Trends {
    resolution: Duration,
    last: Option<Timestamp>,
    /// By namespace, chain and stage, of which no name has a slash. A stage that is idle isn't there.
    stages: BTreeMap<String, Vec<TrendPoint>>,
}

/// A stage at one instant. Numbers that are unknown are NaN: 16 bytes, since 3,000 stages have 60 each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrendPoint {
    /// Dispatches a second.
    pub rate: f32,
    /// Failed runs a second.
    pub failed: f32,
    /// Tasks in the queue.
    pub tasks: f32,
    /// For how many seconds the first task has been due.
    pub lag: f32,
}

impl Trends {
    /// Keeps a point for each `resolution`.
    pub fn new(resolution: Duration) -> Self {
        Self {
            resolution,
            last: None,
            stages: BTreeMap::new(),
        }
    }

    /// The time between two points.
    pub fn resolution(&self) -> Duration {
        self.resolution
    }

    /// Whether [`record`](Self::record) would add a point at this instant: the last one is old enough.
    pub fn is_due(&self, at: Timestamp) -> bool {
        // Timers are late by a little, and early by a little next time.
        let early = self.resolution / 10;
        self.since_last(at)
            .is_none_or(|since| since + early >= self.resolution)
    }

    /// Adds a point for each stage, if one is due.
    pub fn record(&mut self, chains: impl IntoIterator<Item: Borrow<LiveChain>>, at: Timestamp) {
        if !self.is_due(at) {
            return;
        }
        // Points are drawn at equal distances: what was before a gap would be shown at a wrong time.
        let gap = self.since_last(at);
        if gap.is_some_and(|gap| gap > self.resolution * 3) {
            self.stages.clear();
        }
        self.last = Some(at);
        let mut before = std::mem::take(&mut self.stages);
        for chain in chains {
            let chain = chain.borrow();
            for stage in &chain.stages {
                let key = key(chain, stage);
                let point = TrendPoint::of(stage);
                let mut points = before.remove(&key).unwrap_or_default();
                if points.len() == TREND_POINTS {
                    points.remove(0);
                }
                points.push(point);
                if points.iter().any(TrendPoint::is_busy) {
                    self.stages.insert(key, points);
                }
            }
        }
    }

    /// The points of a stage, oldest first. Empty if nothing has happened in it.
    pub fn of(&self, chain: &LiveChain, stage: &LiveStage) -> &[TrendPoint] {
        self.stages
            .get(&key(chain, stage))
            .map_or(&[], Vec::as_slice)
    }

    fn since_last(&self, at: Timestamp) -> Option<Duration> {
        let since = at.duration_since(self.last?);
        Some(since.try_into().unwrap_or_default())
    }
}

fn key(chain: &LiveChain, stage: &LiveStage) -> String {
    format!("{}/{}/{}", chain.namespace, chain.name, stage.name)
}

impl TrendPoint {
    #[expect(clippy::cast_possible_truncation, reason = "a pixel is coarser")]
    #[expect(clippy::cast_precision_loss, reason = "a pixel is coarser")]
    fn of(stage: &LiveStage) -> Self {
        let queue = stage.queue_numbers.value();
        let workers = stage.worker_numbers.value();
        let failed = workers.map(|numbers| numbers.per_second(numbers.runs.all_failed()));
        // An empty queue has no first task, so nothing is late.
        let lag = queue.map(|numbers| numbers.lag.unwrap_or_default().as_secs_f32());
        Self {
            rate: stage
                .dispatches_per_second()
                .map_or(f32::NAN, |rate| rate as f32),
            failed: failed.map_or(f32::NAN, |rate| rate as f32),
            tasks: queue.map_or(f32::NAN, |numbers| numbers.tasks as f32),
            lag: lag.unwrap_or(f32::NAN),
        }
    }

    /// Whether anything is above zero. NaN isn't.
    fn is_busy(&self) -> bool {
        let Self {
            rate,
            failed,
            tasks,
            lag,
        } = *self;
        [rate, failed, tasks, lag]
            .iter()
            .any(|number| *number > 0.0)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::{Duration, LiveChain, TREND_POINTS, Timestamp, Trends};

    const RESOLUTION: Duration = Duration::from_secs(15);

    /// A chain whose queue made so many dispatches in the last minute.
    fn chain(dispatches: Option<u64>) -> LiveChain {
        let unknown = json!({"unknown": "quota"});
        let known = |count| json!({"tasks": 0, "executedLastMinute": count, "inFlight": 0, "effectiveRate": 1.0});
        let numbers = dispatches.map_or(unknown.clone(), known);
        let chain = json!({
            "namespace": "shop",
            "name": "orders",
            "edit": {"state": "inForce"},
            "stages": [{
                "name": "fast",
                "queue": "incoming",
                "deployment": "orders-fast",
                "state": {"is": "running"},
                "settings": {"maxAttempts": 3, "timeoutSeconds": 10.0},
                "pods": {"ready": 1, "desired": 1},
                "queueNumbers": numbers,
                "workerNumbers": unknown.clone(),
            }],
            "notifier": {"queue": "notifier", "paused": false, "queueNumbers": unknown},
            "findings": [],
        });
        serde_json::from_value(chain).expect("it is a chain")
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    /// The rates after a point for each of these, 15 s apart.
    fn rates(trends: &Trends) -> Vec<f32> {
        let chain = chain(None);
        let points = trends.of(&chain, &chain.stages[0]);
        points.iter().map(|point| point.rate).collect()
    }

    #[test]
    fn the_last_points_are_kept_oldest_first() {
        let mut trends = Trends::new(RESOLUTION);
        for point in 0..100 {
            let seconds = i64::try_from(point).expect("a small number") * 15;
            trends.record([&chain(Some(point * 60))], at(seconds));
        }
        let rates = rates(&trends);
        assert_eq!(rates.len(), TREND_POINTS);
        assert_eq!((rates[0], rates[TREND_POINTS - 1]), (40.0, 99.0));
    }

    #[test]
    fn a_point_is_due_after_the_resolution_and_not_before() {
        let mut trends = Trends::new(RESOLUTION);
        for seconds in [0, 2, 4, 13, 14, 16, 29] {
            trends.record([&chain(Some(60))], at(seconds));
        }
        // 14 is early by less than a tenth, and so is 29.
        assert_eq!(rates(&trends).len(), 3);
    }

    #[test]
    fn a_stage_in_which_nothing_happens_takes_no_memory() {
        let mut trends = Trends::new(RESOLUTION);
        trends.record([&chain(Some(0))], at(0));
        trends.record([&chain(None)], at(15));
        assert!(trends.stages.is_empty());
        trends.record([&chain(Some(60))], at(30));
        assert_eq!(rates(&trends), [1.0]);
        for point in 3..=i64::try_from(TREND_POINTS).expect("a small number") + 2 {
            trends.record([&chain(Some(0))], at(point * 15));
        }
        assert!(trends.stages.is_empty());
    }

    #[test]
    fn a_chain_that_is_gone_and_what_was_before_a_gap_are_forgotten() {
        let mut trends = Trends::new(RESOLUTION);
        trends.record([&chain(Some(60))], at(0));
        trends.record(Vec::<LiveChain>::new(), at(15));
        assert!(trends.stages.is_empty());
        trends.record([&chain(Some(60))], at(30));
        trends.record([&chain(Some(120))], at(130));
        assert_eq!(rates(&trends), [2.0]);
    }
}
