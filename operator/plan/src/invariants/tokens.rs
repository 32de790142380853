//! No queue sends what its workers refuse, and no workers require what their queue doesn't send.

use cloudtasks::HttpTarget;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use super::simulation::Simulation;
use crate::model::{DesiredStage, RequiredToken, TimedCondition};
use crate::objects::names::served_queue;

impl Simulation<'_> {
    /// Why a stage's queue must not get this target for its token.
    pub(super) fn why_not_sent(
        &self,
        stage: &DesiredStage,
        target: &HttpTarget,
    ) -> Option<&'static str> {
        let known = self.queues.get(&stage.queue)?;
        let is_new = target.token != known.token || target.address != known.address;
        let comes_to_them = target.address.as_ref() == Some(&stage.address);
        let workers = self.deployments.get(&stage.child);
        let workers = workers.and_then(RequiredToken::of_deployment);
        let pods = self.observed.pods.iter();
        let pods = pods.filter(|pod| pod.queue == stage.queue && pod.stage == stage.name);
        let required = pods.filter_map(|pod| pod.required_token.clone());
        let mut refused = required
            .chain(workers)
            .filter(|required| !required.accepts(target.token.as_ref()));
        (is_new && comes_to_them && refused.next().is_some())
            .then_some("its workers would refuse its pushes")
    }

    /// Why workers must not require what this Deployment says.
    pub(super) fn why_not_required(&self, deployment: &Deployment) -> Option<&'static str> {
        let required = RequiredToken::of_deployment(deployment)?;
        let queue = served_queue(deployment)?;
        let stage = self.stage(&queue)?;
        // New workers get no push that is in flight.
        let workers = self.observed.deployments.get(&deployment.name_any())?;
        let before = RequiredToken::of_deployment(workers);
        let known = self.queues.get(&queue)?;
        let sent = known.token.as_ref();
        let comes_to_them = known.address.as_ref() == Some(&stage.address);
        let was_accepted = before.as_ref().is_none_or(|before| before.accepts(sent));
        if comes_to_them && was_accepted && !required.accepts(sent) {
            return Some("they would refuse their queue's pushes");
        }
        // What it sent a moment ago may be in flight.
        let is_wider = before.as_ref().is_some_and(|before| {
            before.emails.is_subset(&required.emails)
                && before.audiences.is_subset(&required.audiences)
        });
        let delay = self.desired.timing.address_delay;
        let condition = sent.map(|sent| TimedCondition::SendsToken(queue.clone(), sent.clone()));
        let is_sure = condition.is_some_and(|it| self.observed.has_elapsed(&it, delay));
        (!is_wider && !is_sure).then_some("they would refuse what may be in flight")
    }
}
