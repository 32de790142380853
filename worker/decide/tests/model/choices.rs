//! What may happen next.

use decide::{IsolationIndex, RequiredInput, RunSlot};

use crate::create::Reply;
use crate::faults::{Always, Fault};
use crate::rules::Rules;
use crate::setting::{OLD, OLDER, YOUNG};
use crate::state::{Phase, Push, State};
use crate::world::{Pod, Step, World};

/// After so many unanswered dispatches a task is old.
const OLD_AFTER: u8 = 10;

impl<R: Rules> World<R> {
    pub fn choices(&self, state: &State, steps: &mut Vec<Step>) {
        for (index, task) in (0..).zip(&state.tasks) {
            if !task.out {
                self.dispatches_of(state, index, steps);
            }
        }
        if self.setting.deletes && !state.deleted {
            steps.extend(
                (0..)
                    .zip(&state.tasks)
                    .map(|(index, _)| Step::Delete(index)),
            );
        }
        for (index, push) in (0..).zip(&state.pushes) {
            self.steps_of(state, index, push, steps);
        }
        for (index, _) in (0..).zip(&state.late) {
            steps.push(Step::Appear(index));
        }
        self.moves_of(state, steps);
    }

    fn moves_of(&self, state: &State, steps: &mut Vec<Step>) {
        let parked = state.begun().filter(|(_, life)| life.in_parking);
        let parked: Vec<u8> = parked.map(|(number, _)| number).collect();
        // The operator begins no redrive while a mover of another may still work.
        if state.redrives > 0 && !parked.is_empty() && state.movers.is_empty() {
            let targets = self.setting.redrives_to.iter();
            steps.extend(targets.map(|to| Step::Redrive(*to)));
        }
        if let Some(redrive) = &state.redrive {
            let matches = parked.into_iter().filter(|life| redrive.matches(*life));
            let may_take = |life: &u8| !state.is_taken(*life) || self.may(state, Fault::TwoMovers);
            steps.extend(matches.filter(may_take).map(Step::Take));
        }
        for (index, _) in (0..).zip(&state.movers) {
            steps.push(Step::Move(index));
            if self.may(state, Fault::MoverDies) {
                steps.push(Step::MoverDies(index));
            }
        }
    }

    fn may(&self, state: &State, fault: Fault) -> bool {
        state.faults > 0 && self.setting.faults.contains(&fault)
    }

    pub fn dispatches_of(&self, state: &State, task: u8, steps: &mut Vec<Step>) {
        let push = Self::dispatch(&mut state.clone(), task);
        let (fresh, same) = self.pods(state, &push);
        for pod in fresh {
            let step = Step::Dispatch(task, pod, false);
            let overlaps = self.fault(state, step);
            if overlaps.is_none_or(|fault| self.may(state, fault)) {
                steps.push(step);
            }
            if overlaps.is_none() && self.may(state, Fault::Twice) {
                steps.push(Step::Dispatch(task, pod, true));
            }
        }
        if self.may(state, Fault::SamePod) {
            steps.extend(same.into_iter().map(|pod| Step::Dispatch(task, pod, false)));
        }
        if self.may(state, Fault::Foreign) {
            let codes = self.setting.codes.iter();
            steps.extend(codes.map(|code| Step::Foreign(task, *code)));
        }
        if self.may(state, Fault::TurnedAway) {
            steps.push(Step::TurnAway(task));
        }
    }

