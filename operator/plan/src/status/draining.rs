//! What is left of removed and renamed stages, and of a deleted chain that finishes its tasks.

use cloudtasks::QueueState;
use crds::conditions::Reason;

use super::finding::{Finding, list};
use crate::model::ChainView;
use crate::objects::former_stages::RemovedStage;
use crate::rules::drain::{Drain, drain};

pub(super) fn finding(view: ChainView<'_>) -> Finding {
    let removed = view.removed_stages();
    let renamed = view.renamed_stages();
    let mut said: Vec<String> = Vec::new();
    if view.desired.finishes {
        said.push(finishing(view));
    }
    said.extend(
        removed
            .iter()
            .filter_map(|removed| sentence(removed, drain(view, removed))),
    );
    if let Some(former) = list(renamed.into_iter().map(|renamed| renamed.deployment)) {
        said.push(format!(
            "former workers of renamed stages, which are deleted once their queues push to the new workers: {former}"
        ));
    }
    let (reason, message) = if view.desired.finishes {
        (Reason::ChainFinishes, said.join("; "))
    } else if !said.is_empty() {
        (Reason::StageRemoved, said.join("; "))
    } else {
        (Reason::NothingDrains, nothing(view, &removed))
    };
    Finding::new(Some(reason != Reason::NothingDrains), reason, message)
}

fn sentence(removed: &RemovedStage, drain: Drain) -> Option<String> {
    let queue = &removed.queue.id;
    match drain {
        Drain::Fed => Some(format!(
            "{queue} drains once no other worker can hand tasks over to it"
        )),
        Drain::Drains(Some(backlog)) => Some(format!(
            "{queue} has {backlog} left: stop producers that still create tasks in it"
        )),
        Drain::Drains(None) => Some(format!("{queue} drains; its tasks could not be counted")),
        Drain::Deserted => Some(format!(
            "{queue} has tasks and no workers: add the stage again to serve them, or delete the queue"
        )),
        Drain::Drained => None,
    }
}

/// The tasks of each queue of a deleted chain.
fn finishing(view: ChainView<'_>) -> String {
    let queues = view.desired.stages.iter().filter_map(|stage| {
        let backlog = view.observed.backlog(&stage.queue)?;
        let found = view.observed.queues.get(&stage.queue);
        let is_paused = found.is_some_and(|found| found.state == QueueState::Paused);
        let paused = if is_paused { " and is paused" } else { "" };
        Some(format!("{} has {backlog}{paused}", stage.queue.id))
    });
    let left = list(queues).unwrap_or_else(|| "its tasks could not be counted".to_owned());
    format!("the chain is deleted and finishes its tasks first: {left}")
}

/// With the queues of removed stages that are kept.
fn nothing(view: ChainView<'_>, removed: &[RemovedStage]) -> String {
    let is_drained = |it: &&RemovedStage| drain(view, it) == Drain::Drained;
    let drained = removed.iter().filter(is_drained);
    match list(drained.map(|removed| removed.queue.id.to_string())) {
        None => "no removed stage is left".to_owned(),
        Some(drained) => {
            format!("queues of removed stages, empty and paused: {drained}")
        }
    }
}
