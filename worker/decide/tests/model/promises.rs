//! The promises: each step notes which it breaks, and the checker looks in every state.

use decide::Outcome;
use stateright::Property;

use crate::faults::{Always, Parking};
use crate::rules::Rules;
use crate::state::{Life, Push, State, Task, TaskKey};
use crate::tables::HOPS;
use crate::world::World;

pub const NEVER_LOST: &str = "a task is never lost";
pub const ONE_END: &str = "a task ends at most once";
pub const ENDS: &str = "each task ends";
pub const RUNS: &str = "the handler runs at most N times, plus once for each fault";
pub const NOT_EARLY: &str = "a task leaves a stage only after N attempts";
pub const NOT_LATE: &str = "no handler starts after the end";
pub const ONE_STAGE: &str = "one stage is live at a time";
pub const SUCCESS: &str = "a success is not forgotten";
pub const DONE: &str = "Succeeded is notified only after a run";
pub const DELETED: &str = "a task that a look-up finds deleted is not handed over";
pub const NO_TWIN: &str =
    "a pod runs a task once at a time, and never gives up a task that it runs";
pub const PARKED: &str = "Failed is notified only of a task that is parked";
pub const PARKED_ONCE: &str = "a task is parked at most once a life";
pub const NOT_BOTH: &str = "no task that is parked has succeeded";
pub const KEPT: &str = "a parked task is kept until its next life has begun";
pub const ONE_LIFE: &str = "a life begins once";

/// A promise that was broken by a step.
#[derive(Debug, Clone, Copy)]
pub enum Broken {
    Runs = 1,
    NotEarly = 2,
    NotLate = 4,
    OneStage = 8,
    Success = 16,
    NoTwin = 32,
    Done = 64,
    Deleted = 128,
    Parked = 256,
    ParkedOnce = 512,
    NotBoth = 1024,
    Kept = 2048,
    OneLife = 4096,
}

impl State {
    fn breaks(&mut self, broken: Broken) {
        self.broken |= broken as u16;
    }

    fn keeps(&self, broken: Broken) -> bool {
        self.broken & broken as u16 == 0
    }

    /// The handler starts, on a stage that allows `most` attempts.
    /// `exactly` counts further than a promise asks, see [`State::no_attempt`].
    pub fn starts(&mut self, push: &Push, most: u8, exactly: bool) {
        if self.pushes.iter().any(|other| other.runs_beside(push)) {
            self.breaks(Broken::NoTwin);
        }
        if !self.overlapped {
            let Life {
                ends, succeeded, ..
            } = *self.life(push.key.life);
            if ends > 0 {
                self.breaks(Broken::NotLate);
            }
            if push.key.progress() < self.top {
                self.breaks(Broken::OneStage);
            }
            if succeeded {
                self.breaks(Broken::Success);
            }
        }
        if let Some(Task { counts, .. }) = self.task(push.key) {
            let (most_ran, most_counted) = if exactly {
                (u8::MAX, u8::MAX)
            } else {
                (1, most)
            };
            counts.ran = (counts.ran + 1).min(most_ran);
            counts.counted = (counts.counted + 1).min(most_counted);
            counts.runs += 1;
            if counts.runs > i8::try_from(most).unwrap() {
                self.breaks(Broken::Runs);
            }
        }
    }

    /// A run has ended that was no attempt.
    pub fn no_attempt(&mut self, push: &Push) {
        if let Some(Task { counts, .. }) = self.task(push.key) {
            counts.ran = counts.ran.saturating_sub(1);
            counts.counted = counts.counted.saturating_sub(1);
            counts.runs -= 1;
        }
    }

    /// A fault that explains one more run.
    pub fn explains_a_run(&mut self, key: TaskKey) {
        if let Some(task) = self.task(key) {
            task.counts.runs -= 1;
        }
    }

    /// The rules take the stage's attempts, at least `least`, for used up. Where the caller has
    /// hung up, `dispatches` count as well.
    pub fn used_up(&mut self, push: &Push, least: u8, dispatches: u8) {
        if let Some(Task { counts, .. }) = self.task(push.key)
            && !(counts.ran > 0 && counts.counted.max(dispatches) >= least)
        {
            self.breaks(Broken::NotEarly);
        }
    }

    /// A push leads to Succeeded without a run of its own.
    pub fn succeeds_without_a_run(&mut self, push: &Push) {
        if let Some(task) = self.task(push.key)
            && task.counts.ran == 0
        {
            self.breaks(Broken::Done);
        }
    }

    /// The next task appears, the same one, put off, or the first of a life.
    pub fn climbs(&mut self, to: TaskKey) {
        if !self.overlapped {
            if to.progress() <= self.top {
                self.breaks(Broken::OneStage);
            }
            if self.life(to.life).succeeded {
                self.breaks(Broken::Success);
            }
        }
        self.top = self.top.max(to.progress());
    }

    /// A life begins.
    pub fn lives_again(&mut self, first: TaskKey) {
        if first.life <= self.top.0 {
            self.breaks(Broken::OneLife);
        }
    }

    /// The parked task appears.
    pub fn is_parked(&mut self, life: u8) {
        let Life {
            succeeded,
            told_succeeded,
            parked,
            ..
        } = *self.life(life);
        if parked > 0 {
            self.breaks(Broken::ParkedOnce);
        }
        if (succeeded || told_succeeded) && !self.overlapped {
            self.breaks(Broken::NotBoth);
        }
        let life = self.life(life);
        life.parked += 1;
        life.in_parking = true;
    }

