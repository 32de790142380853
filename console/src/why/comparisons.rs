//! What has become of what was found on a stage, since an override is in force on it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::readings::Reading;
use crate::model::{Comparison, Finding, LiveChain, LiveStage, StageState, Verdict};

/// A finding at a threshold comes and goes: the override is made for it nevertheless.
const GAP: Duration = Duration::from_mins(1);
/// Fewer runs or pushes say little.
const ENOUGH: u64 = 20;

/// What was found on the stages of one chain before the overrides that are in force.
#[derive(Debug, Clone, Default)]
pub(super) struct Comparisons {
    /// What was found last, by stage.
    found: BTreeMap<String, (Timestamp, Reading)>,
    /// By stage and name.
    overrides: BTreeMap<(String, String), Begun>,
}

/// An override in force.
#[derive(Debug, Clone, Copy)]
struct Begun {
    /// When it was first seen.
    at: Timestamp,
    /// `None` if nothing was found before, or nobody looked.
    before: Option<Reading>,
}

impl Comparisons {
    /// Says of each override whether it has helped. The findings of the chain are those of now.
    pub(super) fn stamp(&mut self, chain: &mut LiveChain, now: Timestamp) {
        self.found.retain(|_, (at, _)| since(*at, now) <= GAP);
        let mut known = std::mem::take(&mut self.overrides);
        for stage in &mut chain.stages {
            let before = self.found.get(&stage.name).map(|(_, reading)| *reading);
            let mut overrides = std::mem::take(&mut stage.overrides);
            for it in &mut overrides {
                let key = (stage.name.clone(), it.name.clone());
                let begun = known.remove(&key);
                let begun = begun.unwrap_or(Begun { at: now, before });
                it.comparison = begun.compare(stage, now);
                self.overrides.insert(key, begun);
            }
            stage.overrides = overrides;
            if let Some(reading) = found(&chain.findings, stage) {
                self.found.insert(stage.name.clone(), (now, reading));
            }
        }
    }
}

/// The number of the first finding of a stage that has one.
fn found(findings: &[Finding], stage: &LiveStage) -> Option<Reading> {
    let workers = stage.worker_numbers.value()?;
    let mut its = findings
        .iter()
        .filter(|it| it.stage.as_ref() == Some(&stage.name));
    its.find_map(|it| Reading::of(it.cause, workers))
}

impl Begun {
    /// `None` without two numbers of a stage that runs.
    fn compare(self, stage: &LiveStage, now: Timestamp) -> Option<Comparison> {
        let workers = stage.worker_numbers.value()?;
        let before = self.before.filter(|_| stage.state == StageState::Running)?;
        let not_known_yet = Comparison {
            verdict: Verdict::NotKnownYet,
            message: format!("before it, {} ({})", before.sentence(), before.counts()),
        };
        let lasts = since(self.at, now);
        let seen = workers.window + workers.age;
        let later = before.again(workers).filter(|it| it.is_of(ENOUGH));
        let Some(later) = later.filter(|_| lasts >= seen) else {
            return Some(not_known_yet);
        };
        // Runs that began before it end as they would have without it.
        let are_over = lasts >= seen + stage.settings.timeout;
        let verdict = match (later.is_clearly_below(before), are_over) {
            (true, _) => Verdict::Helped,
            (false, true) => Verdict::NotClearly,
            (false, false) => return Some(not_known_yet),
        };
        let (was, of_was) = (before.sentence(), before.counts());
        let (is, of_is) = (later.number(), later.counts());
        Some(Comparison {
            verdict,
            message: format!("{was} before ({of_was}), {is} now ({of_is})"),
        })
    }
}

fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
