//! The state that all pushes of one worker share.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use cloudtasks::CloudTasks;
use tokio::sync::{Semaphore, watch};

use super::concurrency_limit::ConcurrencyLimit;
use crate::config::Config;
use crate::handler::HandlerClient;
use crate::identity::PushVerifier;
use crate::telemetry::WorkerMetrics;

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub config: Config,
    /// Empty until the first connection.
    pub cloud_tasks: OnceLock<CloudTasks>,
    pub handler: HandlerClient,
    /// Limits runs.
    pub concurrency: ConcurrencyLimit,
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

impl Worker {
    /// Whether the worker has everything that pushes need.
    pub(crate) fn can_serve(&self) -> bool {
        self.cloud_tasks.get().is_some() && self.has_keys()
    }

    /// Whether the worker can verify tokens, if pushes need one.
    pub(crate) fn has_keys(&self) -> bool {
        self.verifier.as_ref().is_none_or(PushVerifier::has_keys)
    }
}
