//! What a reconcile has found out, and what follows.

use std::time::Duration;

use kube_runtime::controller::Action;
use plan::{ChainView, Desired, Observed, Plan, PlannedView, Problem};

use crate::error::Error;

/// What a reconcile has found out, as far as it got.
#[derive(Default)]
pub struct Findings {
    /// The spec, parsed.
    pub desired: Option<Desired>,
    /// What exists after the last write.
    pub state: Option<PlannedState>,
    /// What stopped the reconcile.
    pub error: Option<Error>,
}

/// What exists, and the plan that was made from it.
#[derive(Clone)]
pub struct PlannedState {
    /// What exists.
    pub observed: Observed,
    /// What is to be done.
    pub plan: Result<Plan, Problem>,
}

/// What follows a reconcile that has not failed.
pub enum Next {
    /// Report, and reconcile again after this time, or at the next change.
    Report(Option<Duration>),
    /// Reconcile again before anything is reported.
    Reconcile(Action),
}

impl Findings {
    /// For the status.
    pub fn planned(&self) -> Option<PlannedView<'_>> {
        let (desired, state) = self.desired.as_ref().zip(self.state.as_ref())?;
        Some(PlannedView {
            view: ChainView::new(desired, &state.observed),
            plan: &state.plan,
        })
    }
}
