//! The stage's health, as this pod sees it: shared by all pushes, and asked before and after each run.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use decide::{
    Admission, CategoryId, Delivery, IsolatedCategory, IsolationCause, RunSlot, RunTicket, Sign,
    StageHealth, StagePolicy,
};

/// The stage's health, as this pod sees it.
#[derive(Debug)]
pub(crate) struct Health {
    state: Mutex<StageHealth>,
    began: Instant,
    /// Values of categories could be guessed by their hashes.
    key: RandomState,
}

/// A run that has been admitted. If it is dropped, the run says nothing of the handler.
#[derive(Debug)]
pub(crate) struct AdmittedRun {
    health: Arc<Health>,
    /// None when the run has ended.
    ticket: Option<RunTicket>,
}

/// Why a run is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAdmitted {
    pub run_slot: RunSlot,
    /// If the task's category is isolated.
    pub cause: Option<IsolationCause>,
}

impl From<RunSlot> for NotAdmitted {
    fn from(run_slot: RunSlot) -> Self {
        Self {
            run_slot,
            cause: None,
        }
    }
}

impl Health {
    /// None if the stage neither isolates nor holds.
    pub(crate) fn new(policy: &StagePolicy, run_slots: u32) -> Option<Arc<Self>> {
        let state = StageHealth::new(policy, run_slots)?;
        Some(Arc::new(Self {
            state: Mutex::new(state),
            began: Instant::now(),
            key: RandomState::new(),
        }))
    }

    /// Asks for a run of this task, while so many run slots are taken.
    pub(crate) fn admit(
        self: &Arc<Self>,
        delivery: &Delivery,
        slots_taken: u32,
    ) -> Result<AdmittedRun, NotAdmitted> {
        let (task, now) = (&delivery.ledger.root, self.now());
        let categories = &delivery.categories;
        match self.lock().admit(task, categories, slots_taken, now) {
            Admission::Run(ticket) => Ok(AdmittedRun {
                health: Arc::clone(self),
                ticket: Some(ticket),
            }),
            Admission::Held => Err(RunSlot::Held.into()),
            Admission::Isolated(rule, cause) => Err(NotAdmitted {
                run_slot: RunSlot::Isolated(rule),
                cause: Some(cause),
            }),
        }
    }

    /// Whether the pod holds, and no probe is due.
    pub(crate) fn must_wait(&self) -> bool {
        self.lock().must_wait(self.now())
    }

    pub(crate) fn is_holding(&self) -> bool {
        self.lock().is_holding(self.now())
    }

    /// The categories that are isolated because they fail.
    pub(crate) fn isolated(&self) -> Vec<IsolatedCategory> {
        self.lock().isolated(self.now()).collect()
    }

    /// A category's name where its value may not be told. It is another one in each pod.
    pub(crate) fn hash(&self, category: CategoryId) -> u64 {
        self.key.hash_one(category)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, StageHealth> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AdmittedRun {
    /// The run has ended, and says this of the handler. Whether an attempt that fails now is the handler's
    /// fault.
    pub(crate) fn end(mut self, sign: Option<Sign>) -> bool {
        self.end_once(sign)
    }

    fn end_once(&mut self, sign: Option<Sign>) -> bool {
        let Some(ticket) = self.ticket.take() else {
            return false;
        };
        let now = self.health.now();
        let mut health = self.health.lock();
        health.end(&ticket, sign, now, fastrand::f64());
        health.blames_handler(now)
    }
}

impl Drop for AdmittedRun {
    fn drop(&mut self) {
        self.end_once(None);
    }
}
