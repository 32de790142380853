//! What queues and Deployments must be, from the manifest and the overrides alone: what isn't so.

use std::collections::BTreeMap;

use cloudtasks::{Queue, QueuePath, QueueSettings, QueueState};
use crds::{ChainOverrideSpec, ExecutorChain, RateLimits, Stage};

use crate::manifest::queue;

const OWNER: &str = "executor-owner";
const PAUSE: &str = "executor-pause";
const REPLACED: &str = "executor-replaced";
const NOTIFIER: &str = "executor-notifier";
const PARKING: &str = "executor-parking";

/// What must be so.
pub struct Expected<'a> {
    /// The chain as it was applied last.
    pub chain: &'a ExecutorChain,
    /// Those in force, the oldest first.
    pub overrides: &'a [(&'static str, ChainOverrideSpec)],
    /// The queues before the first override: what neither says is as it was.
    pub before: &'a BTreeMap<QueuePath, Queue>,
}

impl Expected<'_> {
    /// What isn't so of a chain that is settled. `replicas`: of the stages' Deployments.
    pub fn wrong(&self, queues: &[Queue], replicas: &BTreeMap<String, i32>) -> Vec<String> {
        let stages = self.chain.spec.stages.iter();
        let stages = stages.flat_map(|stage| self.wrong_of_stage(stage, queues, replicas));
        stages
            .chain(self.wrong_marks(queues))
            .chain(self.wrong_parking(queues))
            .collect()
    }

    /// Whether the parking queue is there, and every queue that keeps parked tasks does so.
    fn wrong_parking(&self, queues: &[Queue]) -> Vec<String> {
        let named = self.chain.spec.parking.iter().map(|it| queue(&it.queue));
        let missing = named.filter(|path| {
            let mut marked = queues.iter().filter(|it| is_parking(it));
            !marked.any(|found| found.path == *path)
        });
        let missing = missing.map(|path| format!("there is no parking queue {}", path.id));
        let marked = queues.iter().filter(|it| is_parking(it));
        let wrong = marked.filter(|found| !keeps_parked_tasks(found));
        let wrong = wrong.map(|found| format!("queue {} is {found:?}", found.path.id));
        missing.chain(wrong).collect()
    }

    fn wrong_of_stage(
        &self,
        stage: &Stage,
        queues: &[Queue],
        replicas: &BTreeMap<String, i32>,
    ) -> Vec<String> {
        let path = queue(&stage.queue);
        let Some(found) = queues.iter().find(|it| it.path == path) else {
            return vec![format!("there is no queue {}", path.id)];
        };
        let wanted = self.wanted(stage);
        let before = self.before.get(&path).map(settings);
        let unset = before.map(|before| before.without(&wanted));
        let differences = [Some(wanted), unset].into_iter().flatten();
        let texts = differences.flat_map(|it| it.difference(found).texts());
        let mut wrong: Vec<String> = texts
            .map(|text| format!("queue {} doesn't have {text}", path.id))
            .collect();
        let of_stage = self.of_stage(stage);
        let (mut paused, mut count) = (stage.paused, stage.replicas);
        for it in of_stage {
            paused = it.paused.or(paused);
            count = it.replicas.filter(|_| count.is_some()).or(count);
        }
        let pause = header(found, PAUSE);
        let is_paused = found.state == QueueState::Paused;
        // Without workers, the operator pauses it for a reason of its own.
        let is_right = match paused {
            _ if count == Some(0) => true,
            Some(true) => is_paused && pause == Some("spec"),
            Some(false) | None => !is_paused && pause.is_none(),
        };
        if !is_right {
            wrong.push(format!(
                "queue {} is {:?} with the mark {pause:?}",
                path.id, found.state
            ));
        }
        if header(found, REPLACED).is_some() != self.replaces(stage) {
            let mark = header(found, REPLACED);
            wrong.push(format!("queue {} has the mark {mark:?}", path.id));
        }
        let deployed = replicas.get(&stage.name).copied();
        if count.is_some() && deployed != count {
            wrong.push(format!("stage {} has {deployed:?} replicas", stage.name));
        }
        wrong
    }

    /// Only the chain's notifier's queue may have its mark.
    fn wrong_marks(&self, queues: &[Queue]) -> Vec<String> {
        let own = queue(&self.chain.spec.notifier.queue);
        let wrong = queues.iter().filter(|found| {
            let holds = header(found, NOTIFIER).is_some_and(|mark| mark != "shared");
            holds != (found.path == own)
        });
        wrong
            .map(|found| {
                let mark = header(found, NOTIFIER);
                format!("queue {} has the mark {mark:?}", found.path.id)
            })
            .collect()
    }

    fn of_stage(&self, stage: &Stage) -> impl Iterator<Item = &ChainOverrideSpec> {
        let of_stage = |it: &&ChainOverrideSpec| {
            let mut names = it.stages.iter();
            names.any(|name| *name == stage.name || name == crds::EVERY_STAGE)
        };
        self.overrides.iter().map(|(_, it)| it).filter(of_stage)
    }

    fn wanted(&self, stage: &Stage) -> QueueSettings {
        let mut limits = stage.rate_limits.unwrap_or_default();
        for it in self.of_stage(stage) {
            limits = over(it.rate_limits.unwrap_or_default(), limits);
        }
        let backoff = stage.backoff.unwrap_or_default();
        QueueSettings {
            max_dispatches_per_second: limits.max_dispatches_per_second,
            max_concurrent_dispatches: limits.max_concurrent_dispatches,
            max_attempts: Some(-1),
            max_retry_duration: Some(None),
            min_backoff: backoff.min.map(|it| it.0),
            max_backoff: backoff.max.map(|it| it.0),
            max_doublings: backoff.max_doublings,
            http_target: None,
        }
    }

    /// Whether an override has a limit of the stage: what was there before is written on the queue.
    fn replaces(&self, stage: &Stage) -> bool {
        let mut of_stage = self.of_stage(stage);
        of_stage.any(|it| it.rate_limits.is_some() || it.backoff.is_some())
    }
}

