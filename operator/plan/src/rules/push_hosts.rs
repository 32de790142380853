//! Which hosts a chain may push to. Only the host tells stages apart, also those of different chains.

use cloudtasks::{Address, Queue};
use crds::conditions::Reason;

use crate::model::queue_headers::{PauseReason, owner, pause_reason};
use crate::model::{ChainView, DesiredStage, Problem, Push};
use crate::rules::pause::is_paused;

/// Refuses a host to which a route or a queue of another chain leads already, if the chain doesn't push
/// there yet. One that does can be edited in an incident: its ingress may tell the chains apart by paths.
pub(crate) fn refuse_taken_host(view: ChainView<'_>, stage: &DesiredStage) -> Result<(), Problem> {
    let ChainView { desired, observed } = view;
    let host = &stage.address.host;
    let me = Some(desired.queue_owner.as_str());
    // A queue of the chain that was changed outside gets its address back.
    let has_it = || observed.was_in_force || claimants(view, stage).any(|queue| owner(queue) == me);
    let route = observed.taken_hosts.get(host);
    let route = route.map(|chain| format!("chain {chain} (namespace/name)"));
    let queue = || {
        let mut others = claimants(view, stage).filter_map(|queue| Some((owner(queue)?, queue)));
        let (chain, queue) = others.next()?;
        let id = &queue.path.id;
        Some(format!(
            "queue {id} of chain {chain} (cluster/namespace/name)"
        ))
    };
    let (field, by) = match desired.push {
        // The host is that of the chain's own Service.
        Push::Cluster => return Ok(()),
        Push::Url if has_it() => return Ok(()),
        Push::Url => ("url, such as https://", route.or_else(queue)),
        // The oldest route gets the requests, whichever queues push there.
        Push::Gateway(_) if route.is_none() && has_it() => return Ok(()),
        Push::Gateway(_) => ("gateway.hostname, such as ", route.or_else(queue)),
    };
    let Some(by) = by else { return Ok(()) };
    Err(Problem::new(
        Reason::NameTaken,
        format!(
            "the host {host} of stage {} is already used by {by}: use another spec.push.{field}{{stage}}--{{chain}}--{{namespace}}.push.example.com",
            stage.name
        ),
    ))
}

/// The queues that push to the host of a stage, in every location.
fn claimants<'a>(view: ChainView<'a>, stage: &DesiredStage) -> impl Iterator<Item = &'a Queue> {
    let observed = view.observed;
    let all = std::iter::once(&observed.queues).chain(&observed.other_locations);
    let all = all.flat_map(|location| location.values());
    all.filter(|queue| claims(queue, stage))
}

/// Whether a queue pushes to the host of a stage.
fn claims(queue: &Queue, stage: &DesiredStage) -> bool {
    queue.address().is_some_and(|it| leads_to(it, stage)) && pushes(queue)
}

/// Whether an address is that of a stage, by http or https.
fn leads_to(address: &Address, stage: &DesiredStage) -> bool {
    let Address {
        scheme: _,
        host,
        port,
    } = address;
    *port == stage.address.port && host.eq_ignore_ascii_case(&stage.address.host)
}

/// Whether a queue pushes, or may again. That of a deleted chain or of a removed stage is paused for good.
fn pushes(queue: &Queue) -> bool {
    match pause_reason(queue) {
        // The reason is written before the pause.
        Some(PauseReason::Retain | PauseReason::Drained | PauseReason::Parking) => {
            !is_paused(queue)
        }
        Some(PauseReason::Spec | PauseReason::Gate) | None => true,
    }
}
