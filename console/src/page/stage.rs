//! A stage: what it is, its numbers, and what is special about it.

use jiff::Timestamp;
use maud::{Markup, html};

use super::bar::Bar;
use super::{sparkline, time};
use crate::model::{
    Answers, Isolated, LiveChain, LiveStage, Runs, StageState, Trends, WorkerNumbers,
};
use crate::units;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// One line a stage, among other chains.
    Line,
    /// All that is known.
    All,
}

/// One stage.
pub(super) fn stage(
    chain: &LiveChain,
    stage: &LiveStage,
    trends: &Trends,
    now: Timestamp,
    detail: Detail,
) -> Markup {
    let points = trends.of(chain, stage);
    let urgency = chain.urgency_of(&stage.name);
    let class = match urgency {
        Some(urgency) => urgency.as_str(),
        None if stage.is_unseen() => "unseen",
        None => "fine",
    };
    html! {
        div.stage.(class) {
            div.name {
                // Headings follow one another: among other chains, a chain has a heading of its own.
                @match detail {
                    Detail::Line => h4 { (stage.name) },
                    Detail::All => h3 { (stage.name) },
                }
                p.queue { (stage.queue) }
                p.state.(state_class(&stage.state)) { (state(&stage.state)) }
            }
            dl.numbers {
                (rate(stage))
                (in_flight(stage))
                (number("backlog", &backlog(stage)))
                (late(stage))
                (failing(stage))
                (number("p50 / p95", &run_time(stage)))
                (pods(stage))
            }
            @if !points.is_empty() {
                div.trends { (sparkline::all(points, trends.resolution())) }
            }
            (notes(stage, now))
            @if detail == Detail::All {
                @for it in &stage.overrides {
                    p.note {
                        (it.settings) " until " (format!("{:.0}", it.until)) " by override " (it.name) "."
                        @if let Some(it) = &it.comparison { " " (it.to_string()) "." }
                    }
                }
                @if let Some(numbers) = stage.worker_numbers.value() { (tables(numbers)) }
            }
        }
    }
}

/// A number and what it is.
pub(super) fn number(name: &str, value: &str) -> Markup {
    html! { div.number { dt { (name) } dd { (value) } } }
}

fn state(state: &StageState) -> &'static str {
    match state {
        StageState::Running => "Running",
        StageState::Paused { .. } => "Paused",
        StageState::Disabled => "Disabled",
        StageState::Missing => "Missing",
        StageState::Unknown => "Not reported",
    }
}

fn state_class(state: &StageState) -> &'static str {
    match state {
        StageState::Running => "running",
        StageState::Paused { .. } => "paused",
        StageState::Disabled | StageState::Missing => "broken",
        StageState::Unknown => "unknown",
    }
}

/// Dispatches a second, of those that the queue may make.
fn rate(stage: &LiveStage) -> Markup {
    let rate = stage.dispatches_per_second();
    let limit = stage.settings.max_dispatches_per_second;
    let runs = stage.worker_numbers.value().map(|numbers| &numbers.runs);
    let allowed = stage.throttled_to();
    let bar = rate.zip(limit).map(|(rate, limit)| Bar {
        used: rate / limit,
        failing: runs.and_then(Runs::failing).unwrap_or_default(),
        allowed: allowed.map(|allowed| allowed / limit),
    });
    let rate = rate.map_or_else(|| "?".to_owned(), units::rate);
    html! {
        div.number.wide {
            dt { "rate" }
            dd {
                (rate)
                @if let Some(limit) = limit { span.of { " of " (units::rate(limit)) } }
                @if let Some(bar) = bar { (bar.picture()) }
            }
        }
    }
}

