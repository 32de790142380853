//! What a pod knows of its stage's health, and whether a task may run.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::isolation::{IsolatedCategory, Isolation, IsolationCause, RunningCategory};
use super::outage::Outage;
use crate::stage::{IsolationRules, StagePolicy};
use crate::values::{Category, IsolationIndex, Sign};

/// What a pod knows of its stage's health.
#[derive(Debug)]
pub struct StageHealth {
    isolation: Isolation,
    /// None if the stage doesn't hold.
    outage: Option<Outage>,
}

/// Whether a task may run.
#[derive(Debug)]
pub enum Admission {
    /// It may. When the run has ended, [`StageHealth::end`] takes the ticket back.
    Run(RunTicket),
    /// The pod holds, and no probe is due.
    Held,
    /// The task's category is isolated by this rule.
    Isolated(IsolationIndex, IsolationCause),
}

/// A run that has been admitted.
#[derive(Debug)]
#[must_use = "the run counts until its ticket comes back"]
pub struct RunTicket {
    task: u64,
    categories: Vec<RunningCategory>,
    is_probe: bool,
}

impl StageHealth {
    /// A pod with so many run slots. None if its stage neither isolates nor holds.
    pub fn new(policy: &StagePolicy, run_slots: u32) -> Option<Self> {
        Self::of(&policy.isolation, policy.hold_on_outage, run_slots)
    }

    /// The same, of what it depends on.
    pub fn of(
        isolation: &IsolationRules,
        hold_on_outage: Option<Duration>,
        run_slots: u32,
    ) -> Option<Self> {
        if isolation.is_empty() && hold_on_outage.is_none() {
            return None;
        }
        Some(Self {
            isolation: Isolation::new(isolation, run_slots),
            outage: hold_on_outage.map(Outage::new),
        })
    }

    /// Whether a task may run now, while so many run slots are taken. `task` tells tasks apart.
    pub fn admit(
        &mut self,
        task: &impl Hash,
        categories: &[Category],
        slots_taken: u32,
        now: Duration,
    ) -> Admission {
        if self.must_wait(now) {
            return Admission::Held;
        }
        let categories = match self.isolation.admit(categories, slots_taken, now) {
            Ok(categories) => categories,
            Err((rule, cause)) => return Admission::Isolated(rule, cause),
        };
        let mut hasher = DefaultHasher::new();
        task.hash(&mut hasher);
        Admission::Run(RunTicket {
            task: hasher.finish(),
            categories,
            is_probe: self.outage.as_mut().is_some_and(|it| it.begins(now)),
        })
    }

    /// A run has ended, or did not begin after all; `sign` is what it says. `random`, from 0 to 1, spreads
    /// the pods.
    pub fn end(&mut self, ticket: &RunTicket, sign: Option<Sign>, now: Duration, random: f64) {
        let was_holding = self.is_holding(now);
        // What fails in an outage says nothing of its category.
        let of_category = sign.filter(|_| !was_holding);
        let categories = &ticket.categories;
        self.isolation.end(categories, of_category, now, random);
        if let (Some(outage), Some(sign)) = (&mut self.outage, sign) {
            outage.ends(ticket.task, ticket.is_probe, sign, now);
        }
        if self.is_holding(now) && !was_holding {
            self.isolation.forget();
        }
    }

    /// Whether an attempt that fails now is the handler's fault: the pod holds, or may be about to.
    pub fn blames_handler(&self, now: Duration) -> bool {
        self.outage
            .as_ref()
            .is_some_and(|it| it.blames_handler(now))
    }

    /// Whether the pod holds, and no probe is due.
    pub fn must_wait(&mut self, now: Duration) -> bool {
        self.outage.as_mut().is_some_and(|it| it.must_wait(now))
    }

    /// Whether the pod holds.
    pub fn is_holding(&self, now: Duration) -> bool {
        self.outage.as_ref().is_some_and(|it| it.is_holding(now))
    }

    /// Since when the pod holds.
    pub fn holding_since(&self, now: Duration) -> Option<Duration> {
        self.outage.as_ref()?.since(now)
    }

    /// The categories that are isolated because they fail.
    pub fn isolated(&self, now: Duration) -> impl Iterator<Item = IsolatedCategory> {
        self.isolation.isolated(now)
    }
}
