//! What to do for a chain: desired and observed state in, an ordered list of steps out.
//!
//! Nothing here does I/O or reads a clock, and nothing here may depend on what could: the crate
//! sees neither a Kubernetes client, nor an async runtime, nor gRPC (`make lint` checks it). The
//! operator and `executor-chain dev` share it. The order of edits lives in [`plan`](plan()) and
//! nowhere else.

pub mod attached;
pub mod backlog;
pub mod child;
pub mod deletion;
pub mod demand;
pub mod deployment;
pub mod desired;
pub mod drift;
pub mod environment;
pub mod fact;
pub mod hand_overs;
pub mod host;
pub mod lint;
mod looks;
pub mod observed;
mod order;
pub mod ownership;
pub mod policy;
pub mod problem;
pub mod queue;
mod queues;
pub mod removal;
pub mod rollout;
pub mod route;
pub mod service;
pub mod settings;
pub mod status;
pub mod step;

pub use backlog::Backlog;
pub use deletion::{has_finished, plan_deletion};
pub use demand::Demand;
pub use desired::{
    Desired, DesiredNotifier, DesiredOidc, DesiredStage, HandlerAt, ParentGateway, Push, Target,
};
pub use drift::{Drift, drifts};
pub use fact::{Fact, facts};
pub use hand_overs::Pod;
pub use looks::Look;
pub use observed::Observed;
pub use order::plan;
pub use problem::Problem;
pub use queues::Queues;
pub use settings::{Settings, Timing};
pub use status::status;
pub use step::{Plan, Step, Wait};
