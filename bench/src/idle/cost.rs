//! A quiet span, from its two ends.

use std::fmt;
use std::time::{Duration, Instant};

use testkit::metrics::Labels;
use testkit::{CallProxy, Counters};
use tokio::time::sleep;

use crate::operator::Operator;
use crate::testbed::Testbed;
use crate::usage::Usage;

const WRITING: [&str; 6] = [
    "POST",
    "PUT",
    "PATCH",
    "APPLY",
    "DELETE",
    "DELETECOLLECTION",
];

/// What the API server counts by itself, a minute.
#[derive(Debug, Clone, Copy, Default)]
pub struct Baseline {
    requests: f64,
    renewals: f64,
}

impl Baseline {
    /// Counts for so many seconds, while there is no operator.
    pub async fn for_seconds(place: &Testbed, seconds: u64) -> anyhow::Result<Self> {
        let before = place.counters().await?;
        sleep(Duration::from_secs(seconds)).await;
        let after = place.counters().await?;
        let minutes = Duration::from_secs(seconds).as_secs_f64() / 60.0;
        Ok(Self {
            requests: (requests(&after) - requests(&before)) / minutes,
            renewals: (written(&after, true) - written(&before, true)) / minutes,
        })
    }
}

fn requests(counters: &Counters) -> f64 {
    counters.total("apiserver_request_total")
}

/// Writes of Leases, or of all else.
fn written(counters: &Counters, leases: bool) -> f64 {
    counters.sum("apiserver_request_total", |labels: &Labels| {
        WRITING.contains(&labels.get("verb")) && (labels.get("resource") == "leases") == leases
    })
}

pub struct Snapshot {
    at: Instant,
    calls: u64,
    own: Counters,
    server: Counters,
    usage: Usage,
}

impl Snapshot {
    pub async fn take(
        place: &Testbed,
        operator: &Operator,
        counted: &CallProxy,
    ) -> anyhow::Result<Self> {
        // The order is the same at both ends, so that what the asking costs is the same too.
        let server = place.counters().await?;
        let own = operator.counters().await?;
        Ok(Self {
            at: Instant::now(),
            calls: counted.calls().values().sum(),
            own,
            server,
            usage: operator.usage()?,
        })
    }

    fn calls(&self) -> f64 {
        self.own.total("executor_operator_cloud_tasks_calls_total")
    }

    fn writes(&self) -> f64 {
        self.own.total("executor_operator_effects_total")
    }

    fn rounds(&self) -> f64 {
        self.own.total("executor_operator_reconciles_total")
    }
}

/// What a quiet span has cost; by the minute, but for writes and memory.
#[derive(Debug, Clone, Copy)]
pub struct IdleCost {
    pub calls: f64,
    pub own_calls: f64,
    pub rounds: f64,
    pub requests: f64,
    pub renewals: f64,
    pub writes: f64,
    pub own_writes: f64,
    pub cpu_ms: f64,
    pub resident_mib: f64,
}

impl IdleCost {
    /// What the API server counts as the `baseline` is not the operator's.
    pub fn between(before: &Snapshot, after: &Snapshot, baseline: Baseline) -> Self {
        let minutes = after.at.duration_since(before.at).as_secs_f64() / 60.0;
        let calls = u32::try_from(after.calls - before.calls).unwrap_or(u32::MAX);
        let counted = requests(&after.server) - requests(&before.server);
        let renewed = written(&after.server, true) - written(&before.server, true);
        Self {
            calls: f64::from(calls) / minutes,
            own_calls: (after.calls() - before.calls()) / minutes,
            rounds: (after.rounds() - before.rounds()) / minutes,
            requests: (counted / minutes - baseline.requests).max(0.0),
            renewals: (renewed / minutes - baseline.renewals).max(0.0),
            writes: written(&after.server, false) - written(&before.server, false),
            own_writes: after.writes() - before.writes(),
            cpu_ms: (after.usage.cpu_ms - before.usage.cpu_ms) / minutes,
            resident_mib: after.usage.resident_mib,
        }
    }
}

impl fmt::Display for IdleCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            calls,
            requests,
            cpu_ms,
            resident_mib,
            ..
        } = self;
        write!(
            f,
            "{calls:.1} calls and {requests:.1} requests a minute, {cpu_ms:.0} ms, {resident_mib:.0} MiB"
        )
    }
}
