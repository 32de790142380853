//! The model: a setting, the rules, and the steps between states.

use decide::{RunSlot, TaskAge};
use stateright::{Model, Property};

use crate::create::Reply;
use crate::handler::Handler;
use crate::rules::Rules;
use crate::setting::Setting;
use crate::state::State;
use crate::tables::Tables;

/// One step. Tasks, pushes and late tasks are given by their place in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Cloud Tasks dispatches a task to a pod, once or twice.
    Dispatch(u8, Pod, bool),
    /// The second delivery arrives.
    Arrive(u8, Pod),
    /// Another party answers a dispatch.
    Foreign(u8, u16),
    /// A worker rejects the push unread.
    TurnAway(u8),
    LookUp(u8),
    CannotLookUp(u8),
    Learn(u8, TaskAge),
    RunSlot(u8, RunSlot),
    CannotConnect(u8),
    /// The handler's run ends; whether the worker holds then.
    RunEnds(u8, Handler, bool),
    Create(u8, Reply),
    /// A create takes effect after its worker has given up.
    Appear(u8),
    Answer(u8),
    /// The owner deletes a task.
    Delete(u8),
    Kill(u8),
    HangUp(u8, u16),
    /// A redrive to this queue begins.
    Redrive(u8),
    /// A mover takes this life's parked task.
    Take(u8),
    /// A mover makes its next call.
    Move(u8),
    MoverDies(u8),
}

/// One of a stage's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pod {
    /// Whose worker runs in it: 0, or 1 after an edit.
    pub release: u8,
    pub number: u8,
}

#[derive(Debug)]
pub struct World<R> {
    pub rules: R,
    pub setting: Setting,
    pub tables: Tables,
}

impl<R: Rules> World<R> {
    pub fn new(rules: R, setting: &Setting) -> Self {
        Self {
            tables: Tables::new(&rules, setting),
            rules,
            setting: setting.clone(),
        }
    }
}

impl<R: Rules> Model for World<R> {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut state = State::first(self.setting.budget, self.setting.redrives);
        if self.setting.squatted {
            state.names[0] = self.tables.next_names();
        }
        vec![state]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if self.is_over(state) {
            return;
        }
        self.urgent(state, steps);
        if steps.is_empty() {
            self.choices(state, steps);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        if self.fault(last, step).is_some() {
            state.faults -= 1;
        }
        self.take(&mut state, step);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        Self::promises()
    }
}
