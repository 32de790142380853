//! What a situation is made of: plain data, so that a table of them can be read.

use std::time::Duration;

use console::Cause;
use testkit::{StatsAnswer, Way};

/// One situation: a chain that is well, what goes wrong, and what is to be found first.
pub struct Situation {
    pub name: &'static str,
    /// The orders with something replaced.
    pub chain: Spec,
    pub args: &'static [&'static str],
    /// Whether calls go to the emulator itself, which has no live numbers: workers fetch the keys of tokens
    /// by HTTP/1.1, which the proxies of calls don't speak.
    pub is_direct: bool,
    pub before: &'static [Action],
    pub trouble: &'static [Action],
    pub found: Expected,
}

/// The orders with something replaced.
pub type Spec = &'static [(&'static str, &'static str)];

pub enum Expected {
    /// This is found first, of this stage or of the chain.
    First(Cause, Option<&'static str>),
    /// This is found too, of this stage.
    Too(Cause, &'static str),
    /// Nothing is found.
    Nothing,
}

/// A situation of the orders as they are.
pub const fn situation(name: &'static str) -> Situation {
    Situation {
        name,
        chain: &[],
        args: &[],
        is_direct: false,
        before: &[],
        trouble: &[],
        found: Expected::Nothing,
    }
}

impl Situation {
    pub const fn chain(self, chain: Spec) -> Self {
        Self { chain, ..self }
    }

    pub const fn args(self, args: &'static [&'static str]) -> Self {
        Self { args, ..self }
    }

    pub const fn direct(self) -> Self {
        Self {
            is_direct: true,
            ..self
        }
    }

    pub const fn before(self, before: &'static [Action]) -> Self {
        Self { before, ..self }
    }

    pub const fn trouble(self, trouble: &'static [Action]) -> Self {
        Self { trouble, ..self }
    }

    pub const fn on(self, cause: Cause, stage: &'static str) -> Self {
        let found = Expected::First(cause, Some(stage));
        Self { found, ..self }
    }

    pub const fn too(self, cause: Cause, stage: &'static str) -> Self {
        let found = Expected::Too(cause, stage);
        Self { found, ..self }
    }

    pub const fn on_the_chain(self, cause: Cause) -> Self {
        let found = Expected::First(cause, None);
        Self { found, ..self }
    }
}

/// What a person, a handler, a producer or an accident does.
pub enum Action {
    /// The handler of a stage does this from now on.
    Handler(&'static str, Behavior),
    /// No handler accepts connections.
    NoHandler,
    /// So many tasks a second from now on.
    Traffic(f64),
    /// The same, of tasks with the header that the chain's route matches.
    RoutedTraffic(f64),
    /// So many tasks a second, of which two in five have the header that the chain's route matches.
    MixedTraffic(f64),
    /// So many tasks at once.
    Burst(usize),
    /// So many tasks at once that fail wherever some tasks fail at each attempt.
    FailingBurst(usize),
    /// So many tasks that are scheduled for in an hour.
    Scheduled(usize),
    /// Another queue pushes tasks to a stage, with a token for another audience.
    ForeignPushes(&'static str),
    Apply(Spec),
    /// An override of stage fast with these settings, as YAML, for ten minutes.
    Override(&'static str),
    /// A queue is paused outside the operator.
    Pause(&'static str),
    /// A queue is deleted outside the operator.
    Delete(&'static str),
    /// A queue has this rate, by a change outside the operator.
    Rate(&'static str, f64),
    /// The way of pushes is so.
    Pushes(Way),
    /// The receiver of notifications answers with this status.
    Receiver(u16),
    /// Cloud Tasks refuses these calls.
    Refuses(&'static [&'static str]),
    /// Cloud Tasks lists live numbers so.
    Stats(StatsAnswer),
    /// As many runs have ended as a comparison with what was before needs.
    UntilUsual,
}

/// What a handler does.
#[derive(Debug, Clone, Copy)]
pub struct Behavior {
    /// How long a run takes.
    pub takes: Duration,
    /// The share of runs that fails, from 0 to 1.
    pub fails: f64,
    /// Whether it is the same tasks that fail, at each attempt.
    pub is_by_task: bool,
    /// Whether only tasks fail that have the header that the chain's route matches.
    pub is_by_kind: bool,
    /// With this status.
    pub status: u16,
    /// With this reason, or another one each time.
    pub reason: Reason,
}

#[derive(Debug, Clone, Copy)]
pub enum Reason {
    None,
    One(&'static str),
    Any,
}

pub const WELL: Behavior = Behavior {
    takes: Duration::from_millis(10),
    fails: 0.0,
    is_by_task: false,
    is_by_kind: false,
    status: 500,
    reason: Reason::None,
};

pub const fn takes(millis: u64) -> Behavior {
    Behavior {
        takes: Duration::from_millis(millis),
        ..WELL
    }
}

pub const fn fails(share: f64, status: u16, reason: Reason) -> Behavior {
    Behavior {
        fails: share,
        status,
        reason,
        ..WELL
    }
}

/// All tasks fail that have the header that the chain's route matches.
pub const FAILS_FOR_ONE: Behavior = Behavior {
    is_by_kind: true,
    ..fails(1.0, 402, Reason::One("no-credit"))
};

/// The same tasks fail at each attempt.
pub const fn fails_for(share: f64) -> Behavior {
    Behavior {
        is_by_task: true,
        ..fails(share, 500, Reason::Any)
    }
}
