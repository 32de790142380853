//! The state that all pushes of one worker share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use cloudtasks::CloudTasks;
use decide::{Delivery, RunSlot, Sign};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::concurrency_limit::{ConcurrencyLimit, InFlightGuard};
use super::health::{AdmittedRun, Health, NotAdmitted};
use crate::config::Config;
use crate::handler::HandlerClient;
use crate::identity::PushVerifier;
use crate::telemetry::WorkerMetrics;

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub config: Config,
    /// The full name of the stage's queue, for the log.
    pub queue: String,
    /// Empty until the first connection.
    pub cloud_tasks: OnceLock<CloudTasks>,
    pub handler: HandlerClient,
    /// Limits runs.
    pub concurrency: ConcurrencyLimit,
    /// None if the stage neither isolates nor holds.
    pub health: Option<Arc<Health>>,
    /// None if the stage takes pushes without a token.
    pub verifier: Option<PushVerifier>,
    /// Limits pushes in flight, including those without a run.
    pub push_permits: Arc<Semaphore>,
    /// Whether the handler took the last connection.
    pub handler_listens: watch::Sender<bool>,
    /// Whether SIGTERM has come. The worker still accepts pushes for the drain delay.
    pub stopping: AtomicBool,
    pub metrics: Arc<WorkerMetrics>,
}

/// What a run of the handler needs.
#[derive(Debug)]
pub(crate) struct RunPermit {
    _slot: OwnedSemaphorePermit,
    admitted: Option<AdmittedRun>,
}

impl RunPermit {
    /// The run has ended, and says this of the handler. The slot is free again. Whether an attempt that fails
    /// now is the handler's fault.
    pub(crate) fn end(self, sign: Option<Sign>) -> bool {
        self.admitted.is_some_and(|admitted| admitted.end(sign))
    }
}

impl Worker {
    /// Asks for a run of this task. `guard` says that no other push of it is in flight here.
    pub(crate) fn acquire(
        &self,
        guard: Option<&InFlightGuard>,
        delivery: &Delivery,
    ) -> Result<RunPermit, NotAdmitted> {
        guard.ok_or(RunSlot::TaskInFlight)?;
        // Before the slot: a category that holds too many of them leaves when none is free.
        let taken = self.concurrency.taken();
        let health = self.health.as_ref();
        let admitted = health.map(|it| it.admit(delivery, taken)).transpose()?;
        Ok(RunPermit {
            _slot: self.concurrency.acquire(guard)?,
            admitted,
        })
    }

    /// Whether the worker holds, and no run may begin now.
    pub(crate) fn must_wait(&self) -> bool {
        let holds = self.config.policy.hold_on_outage.is_some();
        holds && self.health.as_ref().is_some_and(|it| it.must_wait())
    }

    /// Whether the worker has everything that pushes need.
    pub(crate) fn can_serve(&self) -> bool {
        self.cloud_tasks.get().is_some() && self.has_keys()
    }

    /// Whether the worker can verify tokens, if pushes need one.
    pub(crate) fn has_keys(&self) -> bool {
        self.verifier.as_ref().is_none_or(PushVerifier::has_keys)
    }
}
