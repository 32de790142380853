//! The worker: what `work.rs` does with a push, one step at a time, with the same calls.

use decide::{
    Age, Answer, Arrival, Creation, Delivery, Ends, Failure, Finish, NotifyOn, Outcome, Policy,
    Reason, Room, Run,
};

use crate::faults::Always;
use crate::handler::Handler;
use crate::rules::Rules;
use crate::state::{Asks, Known, Phase, Push, State, Task};
use crate::world::{Pod, World};

impl<R: Rules> World<R> {
    pub fn policy(&self, push: &Push) -> &Policy {
        let policy = self.tables.policy(push.pod.release, push.queue);
        policy.expect("a push comes to a worker of its queue")
    }

    fn delivery(&self, push: &Push) -> Delivery {
        let row = self.tables.row(push.pod.release, push.queue, push.hop);
        let mut delivery = row.delivery.clone();
        delivery.retries = push.r.into();
        delivery.executions = push.e.into();
        delivery.previous = self.tables.previous(push);
        delivery
    }

    /// A push reaches a pod. The mark comes before anything is asked.
    pub fn arrives(&self, state: &mut State, mut push: Push, pod: Pod) {
        push.pod = pod;
        state.overlapped |= state.pushes.iter().any(|other| other.is_beside(&push));
        let has_mark = |other: &Push| other.is_beside(&push) && other.marked && other.pod == pod;
        push.marked = !state.pushes.iter().any(has_mark);
        self.decides(state, push);
    }

    /// Asks the rules, with what is known by now.
    fn decides(&self, state: &mut State, mut push: Push) {
        let (delivery, policy) = (self.delivery(&push), self.policy(&push));
        let facts = &mut push.known.0;
        let mut arrival = self.rules.on_arrival(&delivery, policy, facts);
        if arrival == Arrival::Ask(decide::Question::Room) && !push.marked {
            facts.room = Some(Room::RunningHere);
            arrival = self.rules.on_arrival(&delivery, policy, facts);
        }
        match arrival {
            Arrival::Ask(question) => {
                push.phase = Phase::Asks(question.into());
                state.pushes.push(push);
            }
            Arrival::Run => {
                state.starts(&push, self.tables.most(push.queue));
                push.phase = Phase::Runs;
                state.pushes.push(push);
            }
            Arrival::Finish(finish) => {
                if let Finish::Create(owed) = &finish {
                    if owed.reason == Reason::EXHAUSTED
                        && push.p != Some(self.rules.code(Answer::NotHandedOn))
                    {
                        state.used_up(&push, self.tables.least(push.queue), 0);
                    }
                    if owed.creation == Creation::Notification(Outcome::Succeeded) {
                        state.succeeds_without_a_run(&push);
                    }
                }
                self.goes_on(state, push, finish);
            }
        }
    }

    /// Looks up the ends of a push's stage.
    pub fn looks_up(&self, state: &mut State, mut push: Push) {
        let row = self.tables.row(push.pod.release, push.queue, push.hop);
        let known = |&(queue, bit): &(u8, u32)| {
            let was = state.names[usize::from(queue)] & bit != 0;
            let lives = |task: &Task| (task.queue, task.hop) == (queue, push.hop + 1);
            was && (self.rules.finds_ended() || state.tasks.iter().any(lives))
        };
        let found = row.ends.iter().any(known);
        // A worker of before an edit doesn't know of the queues that came with it.
        let there = push.hop < state.top_hop || state.ended();
        if there
            && !self.setting.strict
            && self.setting.releases.len() > 1
            && !row.in_sight.iter().any(known)
        {
            state.overlapped = true;
        }
        let ends = if found { Ends::Found } else { Ends::Nothing };
        push.known.0.ends = Some(ends);
        self.decides(state, push);
    }

    pub fn cannot_look_up(&self, state: &mut State, mut push: Push) {
        match push.phase {
            Phase::Asks(Asks::Ends) => push.known.0.ends = Some(Ends::Unknown),
            _ => push.known.0.age = Some(Age::Unknown),
        }
        self.decides(state, push);
    }

    pub fn learns_age(&self, state: &mut State, mut push: Push, age: Age) {
        push.known.0.age = Some(age);
        self.decides(state, push);
    }

    pub fn finds_room(&self, state: &mut State, mut push: Push, room: Room) {
        push.known.0.room = Some(room);
        self.decides(state, push);
    }

    /// There is room, and the handler takes no connections.
    pub fn cannot_connect(&self, state: &mut State, mut push: Push) {
        push.known.0.room = Some(Room::Free);
        let (delivery, policy) = (self.delivery(&push), self.policy(&push));
        let arrival = self.rules.on_arrival(&delivery, policy, &push.known.0);
        if arrival == Arrival::Run {
            let finish = self
                .rules
                .after_run(&delivery, policy, &Run::NeverSent, !push.heard);
            self.goes_on(state, push, finish);
        } else {
            self.decides(state, push);
        }
    }

    /// The handler answers.
    pub fn run_ends(&self, state: &mut State, push: Push, handler: Handler) {
        let (delivery, policy) = (self.delivery(&push), self.policy(&push));
        let run = handler.run();
        let finish = self.rules.after_run(&delivery, policy, &run, !push.heard);
        let leaves = matches!(finish, Finish::Create(_) | Finish::Answer(Answer::Done));
        let on = on(policy);
        let wanted = if let Run::Failed(Failure {
            status,
            verdict,
            reason,
        }) = &run
        {
            let route = policy.routes.after_failure(*status, reason);
            if leaves && route.is_none() && verdict.is_none() {
                let dispatches = if push.heard { 0 } else { push.r + 1 };
                state.used_up(&push, self.tables.least(push.queue), dispatches);
            }
            on.failed
        } else {
            state.succeeded |= push.heard;
            on.succeeded
        };
        state.untold |= !wanted && finish == Finish::Answer(Answer::Done);
        self.goes_on(state, push, finish);
    }

    /// What the rules have decided.
    pub fn goes_on(&self, state: &mut State, mut push: Push, finish: Finish) {
        push.phase = match finish {
            Finish::Answer(answer) => Phase::Answers(answer),
            Finish::Create(owed) => Phase::Owes(self.owes(owed)),
        };
        // What was asked is settled.
        push.known = Known::default();
        match push.phase {
            // An answer that nobody waits for is no step. Where a fault let the caller go, it
            // explains what follows; where every caller goes, a word that is lost does.
            Phase::Answers(answer) if !push.heard => {
                let words = [Answer::NotHandedOn, Answer::NotNotified];
                if self.setting.always == Always::HungUp && words.contains(&answer) {
                    state.explains_a_run(push.queue, push.hop);
                }
            }
            _ => state.pushes.push(push),
        }
    }
}

/// What the client wants to be told.
pub fn on(policy: &Policy) -> NotifyOn {
    let notifier = policy.notifier.as_ref();
    notifier.expect("every setting has a notifier").on
}
