//! The rule that this project began with, and the loss that comes with it: the client is notified
//! when the count of executions reaches N, and the queue's own limit of attempts is the same N.

use decide::{
    AfterRun, Answer, ArrivalDecision, ArrivalInputs, Creation, Delivery, Finish, Outcome,
    PendingCreate, RequiredInput, RunResult, RunSlot, StagePolicy, TaskReason,
};

use crate::faults::Fault;
use crate::promises::NEVER_LOST;
use crate::rules::Rules;
use crate::search::broken;
use crate::setting::Setting;

/// The header is compared as it arrives.
#[derive(Clone, Copy)]
struct AsItArrives;

impl Rules for AsItArrives {
    fn on_arrival(
        &self,
        delivery: &Delivery,
        policy: &StagePolicy,
        inputs: &ArrivalInputs,
    ) -> ArrivalDecision {
        if delivery.execution_count == policy.max_attempts.get() {
            return ArrivalDecision::Finish(tell(Outcome::Failed));
        }
        run_where_there_is_room(inputs)
    }

    fn after_run(
        &self,
        _delivery: &Delivery,
        _policy: &StagePolicy,
        run: &RunResult,
        _known: AfterRun,
    ) -> Finish {
        match run {
            RunResult::Succeeded { .. } => tell(Outcome::Succeeded),
            RunResult::Failed(_) | RunResult::Unreachable => Finish::Answer(Answer::Failed),
        }
    }
}

/// The attempt that was just made is counted as well.
#[derive(Clone, Copy)]
struct WithThisOne;

impl Rules for WithThisOne {
    fn on_arrival(
        &self,
        _delivery: &Delivery,
        _policy: &StagePolicy,
        inputs: &ArrivalInputs,
    ) -> ArrivalDecision {
        run_where_there_is_room(inputs)
    }

    fn after_run(
        &self,
        delivery: &Delivery,
        policy: &StagePolicy,
        run: &RunResult,
        _known: AfterRun,
    ) -> Finish {
        let last = delivery.execution_count + 1 == policy.max_attempts.get();
        match run {
            RunResult::Succeeded { .. } => tell(Outcome::Succeeded),
            RunResult::Failed(_) if last => tell(Outcome::Failed),
            RunResult::Failed(_) | RunResult::Unreachable => Finish::Answer(Answer::Failed),
        }
    }
}

fn run_where_there_is_room(inputs: &ArrivalInputs) -> ArrivalDecision {
    match inputs.run_slot {
        None => ArrivalDecision::Needs(RequiredInput::RunSlot),
        Some(RunSlot::Acquired) => ArrivalDecision::Run,
        Some(_) => ArrivalDecision::Finish(Finish::Answer(Answer::NoCapacity)),
    }
}

fn tell(outcome: Outcome) -> Finish {
    Finish::Create(PendingCreate {
        creation: Creation::Notification(outcome),
        reason: TaskReason::EXHAUSTED,
        attempts: 0,
        folded: false,
        may_stay: false,
        answer_on_failure: Answer::Unknown,
    })
}

fn three_attempts(name: &str, budget: u8) -> Setting {
    Setting {
        queues_give_up_after: Some(3),
        ..Setting::ladder(name, &[3])
            .faults(&[Fault::Foreign])
            .budget(budget)
    }
}

#[test]
fn every_failing_task_is_lost_if_the_execution_count_is_compared_as_it_arrives() {
    let setting = three_attempts("no fault at all", 0);
    let lost = broken(AsItArrives, &setting, NEVER_LOST).expect("it loses the task");
    println!("{}\n{lost}", setting.name);
}

#[test]
fn a_task_is_lost_if_its_last_dispatch_reaches_no_worker() {
    let quiet = three_attempts("no fault at all", 0);
    assert_eq!(broken(WithThisOne, &quiet, NEVER_LOST), None);

    let setting = three_attempts("one dispatch meets no worker", 1);
    let lost = broken(WithThisOne, &setting, NEVER_LOST).expect("it loses the task");
    println!("{}\n{lost}", setting.name);
}
