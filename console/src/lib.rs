//! What happens in chains now, and what is wrong. Numbers of Cloud Tasks and of workers go in; findings,
//! tables and pages come out.
//!
//! Nothing here does I/O or reads a clock. The operator, `executor-chain dev` and `kubectl chain` share it.

pub mod history;
pub mod live;
pub mod model;
pub mod page;
mod parked;
pub mod text;
pub mod units;
pub mod why;

pub use history::{StageHistory, WorkerPage};
pub use model::{
    Answers, Arrivals, Baseline, Cause, ChainList, Comparison, EditState, Effect, FailureCount,
    Finding, Forecast, Isolated, Known, LiveChain, LiveNotifier, LiveOverride, LiveParking,
    LiveStage, MOST_ROWS, ParkedGroup, ParkedItem, ParkedQuery, ParkedReply, PlanReply,
    PlanRequest, PlannedEdit, PlannedRound, PlannedStep, Pods, QueueNumbers, Range, Runs, Snapshot,
    StageEffect, StageSettings, StageState, Standby, TREND_POINTS, Time, TrendPoint, Trends,
    USUAL_ROWS, Unknown, Urgency, Verdict, WorkerNumbers, parked_limit, unlisted,
};
pub use parked::ParkedListing;