/// What isn't so of the queues of a chain that is deleted and keeps its tasks: one that dispatches would
/// push to nobody.
pub fn wrong_of_deleted(queues: &[Queue]) -> Vec<String> {
    let owned = queues.iter().filter(|found| header(found, OWNER).is_some());
    let wrong = owned.filter(|found| {
        let is_retained =
            found.state == QueueState::Paused && header(found, PAUSE) == Some("retain");
        !is_retained && !keeps_parked_tasks(found)
    });
    wrong
        .map(|found| {
            let mark = header(found, PAUSE);
            format!("queue {} is {:?}, {mark:?}", found.path.id, found.state)
        })
        .collect()
}

/// Whether what is in a queue has ended, and is kept.
pub fn is_parking(found: &Queue) -> bool {
    header(found, PARKING).is_some()
}

fn keeps_parked_tasks(found: &Queue) -> bool {
    found.state == QueueState::Paused
        && found.max_attempts == -1
        && is_parking(found)
        && header(found, OWNER).is_some()
        && header(found, PAUSE) == Some("parking")
}

/// The limits of `first`, and those of `second` that it lacks.
fn over(first: RateLimits, second: RateLimits) -> RateLimits {
    RateLimits {
        max_dispatches_per_second: first
            .max_dispatches_per_second
            .or(second.max_dispatches_per_second),
        max_concurrent_dispatches: first
            .max_concurrent_dispatches
            .or(second.max_concurrent_dispatches),
    }
}

fn settings(found: &Queue) -> QueueSettings {
    QueueSettings {
        max_dispatches_per_second: Some(found.max_dispatches_per_second),
        max_concurrent_dispatches: Some(found.max_concurrent_dispatches),
        min_backoff: Some(found.min_backoff),
        max_backoff: Some(found.max_backoff),
        max_doublings: Some(found.max_doublings),
        ..QueueSettings::default()
    }
}

