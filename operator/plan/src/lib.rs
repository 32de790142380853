//! What to do for a chain: desired and observed state in, an ordered list of steps out.
//!
//! Nothing here does I/O or reads a clock, and no dependency could: neither a Kubernetes client, nor
//! an async runtime, nor gRPC (`make lint` checks it). The operator and `executor-chain dev` share
//! it.
//!
//! Layers, from top to bottom; imports point downward only: [`preview`](mod@preview) and [`redrives`], [`planner`], [`invariants`] and
//! [`status`](mod@status), then [`rules`], [`objects`], [`model`].

pub mod invariants;
pub mod model;
pub mod objects;
pub mod planner;
pub mod preview;
pub mod redrives;
pub mod rules;
pub mod status;

pub use model::desired::{location, owner_of};
pub use model::{
    Backlog, ChainView, Deletion, Desired, DesiredNotifier, DesiredParking, DesiredStage,
    HandlerAt, KnownChain, LocationQueues, NotifierFields, NotifierUse, Observed, ParentGateway,
    ParkedCount, Plan, Pod, Problem, Push, Redrive, RequiredToken, Settings, SpecState,
    StageHealth, Step, Target, Tenants, TimedCondition, Timing, Wait,
};
pub use planner::deletion::{has_finished, plan_deletion};
pub use planner::freshness::Freshness;
pub use planner::plan;
pub use preview::{preview, restarts};
pub use redrives::{MoverSeen, MoverStep, ParkingSeen, RedrivenChain, Turn, is_redrive_forgotten};
pub use rules::allow_list::refuse_not_allowed;
pub use rules::drift::{Drift, drifts};
pub use rules::ladder_time::{LadderTime, ladder_time};
pub use rules::overrides::{is_forgotten, override_stages, overrides_differ};
pub use rules::timed_conditions::timed_conditions;
pub use status::override_status::override_status;
pub use status::{PlannedView, status};
