//! Values alone: what a chain should be, what was observed, and the plan between them.

pub mod backlog;
pub mod chain_view;
pub mod deletion;
pub mod desired;
pub mod gateway_resource;
pub mod host_name;
pub mod location_queues;
pub mod notifier_limits;
pub mod object_name;
pub mod observed;
pub mod operator_settings;
pub mod overrides;
pub mod parked_count;
pub mod plan;
pub mod pod;
pub mod problem;
pub mod queue_headers;
pub(crate) mod queue_settings_text;
pub mod redrive;
pub mod required_token;
pub mod rollout;
pub mod stage_health;
pub mod tenants;
pub mod timed_condition;
pub mod wait;

pub use backlog::Backlog;
pub use chain_view::ChainView;
pub use deletion::Deletion;
pub use desired::{
    Desired, DesiredNotifier, DesiredParking, DesiredStage, FailureThreshold, HandlerAt,
    IsolationRule, ParentGateway, Percent, Push, Target,
};
pub use gateway_resource::{Availability, GatewayResourceKind};
pub use location_queues::LocationQueues;
pub use notifier_limits::{KnownChain, LimitsHolder, NotifierFields, NotifierUse, SpecState};
pub use object_name::{ObjectKind, ObjectName};
pub use observed::Observed;
pub use operator_settings::{Settings, Timing};
pub use overrides::{Overridden, OverrideField, OverrideSettings, OverrideValue};
pub use parked_count::ParkedCount;
pub use plan::{Plan, Planned, Step};
pub use pod::{BlockedContainer, Pod};
pub use problem::Problem;
pub use queue_headers::PauseReason;
pub use redrive::Redrive;
pub use required_token::RequiredToken;
pub use rollout::{Rollout, pod_refusal};
pub use stage_health::StageHealth;
pub use tenants::Tenants;
pub use timed_condition::TimedCondition;
pub use wait::{AddressObstacle, Concern, HandOverObstacle, ResumeObstacle, Wait, WaitReason};

pub(crate) use crds::short_hash::hash;
pub(crate) use desired::{SERVICE_PORT, merge};
pub(crate) use queue_settings_text::SettingsText;