fn header<'a>(found: &'a Queue, name: &str) -> Option<&'a str> {
    let target = found.http_target.as_ref()?;
    target.headers.get(name).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use cloudtasks::HttpTarget;
    use serde_json::json;

    use super::*;
    use crate::manifest::Manifest;
    use crate::testbed::Testbed;

    fn chain(manifest: &Manifest) -> ExecutorChain {
        manifest.chain(([127, 0, 0, 1], 1).into()).unwrap()
    }

    /// As the operator leaves the queues of the manifest that each row begins with.
    fn queues() -> Vec<Queue> {
        let found = |id: &str, rate, concurrency, (mark, value): (&str, &str)| Queue {
            path: queue(id),
            state: QueueState::Running,
            max_dispatches_per_second: rate,
            max_concurrent_dispatches: concurrency,
            max_attempts: -1,
            max_retry_duration: None,
            min_backoff: std::time::Duration::from_millis(100),
            max_backoff: std::time::Duration::from_millis(400),
            max_doublings: 16,
            http_target: Some(HttpTarget {
                headers: [(mark.to_owned(), value.to_owned())].into(),
                ..HttpTarget::default()
            }),
        };
        let owner = (OWNER, "test/shop/orders");
        vec![
            found("incoming", 120.0, 20, owner),
            found("incoming-2", 80.0, 20, owner),
            found("incoming-3", 60.0, 20, owner),
            found("ends", 500.0, 1000, (NOTIFIER, "test/shop/orders")),
        ]
    }

    fn set(queue: &mut Queue, mark: &str, value: &str) {
        let target = queue.http_target.as_mut().unwrap();
        target.headers.insert(mark.to_owned(), value.to_owned());
    }

    fn wrong(
        manifest: &Manifest,
        overrides: &[(&'static str, ChainOverrideSpec)],
        change: impl Fn(&mut Vec<Queue>),
    ) -> Vec<String> {
        let mut found = queues();
        change(&mut found);
        let expected = Expected {
            chain: &chain(manifest),
            overrides,
            before: &queues()
                .into_iter()
                .map(|it| (it.path.clone(), it))
                .collect(),
        };
        let replicas = [("fast", 2), ("middle", 1), ("slow", 1)];
        let replicas = replicas.map(|(stage, count)| (stage.to_owned(), count));
        expected.wrong(&found, &replicas.into())
    }

    #[test]
    fn what_is_left_behind_is_found() {
        let base = Manifest::base();
        assert_eq!(wrong(&base, &[], |_| ()), Vec::<String>::new());
        for (change, sentence) in [
            (
                (|it| it[0].max_dispatches_per_second = 5.0) as fn(&mut Vec<Queue>),
                "queue incoming doesn't have rate 120/s",
            ),
            (
                |it| it[1].state = QueueState::Paused,
                "queue incoming-2 is Paused with the mark None",
            ),
            (
                |it| set(&mut it[1], PAUSE, "spec"),
                "queue incoming-2 is Running with the mark Some(\"spec\")",
            ),
            (
                |it| set(&mut it[2], REPLACED, "{}"),
                "queue incoming-3 has the mark Some(\"{}\")",
            ),
            (
                |it| it[3].http_target = None,
                "queue ends has the mark None",
            ),
            (
                |it| {
                    it.remove(0);
                },
                "there is no queue incoming",
            ),
        ] {
            assert_eq!(wrong(&base, &[], change), [sentence]);
        }
    }

    #[test]
    fn overrides_are_expected_the_newest_first() {
        let slow = |rate| json!({"stages": ["*"], "rateLimits": {"maxDispatchesPerSecond": rate}});
        let overrides = [("inc-1", slow(5)), ("inc-2", slow(7))];
        let overrides = overrides.map(|(name, fields)| (name, Testbed::spec(&fields).unwrap()));
        let base = Manifest::base();
        // The rate of three stages, and what was there before.
        assert_eq!(wrong(&base, &overrides, |_| ()).len(), 6);
        let all = |rate| {
            move |it: &mut Vec<Queue>| {
                for found in it.iter_mut().take(3) {
                    found.max_dispatches_per_second = rate;
                    set(found, REPLACED, "{}");
                }
            }
        };
        assert_eq!(wrong(&base, &overrides, all(5.0)).len(), 3);
        assert_eq!(wrong(&base, &overrides, all(7.0)), Vec::<String>::new());
    }

    #[test]
    fn what_the_chain_does_not_set_is_as_before() {
        let unset = Manifest::base().stage(0, ", maxConcurrentDispatches: 20", "");
        assert_eq!(wrong(&unset, &[], |_| ()), Vec::<String>::new());
        let left = wrong(&unset, &[], |it| it[0].max_concurrent_dispatches = 3);
        assert_eq!(left, ["queue incoming doesn't have concurrent 20"]);
        let fields = json!({"stages": ["fast"], "rateLimits": {"maxConcurrentDispatches": 3}});
        let overrides = [("inc-1", Testbed::spec(&fields).unwrap())];
        let in_force = |it: &mut Vec<Queue>| {
            it[0].max_concurrent_dispatches = 3;
            set(&mut it[0], REPLACED, "{}");
        };
        assert_eq!(wrong(&unset, &overrides, in_force), Vec::<String>::new());
    }

    #[test]
    fn a_parking_queue_that_is_missing_or_pushes_is_found() {
        let parking = Manifest::base().head(
            "driftPolicy: Enforce",
            "parking: {queue: parked}\n  driftPolicy: Enforce",
        );
        let missing = wrong(&parking, &[], |_| ());
        assert_eq!(missing, ["there is no parking queue parked"]);
        let kept = |it: &mut Vec<Queue>| {
            let mut parked = it[0].clone();
            parked.path = queue("parked");
            parked.state = QueueState::Paused;
            set(&mut parked, PARKING, "keeps");
            set(&mut parked, PAUSE, "parking");
            it.push(parked);
        };
        for manifest in [parking, Manifest::base()] {
            assert_eq!(wrong(&manifest, &[], kept), Vec::<String>::new());
            let pushing = wrong(&manifest, &[], |it| {
                kept(it);
                it[4].state = QueueState::Running;
            });
            assert_eq!(pushing.len(), 1, "{pushing:?}");
        }
    }

    #[test]
    fn a_queue_that_dispatches_for_a_deleted_chain_is_found() {
        let mut found = queues();
        assert_eq!(wrong_of_deleted(&found).len(), 3);
        for it in found.iter_mut().take(3) {
            it.state = QueueState::Paused;
            set(it, PAUSE, "retain");
        }
        assert_eq!(wrong_of_deleted(&found), Vec::<String>::new());
    }
}
