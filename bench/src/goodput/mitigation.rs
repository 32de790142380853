//! An edit in the middle of an incident that is too much for the ladder as well.

use std::num::NonZeroU32;
use std::time::Duration;

use simulation::{Change, Edit, Results, Scenario, Window, simulate};

use crate::goodput::designs::{DesignKind, HANGS_LONG, LOAD, scenario};

const SECONDS: [u64; 3] = [30, 770, 0];
/// Two minutes after the incident's begin: an engineer has seen and understood it.
pub const AT: Duration = Duration::from_secs(150);
/// Healthy tasks are done again when they take no longer.
const PROMPT: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mitigation {
    AsItWas,
    Attempts,
    Timeout,
    Route,
}

#[derive(Debug, Clone)]
pub struct Mitigated {
    pub mitigation: Mitigation,
    /// Healthy tasks done a second: the minute before the edit, and the incident's last.
    pub goodput: [f64; 2],
    /// From the edit until those that come are done at once; none if not while the incident lasts.
    pub recovery: Option<f64>,
    /// Healthy tasks done a second, by time.
    pub results: Vec<(f64, f64)>,
}

impl Mitigation {
    pub const ALL: [Self; 4] = [Self::AsItWas, Self::Attempts, Self::Timeout, Self::Route];

    pub fn name(self) -> &'static str {
        match self {
            Self::AsItWas => "no edit",
            Self::Attempts => "attempts 3 → 1",
            Self::Timeout => "timeout 10 s → 2 s",
            Self::Route => "a route by category",
        }
    }

    fn edits(self) -> Vec<Edit> {
        let change = match self {
            Self::AsItWas => return Vec::new(),
            Self::Attempts => Change::Attempts(NonZeroU32::MIN),
            Self::Timeout => Change::Timeout(Duration::from_secs(2)),
            Self::Route => Change::Reroute(1),
        };
        vec![Edit {
            at: AT,
            stage: 0,
            changes: vec![change],
        }]
    }

    pub fn edited(self, seed: u64) -> Mitigated {
        let scenario = mitigated_scenario();
        let design = DesignKind::Ladder.design(HANGS_LONG.timeout, 1.0);
        let results = simulate(&scenario, &scenario.tasks(seed), &design, &self.edits());
        Mitigated {
            mitigation: self,
            goodput: before_and_after(&results, &scenario),
            recovery: recovery(&results, &scenario),
            results: results.goodputs(Duration::from_secs(20), scenario.lasts),
        }
    }
}

/// What it all stands against: the oracle's goodput, in the same minutes.
pub fn oracle(seed: u64) -> [f64; 2] {
    let scenario = mitigated_scenario();
    let design = DesignKind::Oracle.design(HANGS_LONG.timeout, 1.0);
    let results = simulate(&scenario, &scenario.tasks(seed), &design, &[]);
    before_and_after(&results, &scenario)
}

pub fn mitigated_scenario() -> Scenario {
    scenario(HANGS_LONG.fault, LOAD, SECONDS)
}

fn before_and_after(results: &Results, scenario: &Scenario) -> [f64; 2] {
    [AT, scenario.incident.until].map(|until| {
        results.goodput(Window {
            from: until.saturating_sub(MINUTE),
            until,
        })
    })
}

fn recovery(results: &Results, scenario: &Scenario) -> Option<f64> {
    let since = Window {
        from: AT,
        until: scenario.incident.until,
    };
    let prompt = results.prompt(since, PROMPT)?;
    Some(prompt.saturating_sub(AT).as_secs_f64())
}
