//! Whether workers hold because their handler fails for nearly all tasks.

use crds::Duration;
use crds::conditions::Reason;

use super::finding::{Finding, list};
use crate::model::{ChainView, DesiredStage};

/// Whether workers hold. Nothing is said of a chain whose stages don't.
pub(super) fn finding(view: ChainView<'_>) -> Option<Finding> {
    let ChainView { desired, observed } = view;
    let stages = desired.stages.iter();
    let may_hold = stages.filter_map(|stage| Some((stage, Duration(stage.hold_on_outage?))));
    let may_hold: Vec<(&DesiredStage, Duration)> = may_hold.collect();
    if may_hold.is_empty() {
        return None;
    }
    let health = |stage: &DesiredStage| observed.health.get(&stage.queue);
    let held = may_hold
        .iter()
        .filter(|(stage, _)| health(stage).is_some_and(|it| it.is_held));
    let held = held.map(|(stage, at_most)| format!("{} (for {at_most} at most)", stage.name));
    let mut silent = may_hold.iter().filter(|(stage, _)| health(stage).is_none());
    Some(if let Some(held) = list(held) {
        let message = format!(
            "workers hold, because nearly all runs of their handler fail: stage {held}. Tasks wait in the queue, and no attempt is counted. Fix the handler (see its log): the hold ends when three of the last five runs succeed"
        );
        Finding::new(Some(true), Reason::HandlerFails, message)
    } else if let Some((stage, _)) = silent.next() {
        let message = format!(
            "no ready worker of stage {} answers on port 9481, so it is unknown whether the stage holds. If this lasts, allow the operator to connect to this port",
            stage.name
        );
        Finding::new(None, Reason::WorkersNotAsked, message)
    } else {
        Finding::new(Some(false), Reason::NotHeld, "no worker holds")
    })
}
