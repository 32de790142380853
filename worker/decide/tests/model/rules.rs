//! What the model asks the worker's rules. [`Real`] passes every question on to the crate; a
//! mutant answers one of them differently.

use cloudtasks::{QueuePath, TaskId, TaskPath};
use decide::{Answer, Arrival, CreateEnd, Delivery, Facts, Finish, Ledger, Outcome, Owed, Policy};
use http::HeaderMap;

pub trait Rules: Send + Sync + 'static {
    /// P, from the headers of a push.
    fn previous(&self, headers: &HeaderMap) -> Option<u16> {
        decide::headers::previous(headers)
    }

    fn on_arrival(&self, delivery: &Delivery, policy: &Policy, facts: &Facts) -> Arrival {
        decide::on_arrival(delivery, policy, facts)
    }

    fn after_run(
        &self,
        delivery: &Delivery,
        policy: &Policy,
        run: &decide::Run,
        caller_gone: bool,
    ) -> Finish {
        decide::after_run(delivery, policy, run, caller_gone)
    }

    fn after_create(&self, policy: &Policy, owed: Owed, end: CreateEnd) -> Finish {
        decide::after_create(policy, owed, end)
    }

    /// The names that tell that a stage is done with a task.
    fn ends_of(&self, policy: &Policy, ledger: &Ledger) -> Vec<TaskPath> {
        policy.ends_of(ledger)
    }

    /// The next task's id, on the queue `_to`.
    fn next_task(&self, ledger: &Ledger, _to: &QueuePath) -> TaskId {
        ledger.next_task()
    }

    fn notification(&self, ledger: &Ledger, _outcome: Outcome) -> TaskId {
        ledger.root.notification()
    }

    /// What a worker answers that turns a push away unread, because it is full or stopping.
    fn turned_away(&self, previous: Option<u16>) -> Answer {
        Answer::NoRoom.unless_remembered(previous)
    }

    fn code(&self, answer: Answer) -> u16 {
        answer.code()
    }

    /// What Cloud Tasks' `ALREADY_EXISTS` means, as `create.rs` of the worker takes it.
    fn already(&self) -> CreateEnd {
        CreateEnd::Exists
    }

    /// Whether a look-up finds a task that existed and is gone, as `look_up.rs` of the worker does.
    fn finds_ended(&self) -> bool {
        true
    }
}

/// The crate's own rules.
#[derive(Debug, Clone, Copy)]
pub struct Real;

impl Rules for Real {}
