//! Which categories of tasks leave the stage: those that hold too many run slots, and those that fail where
//! others don't.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;

use super::breaker::{Breaker, Passage};
use crate::stage::{FailureThreshold, IsolationRules};
use crate::values::{Category, CategoryId, IsolationIndex, Sign};

/// The categories that a pod keeps in mind. The one that hasn't come for longest goes first.
pub const MAX_CATEGORIES: NonZeroUsize = NonZeroUsize::new(4096).expect("it is not 0");
/// The last outcomes of all categories of a rule, for the comparison with one of them.
const RECENT: usize = 64;
/// Of fewer outcomes of others nothing follows.
const OTHERS: usize = 8;

/// Why a category is isolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IsolationCause {
    /// It holds its share of the run slots.
    Share,
    /// Its runs fail where others don't.
    Failures,
}

/// A category whose tasks leave the stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsolatedCategory {
    /// The rule that isolates it.
    pub rule: IsolationIndex,
    /// Its value, hashed.
    pub id: CategoryId,
    /// The beginning of its value, if it may be told.
    pub label: Option<Box<str>>,
}

/// The categories of one pod.
#[derive(Debug)]
pub(super) struct Isolation {
    rules: Vec<Rule>,
    run_slots: u32,
    categories: LruCache<(IsolationIndex, CategoryId), Entry>,
}

#[derive(Debug)]
struct Rule {
    index: IsolationIndex,
    max_share: Option<u8>,
    failures: Option<FailureThreshold>,
    /// The category of each recent run, if it had one, and whether it failed.
    recent: VecDeque<(Option<CategoryId>, bool)>,
}

#[derive(Debug, Default)]
struct Entry {
    /// Its runs in progress.
    running: u32,
    breaker: Breaker,
    label: Option<Box<str>>,
}

/// How the other categories fare.
enum Others {
    /// Less than a third of their runs fail.
    Well,
    /// They are too few, or between a third and a half.
    Unclear,
    /// At least half of their runs fail: where all fail, nobody is an outlier.
    Ill,
}

/// A category of a task that runs.
#[derive(Debug)]
pub(super) struct RunningCategory {
    rule: IsolationIndex,
    id: CategoryId,
    is_probe: bool,
}

impl Isolation {
    pub fn new(rules: &IsolationRules, run_slots: u32) -> Self {
        let rules = (0..).zip(rules.iter()).map(|(index, rule)| Rule {
            index: IsolationIndex(index),
            max_share: rule.max_share,
            failures: rule.failures,
            recent: VecDeque::with_capacity(RECENT),
        });
        Self {
            rules: rules.collect(),
            run_slots,
            // It grows with what comes.
            categories: LruCache::new(MAX_CATEGORIES),
        }
    }

    /// Whether a task of these categories may run, while so many run slots are taken; or which rule isolates
    /// it, and why.
    pub fn admit(
        &mut self,
        categories: &[Category],
        slots_taken: u32,
        now: Duration,
    ) -> Result<Vec<RunningCategory>, (IsolationIndex, IsolationCause)> {
        let mut running = Vec::with_capacity(categories.len());
        for category in categories {
            let key = (category.rule, category.id);
            let cap = self.cap(category.rule, slots_taken);
            let entry = self.categories.get_or_insert_mut(key, || Entry {
                label: category.label.clone(),
                ..Entry::default()
            });
            if cap.is_some_and(|cap| entry.running >= cap) {
                return Err((category.rule, IsolationCause::Share));
            }
            let passage = entry.breaker.passage(now);
            if passage == Passage::Blocked {
                return Err((category.rule, IsolationCause::Failures));
            }
            running.push(RunningCategory {
                rule: category.rule,
                id: category.id,
                is_probe: passage == Passage::Probe,
            });
        }
        for category in &running {
            if let Some(entry) = self.categories.get_mut(&category.key()) {
                entry.running += 1;
                if category.is_probe {
                    entry.breaker.probe_begins(now);
                }
            }
        }
        Ok(running)
    }

    /// How many run slots a category may hold, if that counts now: while few slots are taken, a category
    /// takes none from others.
    fn cap(&self, rule: IsolationIndex, slots_taken: u32) -> Option<u32> {
        let share = self.rules.get(usize::from(rule.0))?.max_share?;
        let crowded = u64::from(slots_taken) * 4 >= u64::from(self.run_slots) * 3;
        let most = u64::from(self.run_slots) * u64::from(share) / 100;
        crowded.then(|| u32::try_from(most).unwrap_or(u32::MAX).max(1))
    }

