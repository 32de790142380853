//! A chain as its ladder: what arrives, its stages from the first to the last, and the notifier.

use maud::{Markup, html};

use super::stage::{self, Detail};
use super::time;
use crate::model::{
    EditState, Known, LiveChain, LiveNotifier, LiveParking, LiveStage, Snapshot, WorkerNumbers,
};
use crate::units;

/// The ladder of a chain.
pub(super) fn ladder(chain: &LiveChain, snapshot: &Snapshot, detail: Detail) -> Markup {
    let trends = &snapshot.trends;
    html! {
        (notes(chain, snapshot))
        ol.ladder {
            @for (index, stage) in chain.stages.iter().enumerate() {
                li.arrow { (arrow(chain, index)) }
                li.rung { (stage::stage(chain, stage, trends, snapshot.at, detail)) }
            }
            @for draining in &chain.draining {
                li.rung.draining {
                    p.note { strong { "Removed, draining" } " " (draining) }
                }
            }
            li.rung.last {
                (notifier(&chain.notifier))
                @if let Some(parking) = &chain.parking { (parked(parking)) }
            }
        }
    }
}

/// What concerns the whole chain.
fn notes(chain: &LiveChain, snapshot: &Snapshot) -> Markup {
    html! {
        @match &chain.edit {
            EditState::InForce => {}
            EditState::Pending => p.note { strong { "Edit" } " The operator is on it." },
            EditState::Waits { reason, message, since } => p.note.warn {
                strong { "Edit waits" } " " (reason)
                @if let Some(since) = since { " " (time::since(*since, snapshot.at)) }
                ": " (message)
            },
        }
        @if let Some(drift) = &chain.drift {
            p.note.warn { strong { "Drift" } " " (drift) }
        }
        @if let Some(unreachable) = &chain.unreachable {
            p.note.warn { strong { "Unreachable" } " " (unreachable) }
        }
    }
}

/// What arrives at a stage: from producers, and from the stages above it.
fn arrow(chain: &LiveChain, index: usize) -> Markup {
    let above = index.checked_sub(1).map(|index| &chain.stages[index]);
    let from_producers = per_second(&chain.stages[index], |stage| stage.arrivals.producer);
    let handed_over = above.map(|above| per_second(above, |stage| stage.handed_on));
    html! {
        span.shaft aria-hidden="true" { "↓" }
        @match handed_over {
            Some(Some(rate)) => span.flow.still[rate <= 0.0] { (units::rate(rate)) " handed over" },
            Some(None) => span.flow { "? handed over" },
            None => {}
        }
        " "
        @match from_producers {
            // Producers of later stages are rare.
            Some(rate) if rate > 0.0 || index == 0 => {
                span.flow.still[rate <= 0.0] { (units::rate(rate)) " from producers" }
            }
            None if index == 0 => span.flow { "? from producers" },
            Some(_) | None => {}
        }
    }
}

fn per_second(stage: &LiveStage, count: impl Fn(&WorkerNumbers) -> u64) -> Option<f64> {
    let numbers = stage.worker_numbers.value()?;
    Some(numbers.per_second(count(numbers)))
}

/// Nothing where nothing is parked.
fn parked(parking: &LiveParking) -> Markup {
    let LiveParking {
        queue,
        queue_numbers,
    } = parking;
    html! {
        @match queue_numbers {
            Known::Known(numbers) if numbers.tasks == 0 => {}
            Known::Known(numbers) => p.notifier {
                strong { "parking" } " "
                code { (queue) } " "
                span { b { (units::count(numbers.tasks)) } " parked" } " "
                @if let Some(age) = numbers.lag {
                    span { "the oldest " b { (units::duration(age)) } " ago" }
                }
            },
            Known::Unknown { unknown } => p.notifier {
                strong { "parking" } " "
                code { (queue) } " "
                span { b { "?" } " parked: " (unknown) }
            },
        }
    }
}

fn notifier(notifier: &LiveNotifier) -> Markup {
    let LiveNotifier {
        queue,
        paused,
        queue_numbers,
    } = notifier;
    html! {
        p.notifier {
            strong { "notifier" } " "
            code { (queue) } " "
            span.state.paused[*paused] { @if *paused { "Paused" } @else { "Running" } }
            " "
            @match queue_numbers {
                Known::Known(numbers) => {
                    span { b { (units::count(numbers.tasks)) } " in the backlog" } " "
                    span { b { (units::duration(numbers.lag.unwrap_or_default())) } " late" } " "
                    span { b { (units::count(numbers.in_flight)) } " in flight" }
                }
                Known::Unknown { unknown } => span { b { "?" } " in the backlog: " (unknown) },
            }
        }
    }
}