    /// A mover deletes the parked task.
    pub fn leaves_parking(&mut self, life: u8) {
        if life >= self.top.0 {
            self.breaks(Broken::Kept);
        }
        self.life(life).in_parking = false;
    }

    /// The client is told that it failed, or would be.
    pub fn ends_unparked(&mut self) {
        self.breaks(Broken::Parked);
    }

    /// A task leaves without a run: its time is over, or its category is isolated.
    pub fn gives_up(&mut self, push: &Push) {
        if self.pushes.iter().any(|other| other.runs_beside(push)) {
            self.breaks(Broken::NoTwin);
        }
    }

    /// A worker hands over a task that it knows is deleted.
    pub fn hands_over_deleted(&mut self) {
        self.breaks(Broken::Deleted);
    }

    /// The notification appears.
    pub fn is_told(&mut self, life: u8, outcome: Outcome, parks: bool) {
        let overlapped = self.overlapped;
        let life = self.life(life);
        life.ends += 1;
        life.told_succeeded |= parks && outcome == Outcome::Succeeded;
        let forgotten = outcome == Outcome::Failed && life.succeeded;
        let both = outcome == Outcome::Succeeded && life.parked > 0;
        if forgotten && !overlapped {
            self.breaks(Broken::Success);
        }
        if both && !overlapped {
            self.breaks(Broken::NotBoth);
        }
    }
}

impl<R: Rules> World<R> {
    pub fn parks(&self) -> bool {
        self.setting.parking != Parking::None
    }

    /// A life ends without a success, told or not: then it is parked, unless it may end without.
    pub fn ends_failed(&self, state: &mut State, life: u8) {
        let parks = self.parks();
        let Life {
            parked, not_parked, ..
        } = *state.life(life);
        if parks && parked == 0 && !not_parked {
            state.ends_unparked();
        }
    }

    /// The most dispatches that a task on this queue may ever need.
    fn dispatches(&self, queue: u8) -> u8 {
        let unanswered = match self.setting.always {
            // Each 503 of a worker at capacity gives one more try.
            Always::Killed => 12 + self.setting.budget,
            Always::Held => 12,
            Always::Nothing | Always::HungUp if self.setting.waits_until_old() => 12,
            Always::Nothing | Always::HungUp => 0,
        };
        self.tables.most(queue) + self.setting.budget + unanswered
    }

    /// A task advances, and not forever: dispatches, put-offs and hand-overs are bounded, and for each dispatch
    /// in flight a worker will answer. So every path comes to where no task is
    /// left, and there [`NEVER_LOST`] says that the end is recorded.
    fn goes_to_its_end(&self, state: &State) -> bool {
        let fits = |task: &Task| task.r <= self.dispatches(task.key.queue);
        let answer_owed = |task: &Task| {
            let pending = |push: &Push| push.heard && push.dispatch() == (task.key, task.r);
            !task.out || state.pushes.iter().any(pending)
        };
        let goes_on = |task: &Task| fits(task) && answer_owed(task);
        let (_, hop, later) = state.top;
        state.tasks.iter().all(goes_on) && hop < HOPS && later <= self.setting.put_offs
    }

    /// All promises, for the checker.
    pub fn promises() -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always(NEVER_LOST, |_, s| {
                let is_there = |life| s.tasks.iter().any(|task| task.key.life == life);
                s.begun().all(|(life, _)| is_there(life) || s.ended(life))
            }),
            Property::<Self>::always(ONE_END, |_, s| s.begun().all(|(_, life)| life.ends <= 1)),
            Property::<Self>::always(ENDS, Self::goes_to_its_end),
            Property::<Self>::always(RUNS, |_, s| s.keeps(Broken::Runs)),
            Property::<Self>::always(NOT_EARLY, |_, s| s.keeps(Broken::NotEarly)),
            Property::<Self>::always(NOT_LATE, |_, s| s.keeps(Broken::NotLate)),
            Property::<Self>::always(ONE_STAGE, |_, s| s.keeps(Broken::OneStage)),
            Property::<Self>::always(SUCCESS, |_, s| s.keeps(Broken::Success)),
            Property::<Self>::always(DONE, |_, s| s.keeps(Broken::Done)),
            Property::<Self>::always(DELETED, |_, s| s.keeps(Broken::Deleted)),
            Property::<Self>::always(NO_TWIN, |_, s| s.keeps(Broken::NoTwin)),
            Property::<Self>::always(PARKED, |_, s| s.keeps(Broken::Parked)),
            Property::<Self>::always(PARKED_ONCE, |_, s| s.keeps(Broken::ParkedOnce)),
            Property::<Self>::always(NOT_BOTH, |_, s| s.keeps(Broken::NotBoth)),
            Property::<Self>::always(KEPT, |_, s| s.keeps(Broken::Kept)),
            Property::<Self>::always(ONE_LIFE, |_, s| s.keeps(Broken::OneLife)),
        ]
    }

    /// Whether a path need not be followed any further.
    pub fn is_over(&self, state: &State) -> bool {
        !self.goes_to_its_end(state)
    }
}
