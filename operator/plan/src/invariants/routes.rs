//! What must hold of routes: no queue pushes to a host of a Gateway where none leads on.

use cloudtasks::{QueueSettings, QueueState};
use kube::core::DynamicObject;

use super::Simulation;
use crate::model::desired::Push;
use crate::model::queue_headers;

/// What a route leads to.
pub(super) struct SimulatedRoute {
    pub(super) host: String,
    pub(super) service: String,
}

impl SimulatedRoute {
    pub(super) fn of(route: &DynamicObject) -> Self {
        let text = |pointer: &str| {
            let found = route.data.pointer(pointer).and_then(|it| it.as_str());
            found.unwrap_or_default().to_owned()
        };
        Self {
            host: text("/spec/hostnames/0"),
            service: text("/spec/rules/0/backendRefs/0/name"),
        }
    }
}

impl Simulation<'_> {
    /// A queue that pushes to a Gateway has a route there.
    pub(super) fn why_no_way(&self, settings: &QueueSettings) -> Option<&'static str> {
        let address = settings.http_target.as_ref()?.address.as_ref()?;
        let mut stages = self.desired.stages.iter();
        let is_gateways = matches!(self.desired.push, Push::Gateway(_))
            && stages.any(|stage| stage.address == *address);
        let mut routes = self.routes.values();
        let has_route = routes.any(|way| way.host == address.host);
        (is_gateways && !has_route).then_some("pushes would go to a host that has no route")
    }

    pub(super) fn why_not_unrouted(&self, name: &str) -> Option<&'static str> {
        let SimulatedRoute { host, service } = self.routes.get(name)?;
        // Without workers nobody takes them in any case.
        let has_workers = self.deployments.contains_key(service);
        let mut others = self.routes.iter().filter(|(other, _)| *other != name);
        let has_another = others.any(|(_, way)| way.host == *host);
        let mut queues = self.queues.iter();
        let is_pushed_to = queues.any(|(path, known)| {
            let theirs = self
                .observed
                .queues
                .get(path)
                .and_then(queue_headers::owner);
            theirs.is_none_or(|owner| owner == self.desired.queue_owner)
                && known.state != QueueState::Paused
                && known.address.as_ref().is_some_and(|it| it.host == *host)
        });
        (is_pushed_to && has_workers && !has_another)
            .then_some("pushes would go to a host that has no route")
    }
}
