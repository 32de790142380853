//! Which chains need to be looked at first.

use std::cmp::{Ordering, Reverse};
use std::fmt;

use super::chain::LiveChain;
use super::finding::Cause;

/// How urgent a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// It may be what was intended.
    Note,
    /// Tasks are late, or an edit isn't in force.
    Slowed,
    /// Tasks of a stage don't succeed, or give up soon.
    Stopped,
}

impl Urgency {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Slowed => "slowed",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Cause {
    /// How urgent it is.
    pub fn urgency(self) -> Urgency {
        match self {
            Self::PausedBySpec
            | Self::PausedByOverride
            | Self::Isolating
            | Self::Parked
            | Self::Drifted => Urgency::Note,
            Self::EditWaits
            | Self::PausedByOperator
            | Self::OneFailure
            | Self::HandlerSlow
            | Self::Throttled
            | Self::NoRunSlots
            | Self::AtRate
            | Self::AtConcurrency
            | Self::RetriesUseRate
            | Self::ProducerSurge
            | Self::NextStageFills
            | Self::NotifierBacklog
            | Self::ParkedExpire => Urgency::Slowed,
            Self::QueueMissing
            | Self::QueueDisabled
            | Self::PausedOutside
            | Self::NoReadyPod
            | Self::PushesNotArriving
            | Self::PushesRefused
            | Self::Held
            | Self::HandlerUnreachable
            | Self::LookUpFails
            | Self::HandOverFails
            | Self::NotificationFails
            | Self::HandlerTimesOut
            | Self::HandlerFails
            | Self::NotParked
            | Self::TasksExpire => Urgency::Stopped,
        }
    }
}

impl LiveChain {
    /// The urgency of its most urgent finding. `None` if nothing is found.
    pub fn urgency(&self) -> Option<Urgency> {
        let findings = self.findings.iter();
        findings.map(|finding| finding.cause.urgency()).max()
    }

    /// The urgency of the most urgent finding of a stage.
    pub fn urgency_of(&self, stage: &str) -> Option<Urgency> {
        let findings = self.findings.iter();
        let of_stage = findings.filter(|finding| finding.stage.as_deref() == Some(stage));
        of_stage.map(|finding| finding.cause.urgency()).max()
    }

    /// Orders the worst first: by urgency, then what was found first, then by name. No number that moves
    /// all the time has a part in it: lines that change places can't be read.
    pub fn worst_first(a: &Self, b: &Self) -> Ordering {
        // A finding without a time is new.
        let since = |chain: &Self| {
            let first = chain.findings.iter().filter_map(|finding| finding.since);
            first.min().map_or((1, None), |at| (0, Some(at)))
        };
        let key = |chain: &Self| (Reverse(chain.urgency()), since(chain));
        key(a)
            .cmp(&key(b))
            .then_with(|| a.namespace.cmp(&b.namespace))
            .then_with(|| a.name.cmp(&b.name))
    }
}