/// Dispatches in flight, of those that the queue may have.
#[expect(
    clippy::cast_precision_loss,
    reason = "a queue has at most 5,000 in flight"
)]
fn in_flight(stage: &LiveStage) -> Markup {
    let of_queue = stage.queue_numbers.value().map(|numbers| numbers.in_flight);
    let of_workers = stage
        .worker_numbers
        .value()
        .map(|numbers| numbers.runs_in_progress);
    let in_flight = of_queue.or(of_workers);
    let limit = stage.settings.max_concurrent_dispatches;
    let bar = in_flight.zip(limit).map(|(in_flight, limit)| Bar {
        used: in_flight as f64 / f64::from(limit),
        failing: 0.0,
        allowed: None,
    });
    html! {
        div.number.wide {
            dt { "in flight" }
            dd {
                (in_flight.map_or_else(|| "?".to_owned(), units::count))
                @if let Some(limit) = limit { span.of { " of " (units::count(limit.into())) } }
                @if let Some(bar) = bar { (bar.picture()) }
            }
        }
    }
}

fn backlog(stage: &LiveStage) -> String {
    let numbers = stage.queue_numbers.value();
    numbers.map_or_else(|| "?".to_owned(), |numbers| units::count(numbers.tasks))
}

fn late(stage: &LiveStage) -> Markup {
    let late = stage.late();
    let class = late.is_some_and(|late| late.as_secs() >= 60);
    html! {
        div.number.bad[class] {
            dt { "late" }
            dd { (late.map_or_else(|| "?".to_owned(), units::duration)) }
        }
    }
}

fn failing(stage: &LiveStage) -> Markup {
    let numbers = stage.worker_numbers.value();
    let share = numbers.and_then(|numbers| numbers.runs.failing());
    let text = match (numbers, share) {
        (None, _) => "?".to_owned(),
        // No run has ended.
        (Some(_), None) => "–".to_owned(),
        (Some(_), Some(share)) => units::share(share),
    };
    html! {
        div.number.bad[share.is_some_and(|share| share >= 0.5)] { dt { "failing" } dd { (text) } }
    }
}

fn run_time(stage: &LiveStage) -> String {
    match stage.worker_numbers.value().map(|numbers| &numbers.runs) {
        None => "?".to_owned(),
        Some(Runs {
            p50: Some(p50),
            p95: Some(p95),
            ..
        }) => {
            format!("{} / {}", units::duration(*p50), units::duration(*p95))
        }
        Some(_) => "–".to_owned(),
    }
}

fn pods(stage: &LiveStage) -> Markup {
    let pods = stage.pods;
    html! {
        div.number.bad[pods.ready == 0 && pods.desired > 0] {
            dt { "pods ready" }
            dd { (pods.ready) " of " (pods.desired) }
        }
    }
}

/// Why it is paused, what throttles it, and which numbers are unknown.
fn notes(stage: &LiveStage, now: Timestamp) -> Markup {
    html! {
        @if let StageState::Paused { by, message, since } = &stage.state {
            p.note.warn {
                strong { "Paused by " (paused_by(*by)) }
                @if let Some(since) = since { " " (time::since(*since, now)) }
                @if let Some(message) = message { ": " (message) }
            }
        }
        @if let Some(numbers) = stage.worker_numbers.value() { (health(stage, numbers)) }
        @if let Some(allowed) = stage.throttled_to() {
            p.note.warn {
                strong { "Throttled" } " Cloud Tasks allows " (units::rate(allowed)) " at present."
            }
        }
        @match (stage.queue_numbers.unknown(), stage.worker_numbers.unknown()) {
            (Some(queue), Some(workers)) if queue == workers => {
                p.note.unknown { "Queue and workers unknown: " (queue) "." }
            }
            (queue, workers) => {
                @if let Some(queue) = queue { p.note.unknown { "Queue unknown: " (queue) "." } }
                @if let Some(workers) = workers {
                    p.note.unknown { "Workers unknown: " (workers) "." }
                }
            }
        }
    }
}

/// What its workers do by themselves.
fn health(stage: &LiveStage, numbers: &WorkerNumbers) -> Markup {
    let holding = numbers.pods_holding;
    html! {
        @if holding > 0 {
            p.note.warn {
                strong { "Held" } " "
                (holding) " of " (stage.pods.ready.max(holding)) " pods hold: tasks wait, and lose no attempt."
            }
        }
        @if let Some(many) = units::rough(numbers.isolated_categories) {
            p.note { strong { "Isolating" } " " (many) " categories of tasks." }
        }
    }
}

