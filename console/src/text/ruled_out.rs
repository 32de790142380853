//! What the numbers of a stage show not to be the cause.

use crate::model::{Cause, LiveChain, LiveStage, StageState};
use crate::units;

/// Short sentences. Only what is known, and isn't found.
pub(super) fn ruled_out(chain: &LiveChain, stage: &LiveStage) -> Vec<String> {
    let of_stage = |it: &&crate::Finding| it.stage.as_ref().is_none_or(|name| *name == stage.name);
    let found: Vec<Cause> = chain
        .findings
        .iter()
        .filter(of_stage)
        .map(|it| it.cause)
        .collect();
    let is_found = |causes: &[Cause]| causes.iter().any(|cause| found.contains(cause));
    let facts = [
        (
            pods(stage),
            &[Cause::NoReadyPod, Cause::PausedByOperator][..],
        ),
        (
            running(stage),
            &[
                Cause::QueueMissing,
                Cause::QueueDisabled,
                Cause::PausedOutside,
            ],
        ),
        (
            pushes(stage),
            &[Cause::PushesNotArriving, Cause::PushesRefused],
        ),
        (
            failing(stage),
            &[
                Cause::Held,
                Cause::HandlerFails,
                Cause::HandlerTimesOut,
                Cause::HandlerUnreachable,
                Cause::OneFailure,
            ],
        ),
        (
            duration(stage),
            &[Cause::HandlerSlow, Cause::HandlerTimesOut],
        ),
        (slots(stage), &[Cause::NoRunSlots]),
        (throttle(stage), &[Cause::Throttled]),
        (producers(stage), &[Cause::ProducerSurge]),
    ];
    let facts = facts.into_iter().filter(|(_, causes)| !is_found(causes));
    facts.filter_map(|(fact, _)| fact).collect()
}

fn pods(stage: &LiveStage) -> Option<String> {
    let pods = stage.pods;
    let all = pods.ready > 0 && pods.ready >= pods.desired;
    all.then(|| format!("{} of {} pods ready", pods.ready, pods.desired))
}

fn running(stage: &LiveStage) -> Option<String> {
    (stage.state == StageState::Running).then(|| "the queue isn't paused".to_owned())
}

fn pushes(stage: &LiveStage) -> Option<String> {
    let answers = stage.worker_numbers.value()?.answers.all();
    (answers > 0).then(|| "pushes reach the workers".to_owned())
}

fn failing(stage: &LiveStage) -> Option<String> {
    let failing = stage.worker_numbers.value()?.runs.failing()?;
    (failing < 0.1).then(|| format!("{} of the runs fail", units::share(failing)))
}

fn duration(stage: &LiveStage) -> Option<String> {
    let workers = stage.worker_numbers.value()?;
    let usual = workers.before?.p95?;
    let p95 = workers.runs.p95.filter(|p95| *p95 <= usual * 2)?;
    Some(format!(
        "95% of the runs take up to {}, as in the hour before",
        units::duration(p95)
    ))
}

fn slots(stage: &LiveStage) -> Option<String> {
    let workers = stage.worker_numbers.value()?;
    let is_free = workers.answers.no_room == 0 && workers.runs_in_progress < workers.run_slots;
    is_free.then(|| {
        let taken = units::count(workers.runs_in_progress);
        format!(
            "{taken} of {} run slots taken",
            units::count(workers.run_slots)
        )
    })
}

fn throttle(stage: &LiveStage) -> Option<String> {
    let allowed = stage.queue_numbers.value()?.effective_rate;
    let limit = stage.settings.max_dispatches_per_second?;
    (allowed >= 0.9 * limit).then(|| {
        let rate = units::rate(allowed);
        format!("Cloud Tasks doesn't throttle (effective rate {rate})")
    })
}

fn producers(stage: &LiveStage) -> Option<String> {
    let workers = stage.worker_numbers.value()?;
    let usual = workers.before?.producer_per_second;
    let now = workers.per_second(workers.arrivals.producer);
    (usual > 0.0 && now < 1.5 * usual)
        .then(|| "producers don't create many more tasks than in the hour before".to_owned())
}
