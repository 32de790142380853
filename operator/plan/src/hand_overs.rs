//! Who hands tasks to whom: the hand-overs that living workers may make.
//!
//! A Deployment tells what its pods will do; its former pods go on doing what they were told, until
//! they have ended. So both are asked.

use std::collections::BTreeSet;

use cloudtasks::QueuePath;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod as KubernetesPod, PodSpec};
use kube::ResourceExt;
use serde_json::Value;

use crate::child::STAGE_LABEL;
use crate::demand::Demand;
use crate::desired::Desired;
use crate::environment::{self, DOWNSTREAM_QUEUE, QUEUE, ROUTES, told};
use crate::observed::Observed;

/// A pod of a stage, as far as it matters to whom it hands tasks and which pushes it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// The stage that it was made for.
    pub stage: String,
    /// The queue whose pushes it takes.
    pub queue: QueuePath,
    /// The queues that it may hand tasks to.
    pub targets: BTreeSet<QueuePath>,
    /// The token that it demands of a push.
    pub demand: Option<Demand>,
}

impl Pod {
    /// A pod that may still work: not one that has ended, and not one without a worker.
    pub fn of(pod: &KubernetesPod) -> Option<Self> {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        if matches!(phase, Some("Succeeded" | "Failed")) {
            return None;
        }
        let spec = pod.spec.as_ref()?;
        Some(Self {
            name: pod.name_any(),
            queue: told(spec, QUEUE)?.parse().ok()?,
            targets: targets_of(spec),
            demand: Demand::told_to(spec),
            stage: pod.labels().get(STAGE_LABEL).cloned().unwrap_or_default(),
        })
    }
}

/// The queues that the workers of a Deployment are told to hand tasks to.
pub fn targets(deployment: &Deployment) -> BTreeSet<QueuePath> {
    let template = deployment.spec.as_ref().map(|spec| &spec.template);
    let spec = template.and_then(|template| template.spec.as_ref());
    spec.map(targets_of).unwrap_or_default()
}

fn targets_of(spec: &PodSpec) -> BTreeSet<QueuePath> {
    let downstream = told(spec, DOWNSTREAM_QUEUE);
    let routes = told(spec, ROUTES).and_then(|routes| serde_json::from_str::<Value>(&routes).ok());
    let routes = routes
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let shortcuts = routes.filter_map(|route| Some(route.get("to")?.as_str()?.to_owned()));
    let targets = downstream.into_iter().chain(shortcuts);
    targets.filter_map(|queue| queue.parse().ok()).collect()
}

/// Every hand-over that a living worker may make: from the queue that it serves to the one that it
/// hands to.
pub fn hand_overs(observed: &Observed) -> BTreeSet<(QueuePath, QueuePath)> {
    let deployments = observed.deployments.values().filter_map(|deployment| {
        let queue = crate::observed::serves(deployment)?;
        Some((queue, targets(deployment)))
    });
    let pods = observed.pods.iter();
    let pods = pods.map(|pod| (pod.queue.clone(), pod.targets.clone()));
    let all = deployments.chain(pods).flat_map(|(from, targets)| {
        let pairs = targets.into_iter().map(move |to| (from.clone(), to));
        pairs.collect::<Vec<_>>()
    });
    all.collect()
}

/// Whether a task that is handed to one of `targets` could come back to `queue`: two rollouts that
/// are half done would play ping-pong with it. What the spec says counts as done: it may be, by the
/// time that a worker hears of `targets`. The last stage of the ladder that isn't told yet never has
/// to wait for one before it, so not all can wait for each other.
pub fn would_come_back(
    desired: &Desired,
    observed: &Observed,
    queue: &QueuePath,
    targets: &BTreeSet<QueuePath>,
) -> bool {
    let mut hand_overs = hand_overs(observed);
    for (index, stage) in desired.stages.iter().enumerate() {
        let new = environment::targets(desired, index).into_iter();
        hand_overs.extend(new.map(|to| (stage.queue.clone(), to)));
    }
    let mut at_once = targets.iter();
    at_once.any(|to| to == queue || reached_from(&hand_overs, to).contains(queue))
}

/// The queues to which a task of `start` may be handed, at once or on the way.
pub(crate) fn reached_from<'a>(
    hand_overs: &'a BTreeSet<(QueuePath, QueuePath)>,
    start: &'a QueuePath,
) -> BTreeSet<&'a QueuePath> {
    let mut reached = BTreeSet::new();
    let mut next = vec![start];
    while let Some(at) = next.pop() {
        let onward = hand_overs.iter().filter(|(from, _)| from == at);
        next.extend(onward.map(|(_, to)| to).filter(|to| reached.insert(*to)));
    }
    reached
}
