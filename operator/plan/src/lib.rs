//! What to do for a chain: desired and observed state in, an ordered list of steps out.
//!
//! Nothing here does I/O or reads a clock, and nothing here may depend on what could: the crate
//! sees neither a Kubernetes client, nor an async runtime, nor gRPC (`make lint` checks it). The
//! operator and `executor-chain dev` share it.
//!
//! Layers, from top to bottom; imports point downward only:
//! [`planner`], [`invariants`] and [`status`](mod@status), then [`rules`], [`objects`], [`model`].

pub mod invariants;
pub mod model;
pub mod objects;
pub mod planner;
pub mod rules;
pub mod status;

pub use model::backlog::Backlog;
pub use model::chain_view::ChainView;
pub use model::desired::{
    Desired, DesiredNotifier, DesiredOidc, DesiredStage, HandlerAt, ParentGateway, Push, Target,
};
pub use model::location_queues::LocationQueues;
pub use model::observed::Observed;
pub use model::plan::{Plan, Step};
pub use model::pod::Pod;
pub use model::problem::Problem;
pub use model::required_token::RequiredToken;
pub use model::settings::{Settings, Timing};
pub use model::timed_condition::TimedCondition;
pub use model::wait::{Wait, WaitReason};
pub use planner::deletion::{has_finished, plan_deletion};
pub use planner::freshness::Freshness;
pub use planner::plan;
pub use rules::drift::{Drift, drifts};
pub use rules::timed_conditions::timed_conditions;
pub use status::{PlannedView, status};
