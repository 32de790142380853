//! The worker: what `process.rs` does with a push, one step at a time, with the same calls.

use decide::RequiredInput;
use decide::{
    AfterRun, Answer, ArrivalDecision, Creation, Delivery, EndCause, FailedAttempt, Finish,
    NotifyOn, Outcome, RetryAfter, RunResult, RunSlot, StagePolicy, SuccessorLookup, TaskAge,
    TaskReason, Verdict,
};

use crate::faults::Always;
use crate::handler::Handler;
use crate::rules::Rules;
use crate::state::{Life, Phase, Push, State, Task};
use crate::tables::Name;
use crate::world::{Pod, World};

impl<R: Rules> World<R> {
    pub fn policy(&self, push: &Push) -> &StagePolicy {
        let policy = self.tables.policy(push.pod.release, push.key.queue);
        policy.expect("a push comes to a worker of its queue")
    }

    pub fn delivery(&self, push: &Push) -> Delivery {
        let row = self.tables.row(push.pod.release, push.key);
        let mut delivery = row.delivery.clone();
        delivery.retry_count = push.r.into();
        delivery.execution_count = push.e.into();
        delivery.previous_response = self.tables.previous(push);
        if let Some(stay) = &mut delivery.ledger.stay {
            stay.attempts = push.before.into();
        }
        delivery
    }

    /// A push reaches a pod. The task is in flight before any lookup.
    pub fn arrives(&self, state: &mut State, mut push: Push, pod: Pod) {
        push.pod = pod;
        state.overlapped |= state.pushes.iter().any(|other| other.is_beside(&push));
        let has_mark = |other: &Push| other.is_beside(&push) && other.marked && other.pod == pod;
        push.marked = !state.pushes.iter().any(has_mark);
        self.decides(state, push);
    }

    /// Asks the rules, with the inputs so far.
    fn decides(&self, state: &mut State, mut push: Push) {
        let (delivery, policy) = (self.delivery(&push), self.policy(&push));
        let inputs = &mut push.inputs;
        let mut arrival = self.rules.on_arrival(&delivery, policy, inputs);
        if arrival == ArrivalDecision::Needs(RequiredInput::RunSlot) && !push.marked {
            inputs.run_slot = Some(RunSlot::TaskInFlight);
            arrival = self.rules.on_arrival(&delivery, policy, inputs);
        }
        match arrival {
            ArrivalDecision::Needs(input) => {
                push.phase = Phase::Needs(input);
                state.pushes.push(push);
            }
            ArrivalDecision::Run | ArrivalDecision::LastTry => {
                let exactly = self.setting.counts_exactly();
                state.starts(&push, self.tables.most(push.key.queue), exactly);
                push.phase = Phase::Running;
                push.last_try = arrival == ArrivalDecision::LastTry;
                state.pushes.push(push);
            }
            ArrivalDecision::Finish(finish) => {
                let parked = push.inputs.successor == Some(SuccessorLookup::Parked);
                if parked && finish == Finish::Answer(Answer::Done) && !on(policy).failed {
                    self.ends_untold(state, &push);
                }
                // What is parked has left before.
                if let Finish::Create(pending) = &finish
                    && !parked
                {
                    let cause = match &pending.reason {
                        reason if *reason == TaskReason::EXPIRED => EndCause::Expired,
                        reason if *reason == TaskReason::ROUTED => EndCause::Route,
                        _ => EndCause::Exhausted,
                    };
                    self.may_end_unparked(state, &push, cause);
                    if [TaskReason::EXPIRED, TaskReason::ISOLATED].contains(&pending.reason) {
                        state.gives_up(&push);
                    }
                    if pending.reason == TaskReason::EXHAUSTED {
                        // Before a 596, the attempts were used up: then how many it were was checked.
                        let checked = push.p == Some(self.rules.code(Answer::HandOverPending));
                        let least = if checked {
                            0
                        } else {
                            self.tables.least(push.key.queue)
                        };
                        state.used_up(&push, least, 0);
                    }
                    if pending.creation == Creation::Notification(Outcome::Succeeded) {
                        state.succeeds_without_a_run(&push);
                    }
                }
                self.goes_on(state, push, finish);
            }
        }
    }

