//! What is refused before anything is planned: other owners' queues, objects and hosts.

use std::fmt::Display;

use cloudtasks::QueuePath;
use crds::conditions::Reason;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use crate::model::{
    ChainView, DesiredStage, GatewayResourceKind, Observed, Problem, queue_headers,
};
use crate::objects::gke_policies::policies;
use crate::objects::names::{is_ours, served_queue};
use crate::objects::route;
use crate::rules::push_hosts::refuse_taken_host;

/// Objects of other owners are left alone.
fn refuse_attached(view: ChainView<'_>, stage: &DesiredStage) -> Result<(), Problem> {
    let ChainView { desired, observed } = view;
    let Some(route) = route::route(desired, stage) else {
        return Ok(());
    };
    let policies = policies(view, stage).into_iter();
    for (kind, wanted) in policies.chain([(GatewayResourceKind::HttpRoute, route)]) {
        let name = wanted.name_any();
        let found = observed.gateway_object(kind, &name);
        refuse_others(view, found.map(|it| &it.metadata), &kind, &name)?;
    }
    Ok(())
}

/// The chain that came first has the queue. Objects of other owners are left alone.
pub(super) fn refuse_foreign(view: ChainView<'_>) -> Result<(), Problem> {
    let ChainView { desired, observed } = view;
    // Chains may share a notifier's queue, which has no owner. A queue that has an owner is a stage
    // of a chain.
    refuse_parking(view)?;
    let notifier = &desired.notifier.queue;
    let found = observed.queues.get(notifier);
    if found.is_some_and(queue_headers::is_parking) {
        return Err(keeps_parked_tasks(notifier, "the notifier"));
    }
    if let Some(owner) = found.and_then(queue_headers::owner) {
        return Err(Problem::new(
            Reason::QueueOwnedByAnother,
            format!(
                "the notifier's queue {} belongs to a stage of chain {owner} (cluster/namespace/name), whose workers would run notifications as tasks: use another queue, or delete that chain and the queue's header executor-owner",
                notifier.id
            ),
        ));
    }
    for stage in &desired.stages {
        let found = observed.queues.get(&stage.queue);
        if let Some(owner) = found
            .and_then(queue_headers::owner)
            .filter(|owner| *owner != desired.queue_owner)
        {
            return Err(Problem::new(
                Reason::QueueOwnedByAnother,
                format!(
                    "queue {} belongs to chain {owner} (cluster/namespace/name): use another queue, or delete that chain and the queue's header executor-owner",
                    stage.queue.id
                ),
            ));
        }
        if found.is_some_and(queue_headers::is_parking) {
            return Err(keeps_parked_tasks(
                &stage.queue,
                &format!("stage {}", stage.name),
            ));
        }
        if found.is_some_and(queue_headers::is_notifiers) {
            return Err(Problem::new(
                Reason::QueueOwnedByAnother,
                format!(
                    "queue {} has or had notifications, which workers would run as tasks: give stage {} another queue, or empty this queue and delete its header {}",
                    stage.queue.id,
                    stage.name,
                    queue_headers::NOTIFIER_HEADER
                ),
            ));
        }
        refuse_name_in_use(stage, observed)?;
        refuse_taken_host(view, stage)?;
        refuse_attached(view, stage)?;
        let workers = observed.deployments.get(&stage.child);
        refuse_others(
            view,
            workers.map(|it| &it.metadata),
            &"Deployment",
            &stage.child,
        )?;
        let service = observed.services.get(&stage.child);
        refuse_others(
            view,
            service.map(|it| &it.metadata),
            &"Service",
            &stage.child,
        )?;
    }
    Ok(())
}

/// A parking queue is the chain's alone, and has no tasks that anybody waits for.
fn refuse_parking(view: ChainView<'_>) -> Result<(), Problem> {
    let ChainView { desired, observed } = view;
    let Some(queue) = desired.parking_queue() else {
        return Ok(());
    };
    let Some(found) = observed.queues.get(queue) else {
        return Ok(());
    };
    let owner = queue_headers::owner(found);
    let why = if let Some(owner) = owner.filter(|owner| *owner != desired.queue_owner) {
        format!(
            "belongs to chain {owner} (cluster/namespace/name): use another queue, or delete that chain and the queue's header executor-owner"
        )
    } else if queue_headers::is_notifiers(found) {
        format!(
            "has or had notifications, which would wait forever: use another queue, or empty this queue and delete its header {}",
            queue_headers::NOTIFIER_HEADER
        )
    } else if owner.is_some() && !queue_headers::is_parking(found) {
        format!(
            "was a stage's queue of this chain, and its tasks would wait forever: use another queue, or empty this queue and delete its header {}",
            queue_headers::OWNER_HEADER
        )
    } else {
        return Ok(());
    };
    let message = format!("the parking queue {} {why}", queue.id);
    Err(Problem::new(Reason::QueueOwnedByAnother, message))
}

/// For a queue whose parked tasks would be pushed.
fn keeps_parked_tasks(queue: &QueuePath, user: &str) -> Problem {
    let message = format!(
        "queue {} keeps parked tasks, and stays paused: give {user} another queue, or empty this queue and delete its header {}",
        queue.id,
        queue_headers::PARKING_HEADER
    );
    Problem::new(Reason::QueueOwnedByAnother, message)
}

/// An object that has the name of one of the chain's, and isn't.
fn refuse_others(
    view: ChainView<'_>,
    found: Option<&ObjectMeta>,
    kind: &dyn Display,
    name: &str,
) -> Result<(), Problem> {
    if found.is_none_or(|found| is_ours(found, view.desired.owner.as_ref())) {
        return Ok(());
    }
    let message = format!(
        "{kind} {name} exists and doesn't belong to this chain: rename the stage, or delete the {kind}"
    );
    Err(Problem::new(Reason::NameTaken, message))
}

/// A removed stage keeps its workers until its queue is empty. If its name were used for another
/// queue, they would serve that one, and nobody would serve the tasks of theirs.
fn refuse_name_in_use(stage: &DesiredStage, observed: &Observed) -> Result<(), Problem> {
    let served = observed
        .deployments
        .get(&stage.child)
        .and_then(served_queue);
    let Some(served) = served.filter(|queue| *queue != stage.queue) else {
        return Ok(());
    };
    if served.id == stage.queue.id {
        let (from, to) = (&served.parent, &stage.queue.parent);
        return Err(Problem::invalid(format!(
            "the chain's queues are in {from}, but the operator's defaults are now {to}: set the former project and location in the spec, or start the operator with them",
        )));
    }
    Err(Problem::new(
        Reason::NameTaken,
        format!(
            "workers of a removed stage {} still serve {served}: give the new stage another name, or wait until status.draining no longer names that queue",
            stage.name
        ),
    ))
}