    pub fn steps_of(&self, state: &State, index: u8, push: &Push, steps: &mut Vec<Step>) {
        let always = self.setting.always;
        match push.phase {
            Phase::InTransit => {
                let (fresh, same) = self.pods(state, push);
                let pods = fresh.into_iter().chain(same);
                return steps.extend(pods.map(|pod| Step::Arrive(index, pod)));
            }
            Phase::Running if always == Always::Killed => return steps.push(Step::Kill(index)),
            Phase::Running if always == Always::HungUp && push.heard => {
                return self.hang_ups(index, steps);
            }
            Phase::Needs(RequiredInput::Successor) => steps.push(Step::LookUp(index)),
            Phase::Needs(RequiredInput::TaskAge) => {
                let ages: &[_] = match push.r {
                    ..=OLD_AFTER => &[YOUNG, OLD],
                    // What is held stays until it is twice as old.
                    12.. if always == Always::Held => &[OLDER],
                    _ => &[OLD],
                };
                steps.extend(ages.iter().map(|age| Step::Learn(index, *age)));
            }
            Phase::Needs(RequiredInput::RunSlot) if always == Always::Held => {
                steps.push(Step::RunSlot(index, RunSlot::Held));
            }
            Phase::Needs(RequiredInput::RunSlot) => {
                steps.push(Step::RunSlot(index, RunSlot::Acquired));
                if !self.policy(push).isolation.is_empty() {
                    let isolated = RunSlot::Isolated(IsolationIndex(0));
                    steps.push(Step::RunSlot(index, isolated));
                }
            }
            Phase::Running => {
                let ends = self.setting.handler.iter();
                steps.extend(ends.map(|end| Step::RunEnds(index, *end, false)));
                if self.may(state, Fault::Holding) {
                    let failures = self.setting.handler.iter().filter(|end| end.fails());
                    steps.extend(failures.map(|end| Step::RunEnds(index, *end, true)));
                }
            }
            Phase::Creating(_) => steps.push(Step::Create(index, Reply::Arrives)),
            Phase::Answering(_) => steps.push(Step::Answer(index)),
        }
        self.faults_of(state, index, push, steps);
    }

    fn faults_of(&self, state: &State, index: u8, push: &Push, steps: &mut Vec<Step>) {
        let faults: &[(Fault, Step)] = match push.phase {
            Phase::Needs(RequiredInput::Successor | RequiredInput::TaskAge) => {
                &[(Fault::LookUp, Step::CannotLookUp(index))]
            }
            Phase::Needs(RequiredInput::RunSlot) => &[
                (Fault::Full, Step::RunSlot(index, RunSlot::NoneFree)),
                (Fault::Held, Step::RunSlot(index, RunSlot::Held)),
                (Fault::Unreachable, Step::CannotConnect(index)),
            ],
            Phase::Creating(_) => &[
                (Fault::Create, Step::Create(index, Reply::Fails)),
                (Fault::Reply, Step::Create(index, Reply::IsLost)),
                (Fault::Late, Step::Create(index, Reply::IsLate)),
                (Fault::Refused, Step::Create(index, Reply::Refuses)),
                (Fault::Killed, Step::Kill(index)),
            ],
            // A worker that has only looked up leaves nothing behind when it dies: for Cloud Tasks
            // that is one more foreign answer.
            Phase::Running | Phase::Answering(_) => &[(Fault::Killed, Step::Kill(index))],
            Phase::InTransit => &[],
        };
        let possible = faults.iter().filter(|(fault, _)| self.may(state, *fault));
        steps.extend(possible.map(|(_, step)| *step));
        if push.heard && self.may(state, Fault::HungUp) {
            self.hang_ups(index, steps);
        }
    }

    fn hang_ups(&self, index: u8, steps: &mut Vec<Step>) {
        let codes = self.setting.codes.iter();
        steps.extend(codes.map(|code| Step::HangUp(index, *code)));
    }

    /// The pods that a push may come to: of each release one that has nothing to do with its
    /// task, and those that have it in flight.
    fn pods(&self, state: &State, push: &Push) -> (Vec<Pod>, Vec<Pod>) {
        let last = u8::try_from(self.setting.releases.len() - 1).unwrap();
        let rolled_out = push.key.hop >= self.setting.rolled_out_by;
        let first = if rolled_out { last } else { 0 };
        let mut fresh = Vec::new();
        let mut same = Vec::new();
        for release in first..=last {
            if self.tables.policy(release, push.key.queue).is_none() {
                continue;
            }
            let in_work = state.pushes.iter().filter(|other| other.is_beside(push));
            let in_work = in_work.filter(|other| other.marked && other.pod.release == release);
            let busy: Vec<Pod> = in_work.map(|other| other.pod).collect();
            let mut all = (0..).map(|number| Pod { release, number });
            fresh.extend(all.find(|pod| !busy.contains(pod)));
            same.extend(busy);
        }
        (fresh, same)
    }
}