    /// Looks up the ends of a push's stage.
    pub fn looks_up(&self, state: &mut State, mut push: Push) {
        let row = self.tables.row(push.pod.release, push.key);
        let known = |&(queue, bit): &Name| {
            let was = state.names[usize::from(queue)] & bit != 0;
            let lives =
                |task: &Task| task.key.queue == queue && task.key.progress() > push.key.progress();
            was && (self.rules.finds_ended() || state.tasks.iter().any(lives))
        };
        let Life {
            parked, in_parking, ..
        } = state.lives[usize::from(push.key.life)];
        let known_parked = |&(queue, bit): &Name| {
            let was = state.names[usize::from(queue)] & bit != 0;
            was && (self.rules.finds_moved() || in_parking)
        };
        let found = row.ends.iter().any(known);
        let found_parked = row.parked_ends.iter().any(known_parked);
        // A worker of before an edit doesn't know of the queues that came with it.
        let there = push.key.progress() < state.top || state.ended(push.key.life) || parked > 0;
        if there
            && !self.setting.strict
            && self.setting.releases.len() > 1
            && !row.in_sight.iter().any(known)
        {
            state.overlapped = true;
        }
        let ends = if found {
            SuccessorLookup::Found
        } else if found_parked {
            SuccessorLookup::Parked
        } else {
            SuccessorLookup::NotFound
        };
        push.inputs.successor = Some(ends);
        self.decides(state, push);
    }

    pub fn cannot_look_up(&self, state: &mut State, mut push: Push) {
        match push.phase {
            Phase::Needs(RequiredInput::Successor) => {
                push.inputs.successor = Some(SuccessorLookup::Unknown);
            }
            _ => push.inputs.age = Some(TaskAge::Unknown),
        }
        self.decides(state, push);
    }

    pub fn learns_age(&self, state: &mut State, mut push: Push, age: TaskAge) {
        push.inputs.age = Some(age);
        self.decides(state, push);
    }

    pub fn finds_room(&self, state: &mut State, mut push: Push, room: RunSlot) {
        push.inputs.run_slot = Some(room);
        self.decides(state, push);
    }

    /// A run slot is free, and the handler accepts no connection.
    pub fn cannot_connect(&self, state: &mut State, mut push: Push) {
        push.inputs.run_slot = Some(RunSlot::Acquired);
        let (delivery, policy) = (self.delivery(&push), self.policy(&push));
        let arrival = self.rules.on_arrival(&delivery, policy, &push.inputs);
        let run = &RunResult::Unreachable;
        let known = AfterRun {
            caller_gone: !push.heard,
            holding: false,
        };
        let finish = match arrival {
            ArrivalDecision::Run => self.rules.after_run(&delivery, policy, run, known),
            ArrivalDecision::LastTry => self.rules.after_last_try(&delivery, policy, run, known),
            ArrivalDecision::Needs(_) | ArrivalDecision::Finish(_) => {
                return self.decides(state, push);
            }
        };
        self.goes_on(state, push, finish);
    }

    /// The handler answers.
    pub fn run_ends(&self, state: &mut State, push: Push, handler: Handler, holding: bool) {
        let (delivery, policy) = (self.delivery(&push), self.policy(&push));
        let run = handler.run();
        let rules = &self.rules;
        let known = AfterRun {
            caller_gone: !push.heard,
            holding,
        };
        let finish = if push.last_try {
            rules.after_last_try(&delivery, policy, &run, known)
        } else {
            rules.after_run(&delivery, policy, &run, known)
        };
        let leaves = match &finish {
            Finish::Create(pending) => !matches!(pending.creation, Creation::Later(_)),
            Finish::Answer(answer) => *answer == Answer::Done,
        };
        let on = on(policy);
        let done = finish == Finish::Answer(Answer::Done);
        if let RunResult::Failed(failure) = &run {
            let failure = &judged(failure, push.last_try);
            if !is_attempt(policy, failure, holding && !push.last_try) {
                state.no_attempt(&push);
            } else if leaves && !is_sent_elsewhere(policy, failure) {
                let dispatches = push.before + push.r + 1;
                let dispatches = if push.heard { 0 } else { dispatches };
                state.used_up(&push, self.tables.least(push.key.queue), dispatches);
            }
            self.may_end_unparked(state, &push, cause(policy, failure));
            if done && !on.failed {
                self.ends_untold(state, &push);
            }
        } else {
            let life = state.life(push.key.life);
            life.succeeded |= push.heard;
            life.untold |= done && !on.succeeded;
        }
        self.goes_on(state, push, finish);
    }

