//! The bad days: what goes wrong, and the chains that it goes through.

use std::num::NonZeroU32;
use std::time::Duration;

use simulation::{
    Backoff, Change, Design, Edit, Entry, FailureThreshold, Fault, Isolate, Limits, Scenario,
    Stage, Tenants, Workers,
};

use crate::goodput::designs::{DesignKind, HANGS_LONG, LOAD, Variant, scenario, whole};

/// Of real days: five chains at once are as much as three of the whole size.
pub const SIZE: f64 = 0.6;
/// What a manifest says without more.
pub const FAILURES: FailureThreshold = FailureThreshold {
    of: 16,
    at_least: 12,
};
const MAX_SHARE: u8 = 25;
const HOLD: Duration = Duration::from_mins(30);
/// Tasks a second in an outage.
const OUTAGE_LOAD: f64 = 200.0;
const HEALTHY_TENANTS: u32 = 20;
/// An engineer has seen and understood it after so much of an incident, in percent.
const UNDERSTOOD: u32 = 33;
/// And sees that an outage is over after this time.
const SEEN: Duration = Duration::from_secs(10);
/// From here on a day of tenants counts: before, no run that hangs has ended.
const SETTLED: Duration = HANGS_LONG.timeout;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The tasks of so many tenants hang.
    Tenants(u32),
    /// All tasks go wrong.
    Outage(Fault),
}

pub const TENANTS: [Kind; 2] = [Kind::Tenants(1), Kind::Tenants(5)];
pub const OUTAGES: [Kind; 2] = [Kind::Outage(Fault::Fails), Kind::Outage(Fault::Hangs)];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tenants(1) => "one tenant hangs",
            Self::Tenants(_) => "five tenants hang",
            Self::Outage(Fault::Fails) => "outage, failing immediately",
            Self::Outage(Fault::Hangs) => "outage, hanging for 10 s",
        }
    }

    /// As `--scene` knows it.
    pub fn scene(self) -> String {
        format!("bad day, {}", self.name())
    }
}

#[derive(Debug, Clone)]
pub struct Day {
    pub kind: Kind,
    pub scenario: Scenario,
    /// Pods of each stage that protects itself.
    pub pods: u32,
    /// The one that protects itself is the first, and the oracle the last.
    pub variants: Vec<Variant>,
}

impl Day {
    /// In a part of its size, with so many pods a stage, and so many seconds before, in and after it.
    pub fn new(kind: Kind, size: f64, pods: u32, seconds: [u64; 3]) -> Self {
        let (scenario, variants) = match kind {
            Kind::Tenants(count) => tenants(count, size, pods, seconds),
            Kind::Outage(fault) => outage(fault, size, pods, seconds),
        };
        Self {
            kind,
            scenario,
            pods,
            variants,
        }
    }

    /// What counts of it.
    pub fn settled(&self) -> Scenario {
        let mut settled = self.scenario.clone();
        settled.incident.from += SETTLED.min(lasts(&settled));
        settled
    }
}

/// When it is understood by people.
fn understood(scenario: &Scenario) -> Duration {
    scenario.incident.from + lasts(scenario) * UNDERSTOOD / 100
}

/// For how long there is trouble.
fn lasts(scenario: &Scenario) -> Duration {
    let incident = scenario.incident;
    incident.until.saturating_sub(incident.from)
}

fn pods(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)
}

fn tenants(count: u32, size: f64, pods: u32, seconds: [u64; 3]) -> (Scenario, Vec<Variant>) {
    let scenario = Scenario {
        // Five tenants of 7 %, or one of a third.
        share: if count == 1 {
            1.0 / 3.0
        } else {
            0.07 * f64::from(count)
        },
        tenants: Tenants {
            affected: count,
            healthy: HEALTHY_TENANTS,
        },
        ..scenario(HANGS_LONG.fault, LOAD * size, seconds)
    };
    let variant = |kind: DesignKind| kind.variant(HANGS_LONG.timeout, size);
    let route = Edit {
        at: understood(&scenario),
        stage: 0,
        changes: vec![Change::Reroute(1)],
    };
    let by_hand = Variant {
        name: "route by hand",
        edits: vec![route],
        ..variant(DesignKind::Ladder)
    };
    let mut isolating = Variant {
        name: "isolating",
        ..variant(DesignKind::Ladder)
    };
    isolating.design.stages[0].workers = isolates(pods, FAILURES);
    let variants = vec![
        isolating,
        variant(DesignKind::Ladder),
        by_hand,
        variant(DesignKind::Single),
        variant(DesignKind::Oracle),
    ];
    (scenario, variants)
}

pub fn isolates(count: u32, failures: FailureThreshold) -> Workers {
    Workers {
        pods: pods(count),
        isolate: Some(Isolate {
            to: 1,
            max_share: Some(MAX_SHARE),
            failures: Some(failures),
        }),
        ..Workers::default()
    }
}

fn outage(fault: Fault, size: f64, count: u32, seconds: [u64; 3]) -> (Scenario, Vec<Variant>) {
    let scenario = Scenario {
        share: 1.0,
        tenants: Tenants {
            affected: HEALTHY_TENANTS,
            healthy: 1,
        },
        ..scenario(fault, OUTAGE_LOAD * size, seconds)
    };
    let stages = |attempts: &[u32], hold_on_outage| {
        let stage = |attempts: &u32| Stage {
            limits: Limits {
                rate: 500.0 * size,
                concurrency: whole(1000.0 * size),
                // So that tasks come soon when it is over.
                backoff: Backoff {
                    max: Duration::from_secs(10),
                    ..Backoff::default()
                },
            },
            attempts: pods(*attempts),
            timeout: HANGS_LONG.timeout,
            capacity: whole(1000.0 * size),
            reroutes_to: None,
            workers: Workers {
                pods: pods(count),
                hold_on_outage,
                ..Workers::default()
            },
        };
        Design {
            stages: attempts.iter().map(stage).collect(),
            entry: Entry::First,
        }
    };
    let ladder = |name, edits| Variant {
        name,
        design: stages(&[3, 2, 1], None),
        edits,
    };
    let pause = |from, until| {
        [(from, true), (until, false)].map(|(at, is_paused)| Edit {
            at,
            stage: 0,
            changes: vec![Change::Paused(is_paused)],
        })
    };
    let window = scenario.incident;
    let by_hand = pause(understood(&scenario), window.until + SEEN);
    let by_oracle = pause(window.from, window.until);
    let variants = vec![
        Variant {
            name: "holding",
            design: stages(&[3, 2, 1], Some(HOLD)),
            edits: Vec::new(),
        },
        ladder("ladder", Vec::new()),
        ladder("pause by hand", by_hand.to_vec()),
        Variant {
            name: "single queue",
            design: stages(&[6], None),
            edits: Vec::new(),
        },
        ladder("oracle", by_oracle.to_vec()),
    ];
    (scenario, variants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_has_as_many_attempts_in_each_variant() {
        for kind in TENANTS.into_iter().chain(OUTAGES) {
            let day = Day::new(kind, 1.0, 4, [10, 60, 20]);
            let attempts = day.variants.iter().map(|variant| {
                let stages = variant.design.stages.iter();
                stages.map(|stage| stage.attempts.get()).sum::<u32>()
            });
            let attempts: Vec<u32> = attempts.collect();
            assert!(attempts.iter().all(|it| *it == attempts[0]), "{attempts:?}");
            assert_eq!(day.variants.last().map(|it| it.name), Some("oracle"));
        }
    }
}
