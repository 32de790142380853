//! The designs that are compared, and the scenarios that they are put through.

use std::num::NonZeroU32;
use std::time::Duration;

use simulation::{
    Backoff, Design, Edit, Entry, Fault, Limits, Scenario, Stage, Tenants, Unlucky, Window, Workers,
};

/// Tasks a second in normal times: half of the first queue's rate.
pub const LOAD: f64 = 250.0;
const SHARE: f64 = 1.0 / 3.0;
const SUCCESS_TAKES: Duration = Duration::from_millis(20);
/// Of a task, on all stages of the ladder together.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(7).expect("7 is not 0");
const ON_THE_FIRST: NonZeroU32 = NonZeroU32::new(3).expect("3 is not 0");
const ON_THE_LAST: NonZeroU32 = NonZeroU32::new(4).expect("4 is not 0");

/// What goes wrong, and how long it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureMode {
    pub name: &'static str,
    /// In the names of files.
    pub word: &'static str,
    pub fault: Fault,
    pub timeout: Duration,
}

pub const FAILS: FailureMode = FailureMode {
    name: "failing immediately",
    word: "failing",
    fault: Fault::Fails,
    timeout: Duration::from_secs(2),
};

pub const HANGS: FailureMode = FailureMode {
    name: "hanging for 2 s",
    word: "hanging",
    fault: Fault::Hangs,
    timeout: Duration::from_secs(2),
};

pub const HANGS_LONG: FailureMode = FailureMode {
    name: "hanging for 10 s",
    word: "hanging-long",
    fault: Fault::Hangs,
    timeout: Duration::from_secs(10),
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DesignKind {
    Single,
    Ladder,
    Oracle,
}

/// A design, and how it is edited.
#[derive(Debug, Clone)]
pub struct Variant {
    pub name: &'static str,
    pub design: Design,
    pub edits: Vec<Edit>,
}

impl DesignKind {
    pub const ALL: [Self; 3] = [Self::Single, Self::Ladder, Self::Oracle];

    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single queue",
            Self::Ladder => "ladder",
            Self::Oracle => "oracle",
        }
    }

    pub fn variant(self, timeout: Duration, size: f64) -> Variant {
        Variant {
            name: self.name(),
            design: self.design(timeout, size),
            edits: Vec::new(),
        }
    }

    /// What it consists of, in a part of its size: not every machine can do the whole of it.
    pub fn design(self, timeout: Duration, size: f64) -> Design {
        let stage = |rate: f64, concurrency: f64, attempts| Stage {
            limits: Limits {
                rate: rate * size,
                concurrency: whole(concurrency * size),
                backoff: Backoff::default(),
            },
            attempts,
            timeout,
            capacity: whole(concurrency * size),
            reroutes_to: None,
            workers: Workers::default(),
        };
        let first = |attempts| stage(500.0, 1000.0, attempts);
        let last = stage(100.0, 200.0, ON_THE_LAST);
        match self {
            Self::Single => Design {
                stages: vec![first(ATTEMPTS)],
                entry: Entry::First,
            },
            Self::Ladder => Design {
                stages: vec![first(ON_THE_FIRST), last],
                entry: Entry::First,
            },
            Self::Oracle => Design {
                stages: vec![first(ON_THE_FIRST), last],
                entry: Entry::Oracle,
            },
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 1 to 1000"
)]
pub fn whole(number: f64) -> u32 {
    number.round().max(1.0) as u32
}

/// A scenario of so many seconds before, in and after the incident.
pub fn scenario(fault: Fault, load: f64, [before, during, after]: [u64; 3]) -> Scenario {
    let seconds = Duration::from_secs;
    Scenario {
        load,
        share: SHARE,
        lasts: seconds(before + during + after),
        incident: Window {
            from: seconds(before),
            until: seconds(before + during),
        },
        fault,
        success_takes: SUCCESS_TAKES,
        unlucky: Unlucky::default(),
        tenants: Tenants::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_has_as_many_attempts_in_each_design() {
        let attempts = |kind: DesignKind| {
            let stages = kind.design(HANGS.timeout, 1.0).stages;
            stages.iter().map(|stage| stage.attempts.get()).sum::<u32>()
        };
        assert_eq!(attempts(DesignKind::Single), attempts(DesignKind::Ladder));
    }

    #[test]
    fn a_smaller_one_has_less_of_all_that_is_scarce() {
        let first = DesignKind::Ladder.design(HANGS.timeout, 0.1).stages[0];
        assert!((first.limits.rate - 50.0).abs() < 1e-9);
        assert_eq!((first.limits.concurrency, first.capacity), (100, 100));
        // However small, it works.
        let tiny = DesignKind::Ladder.design(HANGS.timeout, 0.001).stages[1];
        assert_eq!(tiny.limits.concurrency, 1);
    }
}