    /// The task may end for this cause. If that is none to park it for, it ends unparked.
    pub fn may_end_unparked(&self, state: &mut State, push: &Push, cause: EndCause) {
        let parking = self.policy(push).parking.as_ref();
        let parks = parking.is_some_and(|it| push.key.life > 0 || it.keep.contains(&cause));
        state.life(push.key.life).not_parked |= self.parks() && !parks;
    }

    /// The task ends without a success, and nobody is to be told.
    pub fn ends_untold(&self, state: &mut State, push: &Push) {
        state.life(push.key.life).untold = true;
        self.ends_failed(state, push.key.life);
    }

    /// What the rules have decided.
    pub fn goes_on(&self, state: &mut State, mut push: Push, finish: Finish) {
        push.phase = match finish {
            Finish::Answer(answer) => Phase::Answering(answer),
            Finish::Create(pending) => Phase::Creating(self.pending_task(pending)),
        };
        // The inputs are used.
        push.inputs = decide::ArrivalInputs::default();
        match push.phase {
            // An answer whose caller has left is no step. If a fault made the caller leave, the fault
            // explains what follows; if every caller leaves, the lost answer does.
            Phase::Answering(answer) if !push.heard => {
                let words = [Answer::HandOverPending, Answer::NotificationPending];
                if self.setting.always == Always::HungUp && words.contains(&answer) {
                    state.explains_a_run(push.key);
                }
            }
            _ => state.pushes.push(push),
        }
    }
}

/// A failed run as it counts: at a last try, to ask for more time is to fail.
fn judged(failure: &FailedAttempt, last_try: bool) -> FailedAttempt {
    FailedAttempt {
        verdict: failure
            .verdict
            .filter(|verdict| !last_try || *verdict != Verdict::Later),
        ..failure.clone()
    }
}

/// Why a task ends after a run, if it does.
fn cause(policy: &StagePolicy, failure: &FailedAttempt) -> EndCause {
    let route = policy.routes.after_failure(failure.status, &failure.reason);
    let asks_for_time = failure.verdict == Some(Verdict::Later);
    match failure.verdict {
        _ if route.is_some() => EndCause::Route,
        Some(Verdict::Fail) => EndCause::Fail,
        _ if asks_for_time && policy.retry_after == RetryAfter::Follow => EndCause::Expired,
        Some(Verdict::Escalate | Verdict::Retry | Verdict::Later) | None => EndCause::Exhausted,
    }
}

/// A route or a verdict says where the task goes.
fn is_sent_elsewhere(policy: &StagePolicy, failure: &FailedAttempt) -> bool {
    let route = policy.routes.after_failure(failure.status, &failure.reason);
    route.is_some()
        || failure
            .verdict
            .is_some_and(|verdict| verdict != Verdict::Retry)
}

/// A run that failed is an attempt, unless the handler asks for more time, or a worker holds that has no
/// other reason to let the task go.
fn is_attempt(policy: &StagePolicy, failure: &FailedAttempt, holding: bool) -> bool {
    let route = policy.routes.after_failure(failure.status, &failure.reason);
    let follows = policy.retry_after == RetryAfter::Follow;
    match failure.verdict {
        _ if route.is_some() => true,
        Some(Verdict::Later) if follows => false,
        Some(Verdict::Escalate | Verdict::Fail) => true,
        Some(Verdict::Retry | Verdict::Later) | None => !holding,
    }
}

/// The outcomes that the client is notified of.
pub fn on(policy: &StagePolicy) -> NotifyOn {
    let notifier = policy.notifier.as_ref();
    notifier.expect("every setting has a notifier").on
}
