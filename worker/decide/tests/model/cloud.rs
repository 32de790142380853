//! Cloud Tasks: dispatches, counters, answers, names.

use decide::{ArrivalInputs, Outcome};

use crate::faults::Always;
use crate::rules::Rules;
use crate::state::{
    Counts, CreatedTask, LateCreate, NOTIFIER, PARKING, Phase, Push, State, Task, TaskKey,
};
use crate::world::{Pod, World};

impl<R: Rules> World<R> {
    /// A dispatch that reaches a worker. It isn't there yet.
    pub fn dispatch(state: &mut State, task: u8) -> Push {
        let task = &mut state.tasks[usize::from(task)];
        task.out = true;
        Push {
            key: task.key,
            before: task.before,
            r: task.r,
            e: task.e,
            p: task.p,
            pod: Pod {
                release: 0,
                number: 0,
            },
            marked: false,
            heard: true,
            inputs: ArrivalInputs::default(),
            phase: Phase::InTransit,
            last_try: false,
        }
    }

    /// Cloud Tasks gets the answer `code` to the dispatch `r` of a task.
    pub fn hears(&self, state: &mut State, (key, r): (TaskKey, u8), code: u16) {
        let same = |task: &Task| task.key == key;
        let Some(index) = state.tasks.iter().position(same) else {
            return;
        };
        if code / 100 == 2 {
            state.tasks.remove(index);
            return;
        }
        let task = &mut state.tasks[index];
        // The first answer to a dispatch counts; a twin's comes too late.
        if task.r != r || !task.out {
            return;
        }
        task.out = false;
        task.r += 1;
        task.e += u8::from(code / 100 != 5);
        task.p = Some(code);
        if self
            .setting
            .queues_give_up_after
            .is_some_and(|max| task.r >= max)
        {
            state.tasks.remove(index);
        }
    }

    /// Something other than the worker answers a dispatch: a proxy, or Cloud Tasks after its deadline.
    pub fn hears_another(&self, state: &mut State, dispatch: (TaskKey, u8), code: u16) {
        let (key, r) = dispatch;
        let most = self.most_counted(key.queue);
        if let Some(task) = state.task(key)
            && task.r == r
            && task.out
            && code / 100 != 5
        {
            task.counts.counted = (task.counts.counted + 1).min(most);
        }
        self.hears(state, dispatch, code);
    }

    /// Creates a task or a notification, unless its name was ever in use on its queue: whether it
    /// is new. A notification is delivered at once.
    pub fn appears(&self, state: &mut State, LateCreate { what, id, key }: LateCreate) -> bool {
        let names = &mut state.names[usize::from(key.queue)];
        let nameless = what == CreatedTask::Redriven && !self.rules.names_the_life();
        if *names & id != 0 && !nameless {
            return false;
        }
        *names |= id;
        match what {
            CreatedTask::Next(_) | CreatedTask::Later(_) | CreatedTask::Redriven => {
                if what == CreatedTask::Redriven {
                    state.lives_again(key);
                }
                state.climbs(key);
                let mut task = Task::new(key);
                if let CreatedTask::Later(before) = what {
                    let most = self.tables.most(key.queue);
                    // If dispatches have overlapped, it may go on under both names, and each counts for
                    // itself. Of runs whose callers have hung up, the ledger may not know.
                    let known = state.overlapped || self.setting.always == Always::HungUp;
                    let earlier = TaskKey {
                        later: key.later - 1,
                        ..key
                    };
                    let same = state.task(earlier).filter(|_| !known);
                    task.counts = same.map_or(Counts::of(before, most), |same| same.counts);
                    task.before = before;
                }
                state.tasks.push(task);
            }
            CreatedTask::Parked => state.is_parked(key.life),
            CreatedTask::Notification(outcome) => {
                state.is_told(key.life, outcome, self.parks());
                if outcome == Outcome::Failed {
                    self.ends_failed(state, key.life);
                }
            }
        }
        true
    }

    /// How far attempts are counted: no further than a promise asks, unless a run may turn out to be none.
    pub fn most_counted(&self, queue: u8) -> u8 {
        if self.setting.counts_exactly() {
            u8::MAX
        } else {
            self.tables.most(queue)
        }
    }

    /// Where a task that a push creates will be.
    pub fn place_of(push: &Push, what: CreatedTask) -> TaskKey {
        let on = |queue| TaskKey {
            queue,
            hop: push.key.hop + 1,
            later: 0,
            ..push.key
        };
        match what {
            CreatedTask::Next(queue) => on(queue),
            CreatedTask::Later(_) => TaskKey {
                later: push.key.later + 1,
                ..push.key
            },
            CreatedTask::Parked => on(PARKING),
            CreatedTask::Notification(_) => on(NOTIFIER),
            CreatedTask::Redriven => unreachable!("a mover creates it"),
        }
    }
}

impl Push {
    /// Another push of the same task.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// Another push of the same task, whose handler runs in the same pod.
    pub fn runs_beside(&self, other: &Self) -> bool {
        self.is_beside(other) && self.pod == other.pod && self.phase == Phase::Running
    }

    pub fn dispatch(&self) -> (TaskKey, u8) {
        (self.key, self.r)
    }
}

impl Counts {
    /// As the ledger says. A proxy's answers are among its attempts, and one run is always left.
    fn of(before: u8, most: u8) -> Self {
        Self {
            runs: i8::try_from(before.min(most - 1)).unwrap(),
            counted: before,
            ran: before,
        }
    }
}
