//! What each step does to the state.

use decide::{Answer, RequiredInput, RunSlot};

use crate::create::Reply;
use crate::faults::{Always, Fault};
use crate::rules::Rules;
use crate::state::{Phase, Push, State};
use crate::world::{Pod, Step, World};

impl<R: Rules> World<R> {
    /// The fault that a step is, if it is one.
    pub fn fault(&self, state: &State, step: Step) -> Option<Fault> {
        let runs = |push: u8| state.pushes[usize::from(push)].phase == Phase::Running;
        match step {
            Step::Dispatch(_, _, true) => Some(Fault::Twice),
            Step::Dispatch(task, pod, false) => self.overlap(state, task, pod),
            Step::Foreign(..) => Some(Fault::Foreign),
            Step::TurnAway(_) => Some(Fault::TurnedAway),
            Step::CannotLookUp(_) => Some(Fault::LookUp),
            Step::RunSlot(_, RunSlot::NoneFree) => Some(Fault::Full),
            Step::RunSlot(_, RunSlot::Held) => {
                (self.setting.always != Always::Held).then_some(Fault::Held)
            }
            Step::RunEnds(_, _, holding) => holding.then_some(Fault::Holding),
            Step::CannotConnect(_) => Some(Fault::Unreachable),
            Step::Create(_, reply) => match reply {
                Reply::Arrives => None,
                Reply::IsLost => Some(Fault::Reply),
                Reply::IsLate => Some(Fault::Late),
                Reply::Fails => Some(Fault::Create),
                Reply::Refuses => Some(Fault::Refused),
            },
            Step::Kill(push) => {
                let free = self.setting.always == Always::Killed && runs(push);
                (!free).then_some(Fault::Killed)
            }
            Step::HangUp(push, _) => {
                let free = self.setting.always == Always::HungUp && runs(push);
                (!free).then_some(Fault::HungUp)
            }
            Step::Arrive(..)
            | Step::LookUp(_)
            | Step::Learn(..)
            | Step::RunSlot(..)
            | Step::Appear(_)
            | Step::Answer(_)
            | Step::Delete(_)
            | Step::Redrive(_)
            | Step::Move(_) => None,
            Step::Take(life) => state.is_taken(life).then_some(Fault::TwoMovers),
            Step::MoverDies(_) => Some(Fault::MoverDies),
        }
    }

    /// A dispatch beside a push that is still in flight is a fault of its own where it meets the
    /// same pod, and where every caller hangs up.
    fn overlap(&self, state: &State, task: u8, pod: Pod) -> Option<Fault> {
        let task = &state.tasks[usize::from(task)];
        let in_work = |push: &&Push| push.key == task.key && push.marked;
        let mut beside = state.pushes.iter().filter(in_work).peekable();
        let always = self.setting.always == Always::HungUp && beside.peek().is_some();
        let same = beside.any(|push| push.pod == pod);
        (always || same).then_some(Fault::SamePod)
    }

    pub fn take(&self, state: &mut State, step: Step) {
        match step {
            Step::Dispatch(task, pod, twice) => {
                let beside = self.overlap(state, task, pod).is_some();
                let push = Self::dispatch(state, task);
                if twice || beside {
                    state.explains_a_run(push.key);
                }
                if twice {
                    state.overlapped = true;
                    state.pushes.push(push.clone());
                }
                self.arrives(state, push, pod);
            }
            Step::Arrive(push, pod) => {
                let push = state.pushes.remove(push.into());
                self.arrives(state, push, pod);
            }
            Step::Foreign(task, code) => {
                let push = Self::dispatch(state, task);
                let remembers = |answer| push.p == Some(self.rules.code(answer));
                if remembers(Answer::HandOverPending) || remembers(Answer::NotificationPending) {
                    state.explains_a_run(push.key);
                    state.life(push.key.life).succeeded = false;
                }
                self.hears_another(state, push.dispatch(), code);
            }
            Step::TurnAway(task) => {
                let push = Self::dispatch(state, task);
                let answer = self.rules.turned_away(self.tables.previous(&push));
                self.hears(state, push.dispatch(), self.rules.code(answer));
            }
            Step::Appear(late) => {
                let late = state.late.remove(late.into());
                // Nobody could see it coming.
                state.overlapped = true;
                self.appears(state, late);
            }
            Step::Delete(task) => {
                state.tasks.remove(task.into());
                state.deleted = true;
            }
            Step::Kill(push) => {
                let push = state.pushes.remove(push.into());
                Self::forgets(state, &push);
                if push.heard {
                    self.hears_another(state, push.dispatch(), 502);
                }
            }
            Step::HangUp(index, code) => {
                let mut push = state.pushes.remove(index.into());
                if self.fault_is_free(&push) {
                    state.life(push.key.life).succeeded = false;
                } else {
                    Self::forgets(state, &push);
                }
                self.hears_another(state, push.dispatch(), code);
                push.heard = false;
                if !matches!(push.phase, Phase::Answering(_)) {
                    state.pushes.push(push);
                }
            }
            Step::Redrive(to) => state.redrive(to),
            Step::Take(life) => self.takes(state, life),
            Step::Move(mover) => self.moves(state, mover),
            Step::MoverDies(mover) => {
                state.movers.remove(mover.into());
            }
            Step::LookUp(push)
            | Step::CannotLookUp(push)
            | Step::Learn(push, _)
            | Step::RunSlot(push, _)
            | Step::CannotConnect(push)
            | Step::RunEnds(push, ..)
            | Step::Create(push, _)
            | Step::Answer(push) => {
                let push = state.pushes.remove(push.into());
                self.works(state, push, step);
            }
        }
    }

    fn fault_is_free(&self, push: &Push) -> bool {
        self.setting.always == Always::HungUp && push.phase == Phase::Running
    }

    /// The worker's answer never arrives.
    fn forgets(state: &mut State, push: &Push) {
        state.life(push.key.life).succeeded = false;
        state.explains_a_run(push.key);
    }

    /// A step of the worker's own.
    fn works(&self, state: &mut State, push: Push, step: Step) {
        match (step, push.phase) {
            (Step::LookUp(_), Phase::Needs(RequiredInput::Successor)) => self.looks_up(state, push),
            (Step::CannotLookUp(_), _) => self.cannot_look_up(state, push),
            (Step::Learn(_, age), _) => self.learns_age(state, push, age),
            (Step::RunSlot(_, room), _) => self.finds_room(state, push, room),
            (Step::CannotConnect(_), _) => self.cannot_connect(state, push),
            (Step::RunEnds(_, handler, holding), _) => self.run_ends(state, push, handler, holding),
            (Step::Create(_, reply), Phase::Creating(task)) => {
                self.creates(state, push, task, reply);
            }
            (Step::Answer(_), Phase::Answering(answer)) => {
                if push.heard {
                    self.hears(state, push.dispatch(), self.rules.code(answer));
                }
            }
            other => unreachable!("{other:?}"),
        }
    }
}
