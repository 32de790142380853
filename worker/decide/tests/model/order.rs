//! Fewer orders of the same steps, for speed. Three settings are checked in all orders too.
//!
//! Once no fault is left and runs may have overlapped, many steps touch one task alone, and no
//! promise that is still checked can tell whether another task's step came before. One order is
//! then enough, and the one taken is the strictest: a run that starts earlier is counted earlier,
//! and a task that is deleted earlier is missed earlier.

use decide::RequiredInput;

use crate::rules::Rules;
use crate::state::{Phase, Push, State};
use crate::world::{Step, World};

impl<R: Rules> World<R> {
    /// The steps that may be taken before all others, if there are any.
    pub fn urgent(&self, state: &State, steps: &mut Vec<Step>) {
        if self.setting.all_orders || state.faults > 0 || !state.overlapped {
            return;
        }
        for (index, push) in (0..).zip(&state.pushes) {
            let beside = |other: &Push| !std::ptr::eq(push, other) && push.is_beside(other);
            let urgent = match push.phase {
                Phase::Needs(RequiredInput::RunSlot) | Phase::Running => true,
                Phase::Answering(_) => !state.pushes.iter().any(beside),
                Phase::InTransit
                | Phase::Needs(RequiredInput::Successor | RequiredInput::TaskAge)
                | Phase::Creating(_) => false,
            };
            if urgent {
                return self.steps_of(state, index, push, steps);
            }
        }
        for (index, task) in (0..).zip(&state.tasks) {
            let beside = |push: &Push| push.key == task.key;
            if !task.out && !state.pushes.iter().any(beside) {
                return self.dispatches_of(state, index, steps);
            }
        }
    }
}
