//! How far the rollout of a Deployment is, by its status.

use k8s_openapi::api::apps::v1::Deployment;

/// How far the rollout of a Deployment is; zero where there is no Deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rollout {
    /// Pods that are ready, whatever they run.
    pub ready: i32,
    /// Pods that are asked for.
    pub wanted: i32,
    /// Whether all pods run the newest template. Terminating pods are not counted.
    pub is_rolled: bool,
}

impl Rollout {
    /// Of a Deployment.
    pub fn of(found: Option<&Deployment>) -> Self {
        let Some(found) = found else {
            return Self::default();
        };
        let wanted = found.spec.as_ref().and_then(|spec| spec.replicas);
        let wanted = wanted.unwrap_or(1);
        let status = found.status.clone().unwrap_or_default();
        let is_seen = status.observed_generation == found.metadata.generation;
        let updated = status.updated_replicas.unwrap_or_default();
        let total = status.replicas.unwrap_or_default();
        Self {
            ready: status.ready_replicas.unwrap_or_default(),
            wanted,
            is_rolled: is_seen && updated >= wanted && total <= updated,
        }
    }

    /// Whether a pod takes pushes.
    pub fn has_ready_pod(&self) -> bool {
        self.ready > 0
    }

    /// Whether there are pods, and all are ready and up to date.
    pub fn is_complete(&self) -> bool {
        self.is_rolled && self.ready >= self.wanted && self.has_ready_pod()
    }
}

/// Why Kubernetes creates no pod of a Deployment, in its own words: a quota, a policy, a webhook.
pub fn pod_refusal(found: &Deployment) -> Option<&str> {
    let conditions = found.status.as_ref()?.conditions.iter().flatten();
    let mut failures = conditions.filter(|it| it.type_ == "ReplicaFailure" && it.status == "True");
    failures.next()?.message.as_deref()
}
