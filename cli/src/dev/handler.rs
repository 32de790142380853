//! The built-in handler, which fails a share of the tasks on purpose. The same task always fails in the
//! same way. A task's own headers can make an incident of it.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use crds::ExecutorChain;
use parking_lot::Mutex;

use crate::args::FailingShares;

impl std::fmt::Display for FailingShares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = |share: f64| format!("{:.0}%", share * 100.0);
        write!(
            f,
            "{} fail their first attempt, {} on the first stages, {} on all",
            percent(self.fail_once),
            percent(self.fail_first),
            percent(self.fail_for_ever)
        )
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Well,
    Once,
    OnFirst,
    ForEver,
}

/// The status that a task gets, whatever its fate.
const STATUS: &str = "dev-status";
/// How long each run of a task takes.
const RUN_TIME: &str = "dev-run-time";

/// A number from 0 to 1, always the same for the same value.
fn drawn(value: impl Hash) -> f64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    f64::from(u32::try_from(hasher.finish() >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

fn fate(task: &str, shares: FailingShares) -> Fate {
    let drawn = drawn(task);
    let FailingShares {
        fail_once,
        fail_first,
        fail_for_ever,
    } = shares;
    if drawn < fail_for_ever {
        Fate::ForEver
    } else if drawn < fail_for_ever + fail_first {
        Fate::OnFirst
    } else if drawn < fail_for_ever + fail_first + fail_once {
        Fate::Once
    } else {
        Fate::Well
    }
}

/// On how many stages a task fails that fails on the first: on one at least, and not on the last.
fn failing_stages(task: &str, stages: usize) -> usize {
    let others = stages.saturating_sub(1);
    (1..others)
        .take_while(|stage| drawn((task, stage)) < 0.5)
        .count()
        + usize::from(others > 0)
}

/// The names of the stages, first to last.
#[derive(Debug, Clone)]
pub struct StageNames(Arc<Mutex<Arc<[String]>>>);

impl StageNames {
    /// Of a chain.
    pub fn of(chain: &ExecutorChain) -> Self {
        Self(Arc::new(Mutex::new(names(chain))))
    }

    /// Takes an edit.
    pub fn follow(&self, chain: &ExecutorChain) {
        *self.0.lock() = names(chain);
    }

    fn get(&self) -> Arc<[String]> {
        Arc::clone(&self.0.lock())
    }
}

fn names(chain: &ExecutorChain) -> Arc<[String]> {
    let stages = chain.spec.stages.iter();
    stages.map(|stage| stage.name.clone()).collect()
}

/// The handler's routes. A run takes `time` on average.
pub fn routes(shares: FailingShares, time: Duration, stages: StageNames) -> Router {
    Router::new().fallback(move |headers: HeaderMap| {
        let status = answer(&headers, shares, &stages.get());
        let time = run_time(&headers, time);
        async move {
            if !time.is_zero() {
                tokio::time::sleep(time).await;
            }
            status
        }
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// From half the average to half as much again.
fn run_time(headers: &HeaderMap, average: Duration) -> Duration {
    let own = worker_contract::duration::parse(text(headers, RUN_TIME));
    own.unwrap_or_else(|| {
        let run = (
            text(headers, "executor-task"),
            text(headers, "executor-attempt"),
        );
        average.mul_f64(0.5 + drawn(run))
    })
}

fn answer(headers: &HeaderMap, shares: FailingShares, stages: &[String]) -> StatusCode {
    let text = |name: &str| text(headers, name);
    if let Ok(status) = text(STATUS).parse() {
        return status;
    }
    let (task, stage) = (text("executor-task"), text("executor-stage"));
    let stage = stages.iter().position(|name| name == stage).unwrap_or(0);
    let fails = match fate(task, shares) {
        Fate::Well => false,
        Fate::Once => stage == 0 && text("executor-attempt") == "1",
        Fate::OnFirst => stage < failing_stages(task, stages.len()),
        Fate::ForEver => true,
    };
    if fails {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::OK
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_share_of_tasks_fails_in_its_way_and_a_task_always_in_the_same_way() {
        let shares = FailingShares {
            fail_once: 0.25,
            fail_first: 0.25,
            fail_for_ever: 0.25,
        };
        let fates: Vec<Fate> = (0..4000)
            .map(|number| fate(&format!("task-{number}"), shares))
            .collect();
        for wanted in [Fate::Well, Fate::Once, Fate::OnFirst, Fate::ForEver] {
            let count = fates.iter().filter(|fate| **fate == wanted).count();
            assert!((800..1200).contains(&count), "{wanted:?}: {count}");
        }
        assert_eq!(fate("task-7", shares), fates[7]);
    }

    #[test]
    fn a_task_that_fails_on_the_first_stage_succeeds_on_a_later_one() {
        for (stages, wanted) in [(0, 0..=0), (1, 0..=0), (2, 1..=1), (4, 1..=3)] {
            let failing = (0..100).map(|task| failing_stages(&task.to_string(), stages));
            let failing: BTreeSet<usize> = failing.collect();
            assert_eq!(failing, wanted.collect(), "of {stages}");
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn a_tasks_own_headers_decide_its_status_and_its_time() {
        let none = FailingShares {
            fail_once: 0.0,
            fail_first: 0.0,
            fail_for_ever: 0.0,
        };
        for (status, code) in [("", 200), ("503", 503), ("200", 200), ("soon", 200)] {
            let headers = headers(&[(STATUS, status)]);
            assert_eq!(answer(&headers, none, &[]), code, "{status}");
        }
        let time = Duration::from_secs(1);
        let own = headers(&[(RUN_TIME, "2.5s")]);
        assert_eq!(run_time(&own, time), Duration::from_millis(2500));
        let runs = (0..100).map(|attempt| {
            let headers = headers(&[("executor-attempt", &attempt.to_string())]);
            run_time(&headers, time)
        });
        let runs: Vec<Duration> = runs.collect();
        assert!(
            runs.iter()
                .all(|run| *run >= time / 2 && *run <= time * 3 / 2)
        );
        assert!(runs.iter().any(|run| *run < time * 3 / 4));
        assert!(runs.iter().any(|run| *run > time * 5 / 4));
    }
}
