//! Processes a push: decide, run the handler, decide again, create what follows, answer.

use std::time::Instant;

use cloudtasks::CloudTasks;
use decide::{
    AfterRun, Answer, ArrivalDecision, ArrivalInputs, CreateResult, Delivery, Finish,
    RequiredInput, RunResult, RunSlot, Verdict, after_create, after_last_try, after_run,
    expires_soon, on_arrival, sign_of,
};
use jiff::Timestamp;
use tracing::{debug, info, warn};

use super::run_to_end::Caller;
use crate::handler::HandlerRun;
use crate::state::Worker;
use crate::tasks::{Ending, create, look_up_age, look_up_departure, look_up_successor};
use crate::transport::PushRequest;

/// Processes a push. Returns the answer when everything that must exist before it exists.
///
/// Calls to Cloud Tasks are boxed: most pushes make none, and their future would carry the space.
pub(super) async fn process(
    worker: &Worker,
    push: &PushRequest,
    cloud: &CloudTasks,
    caller: &Caller,
) -> Answer {
    let policy = &worker.config.policy;
    let delivery = match Delivery::parse(&push.headers, policy, push.arrived_at) {
        Ok(delivery) => delivery,
        Err(rejected) => {
            warn!(reason = %rejected, answer = rejected.answer.as_str(), "push rejected");
            return rejected.answer;
        }
    };
    record_received(worker, &delivery, push.arrived_at);

    let in_flight = worker.concurrency.enter(&delivery.task);
    if in_flight.is_none() {
        worker.metrics.duplicates.inc();
    }
    let mut inputs = ArrivalInputs {
        must_wait: worker.must_wait(),
        ..ArrivalInputs::default()
    };
    let (mut permit, mut handler_run) = (None, None);
    let (mut isolated, mut parked) = (None, None);
    let mut finish = loop {
        match on_arrival(&delivery, policy, &inputs) {
            ArrivalDecision::Needs(RequiredInput::Successor) => {
                let lookup = Box::pin(look_up_successor(worker, &delivery, cloud));
                let found = lookup.await;
                (inputs.successor, parked) = (Some(found.lookup), found.parked);
            }
            ArrivalDecision::Needs(RequiredInput::TaskAge) => {
                let lookup = Box::pin(look_up_age(worker, &delivery, push.arrived_at, cloud));
                inputs.age = Some(lookup.await);
            }
            ArrivalDecision::Needs(RequiredInput::RunSlot) => {
                match worker.acquire(in_flight.as_ref(), &delivery) {
                    Ok(acquired) => {
                        permit = Some(acquired);
                        inputs.run_slot = Some(RunSlot::Acquired);
                    }
                    Err(not) => {
                        inputs.run_slot = Some(not.run_slot);
                        isolated = not.cause;
                    }
                }
            }
            decision @ (ArrivalDecision::Run | ArrivalDecision::LastTry) => {
                let HandlerRun { result, .. } =
                    handler_run.insert(run(worker, push, &delivery).await);
                let follow = if decision == ArrivalDecision::Run {
                    after_run
                } else {
                    after_last_try
                };
                // The slot is free for the next task. The task stays in flight until the answer.
                let sign = sign_of(policy, result);
                let known = AfterRun {
                    holding: permit.take().is_some_and(|permit| permit.end(sign)),
                    caller_gone: caller.is_gone(),
                };
                break follow(&delivery, policy, result, known);
            }
            ArrivalDecision::Finish(finish) => break finish,
        }
    };
    drop(permit);
    let mut departure = None;
    loop {
        match finish {
            Finish::Answer(answer) => {
                if expires_soon(policy, inputs.age, answer) {
                    worker.metrics.expiring.inc();
                }
                return answer;
            }
            Finish::Create(pending) => {
                let departure = if let Some(known) = departure {
                    known
                } else {
                    let lookup = look_up_departure(worker, &delivery, push.arrived_at, cloud);
                    *departure.insert(Box::pin(lookup).await)
                };
                let run = handler_run.as_ref();
                let parked = parked.as_ref();
                let ending = Ending {
                    push,
                    delivery: &delivery,
                    departure,
                    run,
                    parked,
                };
                let create = create(worker, &ending, &pending, cloud);
                let result = Box::pin(create).await;
                if let (CreateResult::Exists, true, Some(cause)) =
                    (result, pending.may_stay, isolated)
                {
                    worker.metrics.isolated(cause);
                }
                finish = after_create(&delivery, policy, pending, result);
            }
        }
    }
}

async fn run(worker: &Worker, push: &PushRequest, delivery: &Delivery) -> HandlerRun {
    let metrics = &worker.metrics;
    metrics.runs_started.inc();
    metrics.runs_under_way.inc();
    let begin = Instant::now();
    let run = worker.handler.run(push, delivery).await;
    metrics.runs_under_way.dec();
    metrics.run_seconds.observe(begin.elapsed().as_secs_f64());
    metrics.attempted(&run.result);
    if matches!(run.result, RunResult::Unreachable) {
        worker.handler_listens.send_replace(false);
    }
    // A success is logged with its answer, and a handler that can't be reached where that is found.
    if let RunResult::Failed(failure) = &run.result {
        info!(
            attempt = delivery.attempts().saturating_add(1),
            status = failure.status,
            reason = failure.reason.as_str(),
            verdict = failure.verdict.map(Verdict::as_str),
            retry_after_seconds = failure.retry_after.map(|it| it.as_secs()),
            "the handler has failed"
        );
    }
    run
}

fn record_received(worker: &Worker, delivery: &Delivery, arrived_at: Timestamp) {
    let lag = delivery.lag(arrived_at);
    worker.metrics.received(delivery.arrival(), lag);
    if delivery.awaits_newer_worker() {
        warn!("this worker can't read the task's ledger: the task waits for a newer worker");
    } else if let Some(error) = &delivery.ledger_error {
        worker.metrics.ledgers_ignored.inc();
        warn!(%error, "ledger ignored: the task counts as new");
    }
    if delivery.unanswered() > 0 {
        worker.metrics.unanswered.inc();
    }
    debug!(
        retry_count = delivery.retry_count,
        execution_count = delivery.execution_count,
        previous_response = delivery.previous_response,
        hop = delivery.ledger.hop,
        "push received"
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use worker_contract::limits;

    use crate::identity::FETCH_TIMEOUT;
    use crate::tasks::RECORD_TIMEOUT;

    #[test]
    fn the_steps_around_a_run_fit_into_their_time() {
        let lookups = cloudtasks::client::CALL_TIMEOUT * 2 + RECORD_TIMEOUT;
        let steps: Duration = FETCH_TIMEOUT + limits::READ_PUSH + lookups + limits::CREATES;
        assert!(steps <= limits::AROUND_A_RUN, "{steps:?}");
    }
}
