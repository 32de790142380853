//! Which chain has a push host: the one that came first. Only the host tells stages apart, also those of
//! different chains.

use cloudtasks::{Address, Queue};
use crds::conditions::Reason;

use crate::model::queue_headers::{PauseReason, owner, pause_reason};
use crate::model::{ChainView, DesiredStage, Problem, Push};
use crate::objects::route;
use crate::rules::pause::is_paused;

/// Refuses a host to which a route or a queue of another chain leads already.
pub(crate) fn refuse_taken_host(view: ChainView<'_>, stage: &DesiredStage) -> Result<(), Problem> {
    let host = &stage.address.host;
    let field = match view.desired.push {
        // Each Service is its own chain's, whoever pushes there.
        Push::Cluster => return Ok(()),
        Push::Url => "url, such as https://",
        Push::Gateway(_) => "gateway.hostname, such as ",
    };
    let by = match view.observed.taken_hosts.get(host) {
        Some(chain) => format!("chain {chain} (namespace/name)"),
        None => match holder(view, stage) {
            Some((chain, queue)) => format!(
                "queue {} of chain {chain} (cluster/namespace/name)",
                queue.path.id
            ),
            None => return Ok(()),
        },
    };
    Err(Problem::new(
        Reason::NameTaken,
        format!(
            "the host {host} of stage {} is already used by {by}: use another spec.push.{field}{{stage}}--{{chain}}--{{namespace}}.push.example.com",
            stage.name
        ),
    ))
}

/// The other chain that keeps the host of a stage, and its queue that pushes there.
///
/// Two chains that were created at the same instant may have a queue there each. Both then see the same,
/// and the one whose name comes first keeps the host.
fn holder<'a>(view: ChainView<'a>, stage: &DesiredStage) -> Option<(&'a str, &'a Queue)> {
    let ChainView { desired, observed } = view;
    let others = observed.other_locations.iter();
    let all = std::iter::once(&observed.queues).chain(others);
    let all = all.flat_map(|location| location.values());
    let pushing = all.filter_map(|queue| claims(queue, stage).then_some((owner(queue)?, queue)));
    let me = desired.queue_owner.as_str();
    let mut is_mine = false;
    let mut first: Option<(&str, &Queue)> = None;
    for (owner, queue) in pushing {
        if owner == me {
            is_mine = true;
        } else if first.is_none_or(|(other, _)| owner < other) {
            first = Some((owner, queue));
        }
    }
    let has_route = || {
        view.routes()
            .any(|(_, it)| route::host(it) == Some(&stage.address.host))
    };
    first.filter(|(owner, _)| match desired.push {
        Push::Url => !is_mine || *owner < me,
        // Of two that have it, the one with the route gets the pushes.
        Push::Gateway(_) => !is_mine && !has_route(),
        Push::Cluster => false,
    })
}

/// Whether a queue pushes to the host of a stage.
pub(crate) fn claims(queue: &Queue, stage: &DesiredStage) -> bool {
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
        Some(PauseReason::Retain | PauseReason::Drained) => !is_paused(queue),
        Some(PauseReason::Spec | PauseReason::Gate) | None => true,
    }
}
