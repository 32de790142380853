//! A pod whose worker can be asked what it has counted.

use std::net::IpAddr;

use cloudtasks::QueuePath;
use k8s_openapi::api::core::v1::Pod;
use plan::objects::worker_env::reports_health;

/// A ready pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeTarget {
    /// Its name.
    pub name: String,
    /// The stage that it was made for.
    pub stage: String,
    /// The queue that it serves.
    pub queue: QueuePath,
    /// Its address.
    pub address: IpAddr,
    /// Whether it refuses pushes without a token.
    pub requires_token: bool,
    /// Whether it may hold, or isolate tasks.
    pub reports_health: bool,
}

impl ScrapeTarget {
    /// `None` for other pods.
    pub fn of(pod: &Pod) -> Option<Self> {
        let known = plan::Pod::of(pod)?;
        let status = pod.status.as_ref()?;
        let mut conditions = status.conditions.iter().flatten();
        let is_ready = conditions.any(|it| it.type_ == "Ready" && it.status == "True");
        let address = status.pod_ip.as_ref()?.parse().ok()?;
        is_ready.then_some(Self {
            name: known.name,
            stage: known.stage,
            queue: known.queue,
            address,
            requires_token: known.required_token.is_some(),
            reports_health: reports_health(pod),
        })
    }
}
