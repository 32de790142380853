//! Events of what workers do by themselves: they isolate categories of tasks, or hold.

use crds::ExecutorChainStatus;
use crds::conditions::ConditionType;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_runtime::events::EventType;

use crate::cache::workers::Announcement;
use crate::chain::name_in;
use crate::context::Context;
use crate::reconcile::events::publish;

/// Writes an Event of what has lasted for longer than a moment, and one when it is over. The status has it
/// at once.
pub async fn report_bad_days(chain: &ObjectMeta, status: &ExecutorChainStatus, context: &Context) {
    let workers = &context.caches.workers;
    for (part, it) in workers.announcements(&name_in(chain)) {
        let mut conditions = status.conditions.iter();
        let condition = conditions.find(|it| it.type_ == part.as_str());
        let said = condition.map_or("", |it| it.message.as_str());
        let (type_, reason, note) = match (part, it) {
            (ConditionType::Held, Announcement::Began) => (EventType::Warning, "HoldBegan", said),
            (ConditionType::Held, Announcement::Ended) => (
                EventType::Normal,
                "HoldEnded",
                "workers no longer hold: tasks run, and their attempts count",
            ),
            (_, Announcement::Began) => (EventType::Warning, "IsolationBegan", said),
            (_, Announcement::Ended) => (
                EventType::Normal,
                "IsolationEnded",
                "failing categories of tasks are no longer isolated",
            ),
        };
        publish(context, chain, type_, reason, note).await;
    }
}
