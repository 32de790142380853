//! Whether stages isolate categories of tasks that fail where others don't.

use crds::conditions::Reason;

use super::finding::{Finding, list};
use crate::model::{ChainView, DesiredStage};

/// Whether stages isolate categories that fail. Nothing is said of a chain whose stages don't.
pub(super) fn finding(view: ChainView<'_>) -> Option<Finding> {
    let ChainView { desired, observed } = view;
    let may_isolate = |stage: &&DesiredStage| {
        let mut rules = stage.isolate.iter();
        rules.any(|rule| rule.failures.is_some())
    };
    let may_isolate: Vec<&DesiredStage> = desired.stages.iter().filter(may_isolate).collect();
    if may_isolate.is_empty() {
        return None;
    }
    let health = |stage: &DesiredStage| observed.health.get(&stage.queue);
    let isolating = may_isolate.iter().filter_map(|stage| {
        let categories = health(stage)?.isolated?;
        Some(format!("{} isolates {categories}", stage.name))
    });
    let mut silent = may_isolate.iter().filter(|stage| health(stage).is_none());
    Some(if let Some(isolating) = list(isolating) {
        let message = format!(
            "some categories of tasks fail while others succeed, and go to another stage: stage {isolating}. The path /isolated on port 9481 of the stage's pods lists these categories"
        );
        Finding::new(Some(true), Reason::CategoriesFail, message)
    } else if let Some(stage) = silent.next() {
        let message = format!(
            "no ready worker of stage {} answers on port 9481, so it is unknown what the stage isolates. If this lasts, allow the operator to connect to this port",
            stage.name
        );
        Finding::new(None, Reason::WorkersNotAsked, message)
    } else {
        let message = "no failing category of tasks is isolated";
        Finding::new(Some(false), Reason::NotIsolating, message)
    })
}