fn paused_by(by: crds::PausedBy) -> &'static str {
    match by {
        crds::PausedBy::Spec => "the spec",
        crds::PausedBy::Override => "an override",
        crds::PausedBy::Operator => "the operator",
        crds::PausedBy::Outside => "another client",
    }
}

/// What the workers have counted.
fn tables(numbers: &WorkerNumbers) -> Markup {
    let window = units::duration(numbers.window);
    html! {
        div.tables {
            @if !numbers.runs.failures.is_empty() {
                table {
                    caption { "Failed runs in " (window) }
                    tr { th scope="col" { "reason" } th scope="col" { "status" } th scope="col" { "runs" } }
                    @for failure in numbers.runs.failures.iter().take(8) {
                        tr {
                            td { (failure.reason) }
                            td { (failure.status.map_or_else(|| "–".to_owned(), |status| status.to_string())) }
                            td { (units::count(failure.count)) }
                        }
                    }
                }
            }
            table {
                caption { "Answers to Cloud Tasks in " (window) }
                tr { th scope="col" { "answer" } th scope="col" { "meaning" } th scope="col" { "pushes" } }
                @for (code, meaning, count) in answers(&numbers.answers) {
                    @if count > 0 || code == 200 {
                        tr { td { (code) } td { (meaning) } td { (units::count(count)) } }
                    }
                }
                @for (reason, count) in &numbers.refused {
                    tr { td { "refused" } td { (reason) } td { (units::count(*count)) } }
                }
            }
            @let Isolated { share, failures } = numbers.isolated;
            @if share + failures + numbers.put_off + numbers.parked + numbers.not_parked > 0 {
                table {
                    caption { "Tasks that left or wait in " (window) }
                    tr { th scope="row" { "isolated: failures" } td { (units::count(failures)) } }
                    tr { th scope="row" { "isolated: run slots" } td { (units::count(share)) } }
                    tr { th scope="row" { "put off by the handler" } td { (units::count(numbers.put_off)) } }
                    @if numbers.parked + numbers.not_parked > 0 {
                        tr { th scope="row" { "parked" } td { (units::count(numbers.parked)) } }
                        tr { th scope="row" { "ended without being parked" } td { (units::count(numbers.not_parked)) } }
                    }
                }
            }
            @if numbers.creates_failed + numbers.look_ups_failed > 0 {
                table {
                    caption { "Failed calls to Cloud Tasks in " (window) }
                    tr { th scope="row" { "creations" } td { (units::count(numbers.creates_failed)) } }
                    tr { th scope="row" { "lookups" } td { (units::count(numbers.look_ups_failed)) } }
                }
            }
            @if let Some(before) = &numbers.before {
                table {
                    caption { "The " (units::duration(before.window)) " before" }
                    tr { th scope="row" { "from producers" } td { (units::rate(before.producer_per_second)) } }
                    tr { th scope="row" { "usual runs" } td { (units::count(before.runs)) } }
                    @if let Some(p95) = before.p95 {
                        tr { th scope="row" { "their p95" } td { (units::duration(p95)) } }
                    }
                }
            }
        }
    }
}

/// The codes are those of the worker's answers (docs/architecture.md).
fn answers(answers: &Answers) -> [(u16, &'static str, u64); 8] {
    let Answers {
        done,
        failed,
        not_handed_on,
        not_notified,
        unknown,
        no_room,
        held,
        too_large,
    } = *answers;
    [
        (200, "done", done),
        (477, "the attempt failed", failed),
        (596, "not handed over yet", not_handed_on),
        (597, "not notified yet", not_notified),
        (500, "state unknown, or token refused", unknown),
        (503, "no free run slot", no_room),
        (503, "held", held),
        (413, "body too large", too_large),
    ]
}
