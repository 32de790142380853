//! No queue sends what its workers refuse, and no workers demand what their queue doesn't send.

use cloudtasks::HttpTarget;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use super::Simulation;
use crate::model::desired::DesiredStage;
use crate::model::required_token::RequiredToken;
use crate::model::timed_condition::TimedCondition;
use crate::objects::names::served_queue;

impl Simulation<'_> {
    /// Why a stage's queue must not get this target for its token.
    pub(super) fn why_not_sent(
        &self,
        stage: &DesiredStage,
        target: &HttpTarget,
    ) -> Option<&'static str> {
        let known = self.queues.get(&stage.queue)?;
        let is_news = target.token != known.token || target.address != known.address;
        let comes_to_them = target.address.as_ref() == Some(&stage.address);
        let told = self.deployments.get(&stage.child);
        let told = told.and_then(RequiredToken::of_deployment);
        let pods = self.observed.pods.iter();
        let pods = pods.filter(|pod| pod.queue == stage.queue && pod.stage == stage.name);
        let demands = pods
            .filter_map(|pod| pod.required_token.clone())
            .chain(told);
        let mut refused = demands.filter(|demand| !demand.accepts(target.token.as_ref()));
        (is_news && comes_to_them && refused.next().is_some())
            .then_some("its workers would refuse its pushes")
    }

    /// Why workers must not demand what this Deployment tells them.
    pub(super) fn why_not_demanded(&self, deployment: &Deployment) -> Option<&'static str> {
        let demand = RequiredToken::of_deployment(deployment)?;
        let queue = served_queue(deployment)?;
        let stage = self.stage(&queue)?;
        // Whoever isn't there yet gets nothing that is under way.
        let workers = self.observed.deployments.get(&deployment.name_any())?;
        let told = RequiredToken::of_deployment(workers);
        let known = self.queues.get(&queue)?;
        let sent = known.token.as_ref();
        let comes_to_them = known.address.as_ref() == Some(&stage.address);
        let was_taken = told.as_ref().is_none_or(|told| told.accepts(sent));
        if comes_to_them && was_taken && !demand.accepts(sent) {
            return Some("they would refuse their queue's pushes");
        }
        // What it sent a moment ago may still be under way.
        let is_wider = told.as_ref().is_some_and(|told| {
            told.emails.is_subset(&demand.emails) && told.audiences.is_subset(&demand.audiences)
        });
        let delay = self.desired.timing.address_delay;
        let condition = sent.map(|sent| TimedCondition::Signs(queue.clone(), sent.clone()));
        let is_sure =
            condition.is_some_and(|condition| self.observed.has_elapsed(&condition, delay));
        (!is_wider && !is_sure).then_some("they would refuse what may be under way")
    }
}
