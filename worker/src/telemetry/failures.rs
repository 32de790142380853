//! Failed runs by the handler's reason and status.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use decide::FailedAttempt;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use worker_contract::metrics::{MAX_FAILURES, OTHER};

/// Failed runs by the handler's reason and status.
#[derive(Debug)]
pub(super) struct Failures {
    counters: Family<FailureLabel, Counter>,
    /// The pairs that a handler has chosen.
    chosen: Mutex<HashSet<FailureLabel>>,
}

/// [`worker_contract::metrics::REASON`] and [`worker_contract::metrics::STATUS`] are the fields' names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabel {
    reason: String,
    status: Option<u16>,
}

impl Failures {
    pub(super) fn register(registry: &mut Registry, name: &str) -> Self {
        let counters = Family::default();
        let help = "Failed runs and time-outs, by the handler's reason and status";
        registry.register(name, help, Family::clone(&counters));
        Self {
            counters,
            chosen: Mutex::default(),
        }
    }

    pub(super) fn count(&self, failure: &FailedAttempt) {
        let label = FailureLabel {
            reason: failure.reason.as_str().to_owned(),
            status: failure.status,
        };
        self.counters.get_or_create(&self.bounded(label)).inc();
    }

    /// Without a status the reason is the worker's own, and those are few.
    fn bounded(&self, label: FailureLabel) -> FailureLabel {
        if label.status.is_none() {
            return label;
        }
        let mut chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        if chosen.len() < MAX_FAILURES {
            chosen.insert(label.clone());
        }
        if chosen.contains(&label) {
            label
        } else {
            FailureLabel {
                reason: OTHER.to_owned(),
                status: None,
            }
        }
    }
}