    /// A run has ended.
    pub fn end(
        &mut self,
        running: &[RunningCategory],
        sign: Option<Sign>,
        now: Duration,
        random: f64,
    ) {
        for category in running {
            // It may have been forgotten meanwhile.
            let Some(entry) = self.categories.peek_mut(&category.key()) else {
                continue;
            };
            entry.running = entry.running.saturating_sub(1);
            if category.is_probe {
                entry.breaker.probe_ends(sign, now, random);
            }
        }
        let Some(sign) = sign else {
            return;
        };
        for index in 0..self.rules.len() {
            let rule = self.rules[index].index;
            let category = running.iter().find(|it| it.rule == rule);
            self.record(index, category, sign);
            let Some(category) = category.filter(|it| !it.is_probe) else {
                continue;
            };
            let key = category.key();
            let threshold = self.rules[index].failures;
            let fails = threshold.is_some_and(|threshold| {
                let entry = self.categories.peek_mut(&key);
                entry.is_some_and(|entry| entry.breaker.run_ends(sign, threshold))
            });
            if !fails {
                continue;
            }
            let others = self.others(index, category.id, now);
            if let Some(entry) = self.categories.peek_mut(&key) {
                match others {
                    Others::Well => entry.breaker.open(now, random),
                    Others::Ill => entry.breaker.forget(),
                    Others::Unclear => {}
                }
            }
        }
    }

    /// The handler fails for all: nothing follows for a category from what was seen so far.
    pub fn forget(&mut self) {
        for rule in &mut self.rules {
            rule.recent.clear();
        }
        for (_, entry) in &mut self.categories {
            entry.breaker.forget();
        }
    }

    fn record(&mut self, index: usize, category: Option<&RunningCategory>, sign: Sign) {
        let recent = &mut self.rules[index].recent;
        if recent.len() == RECENT {
            recent.pop_front();
        }
        recent.push_back((category.map(|it| it.id), sign == Sign::Ill));
    }

    /// How the others fare since this category has begun to fail: in an outage it may be the first whose
    /// failures are enough. Categories that are isolated already are no others.
    fn others(&self, index: usize, own: CategoryId, now: Duration) -> Others {
        let rule = &self.rules[index];
        let tolerated = rule.failures.map_or(0, |it| it.of - it.at_least);
        let is_isolated = |id: CategoryId| {
            let entry = self.categories.peek(&(rule.index, id));
            entry.is_some_and(|entry| entry.breaker.is_open(now))
        };
        let (mut own_well, mut count, mut failed) = (0, 0, 0);
        for (id, ill) in rule.recent.iter().rev() {
            if *id == Some(own) {
                own_well += u8::from(!ill);
                if own_well > tolerated {
                    break;
                }
            } else if id.is_none_or(|id| !is_isolated(id)) {
                count += 1;
                failed += usize::from(*ill);
            }
        }
        if count < OTHERS {
            Others::Unclear
        } else if failed * 3 < count {
            Others::Well
        } else if failed * 2 < count {
            Others::Unclear
        } else {
            Others::Ill
        }
    }

    /// The categories whose breakers are open.
    pub fn isolated(&self, now: Duration) -> impl Iterator<Item = IsolatedCategory> {
        self.categories
            .iter()
            .filter(move |(_, entry)| entry.breaker.is_open(now))
            .map(|((rule, id), entry)| IsolatedCategory {
                rule: *rule,
                id: *id,
                label: entry.label.clone(),
            })
    }
}

impl RunningCategory {
    fn key(&self) -> (IsolationIndex, CategoryId) {
        (self.rule, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_values_take_no_more_memory_than_a_few_thousand() {
        let rules = r#"[{"header": "X-Tenant", "to": "projects/p/locations/l/queues/slow",
            "maxShare": 25, "failures": {"of": 64, "atLeast": 1}}]"#;
        let mut isolation = Isolation::new(&serde_json::from_str(rules).unwrap(), 100);
        let category = |id: u64| Category {
            rule: IsolationIndex(0),
            id: CategoryId(id),
            label: Some("a tenant".into()),
        };
        let now = Duration::ZERO;
        for id in 0..1_000_000 {
            let running = isolation.admit(&[category(id)], 1, now).unwrap();
            // Some runs never end, and others end when their category is forgotten.
            if id % 3 > 0 {
                let sign = if id % 64 == 1 { Sign::Ill } else { Sign::Well };
                isolation.end(&running, Some(sign), now, 0.0);
            }
        }
        assert_eq!(isolation.categories.len(), MAX_CATEGORIES.get());
        assert_eq!(isolation.rules[0].recent.len(), RECENT);
        assert_eq!(isolation.rules[0].recent.capacity(), RECENT);
        assert!(isolation.isolated(now).count() <= MAX_CATEGORIES.get());
    }
}
