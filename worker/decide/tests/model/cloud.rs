//! Cloud Tasks: dispatches, counters, answers, names.

use decide::ArrivalInputs;

use crate::rules::Rules;
use crate::state::{CreatedTask, LateCreate, NOTIFIER, Phase, Push, State, Task};
use crate::world::{Pod, World};

impl<R: Rules> World<R> {
    /// A dispatch that reaches a worker. It isn't there yet.
    pub fn dispatch(state: &mut State, task: u8) -> Push {
        let task = &mut state.tasks[usize::from(task)];
        task.out = true;
        let (queue, hop) = (task.queue, task.hop);
        Push {
            queue,
            hop,
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
    pub fn hears(&self, state: &mut State, (queue, hop, r): (u8, u8, u8), code: u16) {
        let same = |task: &Task| (task.queue, task.hop) == (queue, hop);
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
    pub fn hears_another(&self, state: &mut State, dispatch: (u8, u8, u8), code: u16) {
        let (queue, hop, r) = dispatch;
        let most = self.tables.most(queue);
        if let Some(task) = state.task(queue, hop)
            && task.r == r
            && task.out
            && code / 100 != 5
        {
            task.counted = (task.counted + 1).min(most);
        }
        self.hears(state, dispatch, code);
    }

    /// Creates a task or a notification, unless its name was ever in use on its queue: whether it
    /// is new. A notification is delivered at once.
    pub fn appears(state: &mut State, LateCreate { what, id, hop }: LateCreate) -> bool {
        let queue = match what {
            CreatedTask::Next(queue) => queue,
            CreatedTask::Notification(_) => NOTIFIER,
        };
        let names = &mut state.names[usize::from(queue)];
        if *names & id != 0 {
            return false;
        }
        *names |= id;
        match what {
            CreatedTask::Next(queue) => {
                state.climbs(hop);
                state.tasks.push(Task::new(queue, hop));
            }
            CreatedTask::Notification(outcome) => state.is_told(outcome),
        }
        true
    }
}

impl Push {
    /// Another push of the same task.
    pub fn is_beside(&self, other: &Self) -> bool {
        (self.queue, self.hop) == (other.queue, other.hop)
    }

    /// Another push of the same task, whose handler runs in the same pod.
    pub fn runs_beside(&self, other: &Self) -> bool {
        self.is_beside(other) && self.pod == other.pod && self.phase == Phase::Running
    }

    pub fn dispatch(&self) -> (u8, u8, u8) {
        (self.queue, self.hop, self.r)
    }
}
