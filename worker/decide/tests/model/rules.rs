//! What the model asks the worker's rules. [`Real`] passes every question on to the crate; a
//! mutant answers one of them differently.

use cloudtasks::{QueuePath, TaskId, TaskPath};
use decide::{
    AfterRun, Answer, ArrivalDecision, ArrivalInputs, CreateResult, Delivery, Finish, Ledger,
    Outcome, PendingCreate, RedriveId, StagePolicy,
};
use http::HeaderMap;

use crate::redrive::Call;

pub trait Rules: Send + Sync + 'static {
    /// P, from the headers of a push.
    fn previous(&self, headers: &HeaderMap) -> Option<u16> {
        decide::headers::previous_response(headers)
    }

    fn on_arrival(
        &self,
        delivery: &Delivery,
        policy: &StagePolicy,
        inputs: &ArrivalInputs,
    ) -> ArrivalDecision {
        decide::on_arrival(delivery, policy, inputs)
    }

    fn after_run(
        &self,
        delivery: &Delivery,
        policy: &StagePolicy,
        run: &decide::RunResult,
        known: AfterRun,
    ) -> Finish {
        decide::after_run(delivery, policy, run, known)
    }

    fn after_last_try(
        &self,
        delivery: &Delivery,
        policy: &StagePolicy,
        run: &decide::RunResult,
        known: AfterRun,
    ) -> Finish {
        decide::after_last_try(delivery, policy, run, known)
    }

    fn after_create(
        &self,
        delivery: &Delivery,
        policy: &StagePolicy,
        pending: PendingCreate,
        end: CreateResult,
    ) -> Finish {
        decide::after_create(delivery, policy, pending, end)
    }

    /// The tasks that follow one, if its stage has finished with it.
    fn successor_tasks(&self, policy: &StagePolicy, ledger: &Ledger) -> Vec<TaskPath> {
        policy.successor_tasks(ledger)
    }

    /// The next task's id, on the queue `_to`.
    fn next_task(&self, ledger: &Ledger, _to: &QueuePath) -> TaskId {
        ledger.next_task()
    }

    /// The id of the same task, put off once more.
    fn later_task(&self, ledger: &Ledger) -> TaskId {
        ledger.later_task()
    }

    /// The parked tasks of which one exists if the task has ended and was parked.
    fn parked_tasks(&self, policy: &StagePolicy, ledger: &Ledger) -> Vec<TaskPath> {
        policy.parked_tasks(ledger)
    }

    /// The parked task's id.
    fn parked(&self, _policy: &StagePolicy, ledger: &Ledger) -> TaskId {
        ledger.root.parked()
    }

    /// The ledger of the first task of the next life.
    fn redriven(&self, ledger: Ledger, redrive: RedriveId) -> Ledger {
        ledger.redriven(redrive)
    }

    fn notification(&self, ledger: &Ledger, _outcome: Outcome) -> TaskId {
        ledger.root.notification()
    }

    /// The answer to a push that is rejected unread, because the worker is at capacity or stopping.
    fn turned_away(&self, previous: Option<u16>) -> Answer {
        Answer::NoCapacity.unless_pending(previous)
    }

    fn code(&self, answer: Answer) -> u16 {
        answer.code()
    }

    /// What Cloud Tasks' `ALREADY_EXISTS` means, as in the worker's `create.rs`.
    fn already(&self) -> CreateResult {
        CreateResult::Exists
    }

    /// Whether a lookup finds a task that existed and is deleted, as in the worker's `lookup.rs`.
    fn finds_ended(&self) -> bool {
        true
    }

    /// The same of a parked task, which a mover deletes.
    fn finds_moved(&self) -> bool {
        true
    }

    fn mover_begins_with(&self) -> Call {
        Call::Create
    }

    /// Whether a mover asks for a life that another redrive may have begun on another queue.
    fn looks_for_the_life(&self) -> bool {
        true
    }

    /// Whether a mover creates a life's first task under its own name.
    fn names_the_life(&self) -> bool {
        true
    }
}

/// The crate's own rules.
#[derive(Debug, Clone, Copy)]
pub struct Real;

impl Rules for Real {}
