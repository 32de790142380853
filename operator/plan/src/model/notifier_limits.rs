//! What decides who sets the limits of a notifier's queue that several chains share.

use cloudtasks::QueuePath;
use crds::conditions::Reason;
use crds::{ExecutorChainSpec, RateLimits};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::desired::{location, sets_limits};
use super::operator_settings::Settings;
use super::problem::Problem;

/// What the operator knows of a chain that uses, or has used, the same notifier's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownChain {
    /// It no longer exists.
    Gone,
    /// It exists.
    Exists(NotifierUse),
}

/// How a chain uses its notifier's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifierUse {
    /// The queue.
    pub queue: QueuePath,
    /// Whether its spec has limits for it.
    pub sets_limits: bool,
    /// Whether the chain is being deleted.
    pub is_deleted: bool,
    /// When the chain was created.
    pub created: Timestamp,
    /// What the operator has made of this spec.
    pub spec: SpecState,
}

/// The fields of a chain's spec that say how it uses its notifier's queue.
#[derive(Debug, Clone)]
pub struct NotifierFields {
    /// The project of its queues, if it is not the operator's.
    pub project: Option<String>,
    /// Their location, if it is not the operator's.
    pub location: Option<String>,
    /// The ID of the notifier's queue.
    pub queue: String,
    /// The limits of that queue.
    pub rate_limits: Option<RateLimits>,
}

impl NotifierFields {
    /// Those of a spec.
    pub fn of(spec: &ExecutorChainSpec) -> Self {
        Self {
            project: spec.project.clone(),
            location: spec.location.clone(),
            queue: spec.notifier.queue.clone(),
            rate_limits: spec.notifier.rate_limits,
        }
    }
}

impl NotifierUse {
    /// How a chain uses its notifier's queue by its spec; `None` if the spec doesn't say which queue it is.
    pub fn new(
        metadata: &ObjectMeta,
        fields: &NotifierFields,
        spec: SpecState,
        settings: &Settings,
    ) -> Option<Self> {
        let parent = location(
            fields.project.as_deref(),
            fields.location.as_deref(),
            settings,
        );
        let created = metadata.creation_timestamp.as_ref();
        Some(Self {
            queue: parent.ok()?.queue(fields.queue.parse().ok()?),
            sets_limits: sets_limits(fields.rate_limits),
            is_deleted: metadata.deletion_timestamp.is_some(),
            created: created.map_or(Timestamp::MAX, |created| created.0),
            spec,
        })
    }
}

/// What the operator has made of the present spec of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecState {
    /// Nothing yet: what exists is by a former spec, if the chain had one.
    New,
    /// It is carried out.
    Served,
    /// It can't be carried out: what exists is by a former spec, if the chain had one.
    Refused,
}

impl SpecState {
    /// What a reconcile has made of it, which may have failed. `New` if it merely has to be tried again.
    pub fn after(failure: Option<&Problem>) -> Self {
        match failure.map(|problem| problem.reason) {
            None => Self::Served,
            Some(
                Reason::CloudTasksAway
                | Reason::QuotaExceeded
                | Reason::QueueMissing
                | Reason::Progressing,
            ) => Self::New,
            Some(_) => Self::Refused,
        }
    }
}

/// Who sets the limits of a chain's notifier's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitsHolder<'a> {
    /// This chain: its mark is on the queue, or will be when the queue is created.
    Ours,
    /// This chain from now on: nobody's mark is on the queue, or one that no longer counts.
    Follows,
    /// Another chain, as it is written on queues.
    Other(&'a str),
}
