//! A redrive: a mover creates a parked task anew, as the first of a new life, and then deletes it.

use crate::rules::Rules;
use crate::state::{CreatedTask, LateCreate, NOTIFIER, State, TaskKey};
use crate::world::World;

/// A redrive that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Redrive {
    /// The queue that the new lives begin on.
    to: u8,
    /// The lives that were parked when it began, as bits. It moves no other, so none of its own.
    parked: u8,
}

/// A parked task in a mover's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mover {
    life: u8,
    next: Call,
}

/// What a mover does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    Create,
    Delete,
}

impl Redrive {
    pub fn matches(self, life: u8) -> bool {
        self.parked & (1 << life) != 0
    }
}

impl Mover {
    pub fn call(self) -> (u8, Call) {
        (self.life, self.next)
    }
}

impl State {
    /// Whether a mover has this life's parked task in its hands.
    pub fn is_taken(&self, life: u8) -> bool {
        self.movers.iter().any(|mover| mover.life == life)
    }

    /// A redrive begins, in place of the one before.
    pub fn redrive(&mut self, to: u8) {
        let parked = self.begun().filter(|(_, life)| life.in_parking);
        let parked = parked.fold(0, |bits, (number, _)| bits | 1 << number);
        self.redrive = Some(Redrive { to, parked });
        self.redrives -= 1;
    }
}

impl<R: Rules> World<R> {
    /// A mover gets the parked task, and asks the chain's other queues for its next life: a redrive to one
    /// of them may have begun it. On the target's own queue the name is enough.
    pub fn takes(&self, state: &mut State, life: u8) {
        let first = self.first_of_next(state, life);
        let others = (0..NOTIFIER).filter(|queue| *queue != first.key.queue);
        let begun = others
            .into_iter()
            .any(|queue| state.names[usize::from(queue)] & first.id != 0);
        let next = if begun && self.rules.looks_for_the_life() {
            Call::Delete
        } else {
            self.rules.mover_begins_with()
        };
        state.movers.push(Mover { life, next });
    }

    /// A mover creates the first task of the next life, or deletes the parked one.
    pub fn moves(&self, state: &mut State, mover: u8) {
        let Mover { life, next } = state.movers.remove(mover.into());
        match next {
            Call::Create => {
                let first = self.first_of_next(state, life);
                self.appears(state, first);
            }
            Call::Delete => state.leaves_parking(life),
        }
        let first = self.rules.mover_begins_with();
        let then = match first {
            Call::Create => Call::Delete,
            Call::Delete => Call::Create,
        };
        if next == first {
            state.movers.push(Mover { life, next: then });
        }
    }

    fn first_of_next(&self, state: &State, life: u8) -> LateCreate {
        let redrive = state.redrive.expect("a mover belongs to a redrive");
        let key = TaskKey {
            life: life + 1,
            queue: redrive.to,
            hop: 1,
            later: 0,
        };
        LateCreate {
            what: CreatedTask::Redriven,
            id: self.tables.row(0, key).own,
            key,
        }
    }
}
