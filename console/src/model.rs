//! Values, as the API serves them in JSON.

mod chain;
mod comparison;
mod finding;
mod forecast;
mod known;
mod numbers;
mod parked;
mod planned_edit;
mod seconds;
mod snapshot;
mod trend;
mod unlisted;
mod urgency;

pub use chain::{
    EditState, LiveChain, LiveNotifier, LiveOverride, LiveParking, LiveStage, Pods, StageSettings,
    StageState,
};
pub use comparison::{Comparison, Verdict};
pub use finding::{Cause, Finding};
pub use forecast::{Effect, Forecast, Range, StageEffect, Time};
pub use known::{Known, Unknown};
pub use numbers::{
    Answers, Arrivals, Baseline, FailureCount, Isolated, QueueNumbers, Runs, WorkerNumbers,
};
pub(crate) use parked::MOST_GROUPS;
pub use parked::{
    MOST_ROWS, ParkedGroup, ParkedItem, ParkedQuery, ParkedReply, USUAL_ROWS, limit as parked_limit,
};
pub use planned_edit::{PlanReply, PlanRequest, PlannedEdit, PlannedRound, PlannedStep};
pub use snapshot::{ChainList, Snapshot, Standby};
pub use trend::{TREND_POINTS, TrendPoint, Trends};
pub use unlisted::unlisted;
pub use urgency::Urgency;
