//! The settings in force, by time.

use std::num::NonZeroU32;
use std::time::Duration;

use console::LiveChain;

use super::no_forecast::NoForecast;
use crate::design::{Change, Edit, Stage, Workers};
use crate::queue::Limits;
use crate::world::Exit;

/// The settings of all stages, from a time on.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Since the begin. The first phase is from 0 on.
    pub from: Duration,
    /// In the order of the chain.
    pub stages: Vec<StageSettings>,
}

/// What a stage's queue and workers do.
#[derive(Debug, Clone, PartialEq)]
pub struct StageSettings {
    /// The stage.
    pub name: String,
    /// The queue's.
    pub limits: Limits,
    /// Whether the queue is paused.
    pub is_paused: bool,
    /// Attempts of a task.
    pub attempts: NonZeroU32,
    /// How long one run may take.
    pub timeout: Duration,
    /// Runs at once, of all replicas.
    pub run_slots: u32,
    /// The first that matches applies.
    pub routes: Vec<Route>,
    /// What else it does, and the simulation doesn't.
    pub not_simulated: Option<NotSimulated>,
}

/// What a stage may do that isn't simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSimulated {
    /// It isolates categories. How many tasks each has is not measured.
    Isolation,
    /// Tasks that are handed over to it wait first.
    Delay,
}

/// Where tasks go whose run has failed in a certain way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// In which way.
    pub when: Condition,
    /// Where to.
    pub to: Exit,
}

/// What a route matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The reason of a failed run.
    Reason(String),
    /// The handler's status, such as `503`, or a class of them, such as `4xx`.
    Status(String),
    /// A header of the task. How many tasks have it is not measured.
    Header,
}

impl StageSettings {
    /// Where a task goes at once whose run has failed like this.
    pub(super) fn route(&self, reason: &str, status: Option<u16>) -> Option<Exit> {
        let matches = |route: &&Route| match &route.when {
            Condition::Reason(wanted) => wanted == reason,
            Condition::Status(pattern) => status.is_some_and(|status| {
                let status = status.to_string();
                match pattern.strip_suffix("xx") {
                    Some(class) => status.starts_with(class),
                    None => status == *pattern,
                }
            }),
            Condition::Header => false,
        };
        self.routes.iter().find(matches).map(|route| route.to)
    }

    /// As the simulation has it.
    pub(super) fn stage(&self) -> Stage {
        Stage {
            limits: self.limits,
            attempts: self.attempts,
            timeout: self.timeout,
            capacity: self.run_slots,
            reroutes_to: None,
            workers: Workers::default(),
        }
    }

    fn changes(&self, before: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.limits != before.limits {
            changes.push(Change::Limits(self.limits));
        }
        if self.is_paused != before.is_paused {
            changes.push(Change::Paused(self.is_paused));
        }
        if self.run_slots != before.run_slots {
            changes.push(Change::Capacity(self.run_slots));
        }
        if self.attempts != before.attempts {
            changes.push(Change::Attempts(self.attempts));
        }
        if self.timeout != before.timeout {
            changes.push(Change::Timeout(self.timeout));
        }
        changes
    }
}

/// The edits from each phase to the next. Routes are asked for when a run begins.
pub(super) fn edits(phases: &[Phase]) -> Vec<Edit> {
    let mut edits = Vec::new();
    let first = phases.first().into_iter().flat_map(|phase| &phase.stages);
    for (stage, settings) in first.enumerate() {
        if settings.is_paused {
            edits.push(Edit {
                at: Duration::ZERO,
                stage,
                changes: vec![Change::Paused(true)],
            });
        }
    }
    for two in phases.windows(2) {
        let both = two[1].stages.iter().zip(&two[0].stages);
        for (stage, (settings, before)) in both.enumerate() {
            let changes = settings.changes(before);
            if !changes.is_empty() {
                let at = two[1].from;
                edits.push(Edit { at, stage, changes });
            }
        }
    }
    edits
}

/// Whether they can be simulated.
pub(super) fn check(now: &LiveChain, phases: &[Phase]) -> Result<(), NoForecast> {
    for phase in phases {
        let given = phase.stages.iter().map(|stage| &stage.name);
        if !given.eq(now.stages.iter().map(|stage| &stage.name)) {
            return Err(NoForecast::OtherStages);
        }
        for stage in &phase.stages {
            let has_header = |route: &Route| route.when == Condition::Header;
            if stage.routes.iter().any(has_header) {
                let stage = stage.name.clone();
                return Err(NoForecast::HeaderRoute { stage });
            }
            if let Some(what) = stage.not_simulated {
                let stage = stage.name.clone();
                return Err(match what {
                    NotSimulated::Isolation => NoForecast::Isolation { stage },
                    NotSimulated::Delay => NoForecast::Delay { stage },
                });
            }
        }
    }
    let is_in_order = phases.is_sorted_by_key(|phase| phase.from);
    let begins = phases.first().is_some_and(|phase| phase.from.is_zero());
    if is_in_order && begins {
        Ok(())
    } else {
        Err(NoForecast::NoSettings)
    }
}
