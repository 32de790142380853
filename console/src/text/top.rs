//! The table.

use std::fmt::Write as _;

use super::table;
use super::unknown::unknown;
use crate::model::{
    Cause, Known, LiveChain, LiveNotifier, LiveParking, LiveStage, QueueNumbers, StageState,
    WorkerNumbers,
};
use crate::units;

/// What is unknown.
const UNKNOWN: &str = "?";
/// What there is none of.
const NONE: &str = "-";

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Chain,
    Stage,
    State,
    Rate,
    InFlight,
    Backlog,
    Late,
    Failing,
    Durations,
    HandedOver,
    Pods,
    Oldest,
    Allowed,
    Slots,
    Queue,
}

use Column::{
    Allowed, Backlog, Chain, Durations, Failing, HandedOver, InFlight, Late, Oldest, Pods, Queue,
    Rate, Slots, Stage, State,
};

const USUAL: [Column; 12] = [
    Chain, Stage, State, Rate, InFlight, Backlog, Late, Failing, Durations, HandedOver, Pods,
    Oldest,
];
const MORE: [Column; 3] = [Allowed, Slots, Queue];
/// What a narrow terminal goes without, the first first.
const LEFT_OUT: [Column; 10] = [
    Queue, Slots, Allowed, Oldest, HandedOver, Durations, InFlight, Pods, Late, Rate,
];

/// A line for each stage, the worst chain first, in at most `width` columns. `wide` has more columns, also
/// the notifiers' queues. Numbers that are unknown are `?`, and lines below say why.
pub fn top(chains: &[LiveChain], width: usize, wide: bool) -> String {
    let mut chains: Vec<&LiveChain> = chains.iter().collect();
    chains.sort_by(|a, b| LiveChain::worst_first(a, b));
    let rows: Vec<Row<'_>> = chains.iter().flat_map(|chain| rows(chain, wide)).collect();
    let mut text = table(&rows, width, wide);
    let unknown = unknown(chains.iter().copied());
    if !unknown.is_empty() {
        text.push('\n');
    }
    for line in unknown {
        let _ = writeln!(text, "{UNKNOWN} {line}");
    }
    text
}

/// What a line shows.
#[derive(Clone, Copy)]
enum Row<'a> {
    /// What was found of the chain as a whole.
    Chain(&'a LiveChain, &'static str),
    Stage(&'a LiveChain, &'a LiveStage),
    Notifier(&'a LiveChain, &'a LiveNotifier),
    Parking(&'a LiveChain, &'a LiveParking),
}

fn rows(chain: &LiveChain, wide: bool) -> Vec<Row<'_>> {
    let mut findings = chain.findings.iter();
    let of_chain = findings.find(|it| it.stage.is_none() && !is_of_a_queue(it.cause));
    let of_chain = of_chain.map(|it| word(it.cause));
    // A chain whose spec can't be read has no stages.
    let of_chain = of_chain.or(chain.stages.is_empty().then_some(UNKNOWN));
    let of_chain = of_chain.map(|word| Row::Chain(chain, word));
    let stages = chain.stages.iter().map(|stage| Row::Stage(chain, stage));
    let has_notifier = wide || chain.notifier.paused || has_backlog(chain);
    let notifier = has_notifier.then_some(Row::Notifier(chain, &chain.notifier));
    // Where nothing is parked, nobody needs the line.
    let is_shown = |it: &&LiveParking| match it.queue_numbers.value() {
        Some(numbers) => numbers.tasks > 0,
        None => wide,
    };
    let parking = chain.parking.as_ref().filter(is_shown);
    let parking = parking.map(|parking| Row::Parking(chain, parking));
    let rows = of_chain.into_iter().chain(stages).chain(notifier);
    rows.chain(parking).collect()
}

/// Whether it is the notifier's or the parking queue's where there is no stage: these have lines of their own.
fn is_of_a_queue(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::NotifierBacklog | Cause::PausedOutside | Cause::Parked | Cause::ParkedExpire
    )
}

fn has_backlog(chain: &LiveChain) -> bool {
    let mut findings = chain.findings.iter();
    findings.any(|it| it.cause == Cause::NotifierBacklog)
}

fn table(rows: &[Row<'_>], width: usize, wide: bool) -> String {
    let more: &[Column] = if wide { &MORE } else { &[] };
    let columns: Vec<Column> = USUAL.iter().chain(more).copied().collect();
    let cell = |row: &Row<'_>, column| row.cell(column);
    table::table(&columns, &LEFT_OUT, rows, cell, width)
}

impl table::Column for Column {
    fn head(self) -> String {
        let head = match self {
            Chain => "CHAIN",
            Stage => "STAGE",
            State => "STATE",
            Rate => "RATE",
            InFlight => "IN FLIGHT",
            Backlog => "BACKLOG",
            Late => "LATE",
            Failing => "FAILING",
            Durations => "P50/P95",
            HandedOver => "HANDED OVER",
            Pods => "PODS",
            Oldest => "OLDEST",
            Allowed => "ALLOWED",
            Slots => "SLOTS",
            Queue => "QUEUE",
        };
        head.to_owned()
    }
}

impl Row<'_> {
    fn cell(self, column: Column) -> String {
        match self {
            Self::Chain(chain, word) => match column {
                Chain => name(chain),
                Stage => "(chain)".to_owned(),
                State => word.to_owned(),
                _ => NONE.to_owned(),
            },
            Self::Stage(chain, stage) => of_stage(chain, stage, column),
            Self::Notifier(chain, notifier) => of_notifier(chain, notifier, column),
            Self::Parking(chain, parking) => of_parking(chain, parking, column),
        }
    }
}

fn of_stage(chain: &LiveChain, stage: &LiveStage, column: Column) -> String {
    let settings = &stage.settings;
    let queue = stage.queue_numbers.value();
    match column {
        Chain => name(chain),
        Stage => stage.name.clone(),
        State => state(chain, stage),
        Rate => {
            let limit = settings.max_dispatches_per_second.map(units::number);
            of(rate(stage).map(units::number), limit)
        }
        InFlight => {
            let of_workers = stage.worker_numbers.value().map(|it| it.runs_in_progress);
            let in_flight = queue.map(|it| it.in_flight).or(of_workers);
            let limit = settings.max_concurrent_dispatches;
            of(
                in_flight.map(units::count),
                limit.map(|it| units::count(it.into())),
            )
        }
        Late => of_workers(stage, |it| it.lag_p95.map(units::duration)),
        Failing => of_workers(stage, |it| it.runs.failing().map(units::share)),
        Durations => of_workers(stage, |it| {
            let (p50, p95) = (it.runs.p50?, it.runs.p95?);
            Some(format!("{}/{}", units::duration(p50), units::duration(p95)))
        }),
        HandedOver => of_workers(stage, |it| match it.handed_on {
            0 => None,
            handed_on => Some(units::rate(it.per_second(handed_on))),
        }),
        Pods if stage.state == StageState::Unknown => UNKNOWN.to_owned(),
        Pods => format!("{}/{}", stage.pods.ready, stage.pods.desired),
        Slots => of_workers(stage, |it| {
            let taken = units::count(it.runs_in_progress);
            Some(format!("{taken}/{}", units::count(it.run_slots)))
        }),
        Queue => stage.queue.clone(),
        Backlog | Oldest | Allowed => of_queue(&stage.queue_numbers, column),
    }
}

fn of_notifier(chain: &LiveChain, notifier: &LiveNotifier, column: Column) -> String {
    let numbers = &notifier.queue_numbers;
    match column {
        Chain => name(chain),
        Stage => "(notifier)".to_owned(),
        State if notifier.paused => "Paused".to_owned(),
        State if has_backlog(chain) => word(Cause::NotifierBacklog).to_owned(),
        State => "Running".to_owned(),
        Queue => notifier.queue.clone(),
        Rate => numbers.value().map_or(UNKNOWN.to_owned(), |it| {
            units::number(executed_per_second(it))
        }),
        InFlight => {
            let in_flight = numbers.value().map(|it| units::count(it.in_flight));
            in_flight.unwrap_or_else(|| UNKNOWN.to_owned())
        }
        Backlog | Oldest | Allowed => of_queue(numbers, column),
        Late | Failing | Durations | HandedOver | Pods | Slots => NONE.to_owned(),
    }
}

fn of_parking(chain: &LiveChain, parking: &LiveParking, column: Column) -> String {
    match column {
        Chain => name(chain),
        Stage => "(parking)".to_owned(),
        State => {
            let mut findings = chain.findings.iter();
            let expires = findings.any(|it| it.cause == Cause::ParkedExpire);
            let cause = if expires {
                Cause::ParkedExpire
            } else {
                Cause::Parked
            };
            word(cause).to_owned()
        }
        Queue => parking.queue.clone(),
        Backlog | Oldest => of_queue(&parking.queue_numbers, column),
        Rate | InFlight | Late | Failing | Durations | HandedOver | Pods | Allowed | Slots => {
            NONE.to_owned()
        }
    }
}

/// The columns that a queue's numbers alone fill.
fn of_queue(numbers: &Known<QueueNumbers>, column: Column) -> String {
    let Some(numbers) = numbers.value() else {
        return UNKNOWN.to_owned();
    };
    let text = match column {
        Backlog => Some(units::count(numbers.tasks)),
        Allowed => Some(units::rate(numbers.effective_rate)),
        _ => numbers.lag.map(units::duration),
    };
    text.unwrap_or_else(|| NONE.to_owned())
}

fn of_workers(stage: &LiveStage, cell: impl Fn(&WorkerNumbers) -> Option<String>) -> String {
    let Some(numbers) = stage.worker_numbers.value() else {
        return UNKNOWN.to_owned();
    };
    cell(numbers).unwrap_or_else(|| NONE.to_owned())
}

fn name(chain: &LiveChain) -> String {
    format!("{}/{}", chain.namespace, chain.name)
}

/// A number and its limit.
fn of(number: Option<String>, limit: Option<String>) -> String {
    let number = number.unwrap_or_else(|| UNKNOWN.to_owned());
    let limit = limit.unwrap_or_else(|| UNKNOWN.to_owned());
    format!("{number}/{limit}")
}

fn rate(stage: &LiveStage) -> Option<f64> {
    let of_workers = stage.worker_numbers.value();
    let of_workers = of_workers.map(WorkerNumbers::dispatches_per_second);
    of_workers.or_else(|| Some(executed_per_second(stage.queue_numbers.value()?)))
}

#[expect(clippy::cast_precision_loss, reason = "dispatches of a minute")]
fn executed_per_second(numbers: &QueueNumbers) -> f64 {
    numbers.executed_last_minute as f64 / 60.0
}

/// In a word or two: what was found first of the stage, or the state of its queue.
fn state(chain: &LiveChain, stage: &LiveStage) -> String {
    let mut findings = chain.findings.iter();
    let found = findings.find(|it| it.stage.as_ref() == Some(&stage.name));
    if let Some(found) = found {
        let isolated = stage
            .worker_numbers
            .value()
            .map(|it| it.isolated_categories);
        let isolated = isolated.filter(|_| found.cause == Cause::Isolating);
        let word = word(found.cause);
        let many = isolated.and_then(units::rough);
        return many.map_or_else(|| word.to_owned(), |many| format!("{word} {many}"));
    }
    let word = match stage.state {
        StageState::Running => "Running",
        StageState::Paused { .. } => "Paused",
        StageState::Disabled => "Disabled",
        StageState::Missing => "Missing",
        StageState::Unknown => UNKNOWN,
    };
    word.to_owned()
}

fn word(cause: Cause) -> &'static str {
    match cause {
        Cause::EditWaits => "Edit waits",
        Cause::QueueMissing => "Missing",
        Cause::QueueDisabled => "Disabled",
        Cause::PausedBySpec
        | Cause::PausedByOverride
        | Cause::PausedByOperator
        | Cause::PausedOutside => "Paused",
        Cause::NoReadyPod => "No pods",
        Cause::PushesNotArriving => "No pushes",
        Cause::PushesRefused => "Refuses",
        Cause::Held => "Held",
        Cause::HandlerUnreachable => "No handler",
        Cause::LookUpFails | Cause::HandOverFails | Cause::NotificationFails => "Stuck",
        Cause::HandlerTimesOut => "Times out",
        Cause::HandlerFails => "Fails",
        Cause::OneFailure => "Failing",
        Cause::HandlerSlow => "Slow",
        Cause::Isolating => "Isolating",
        Cause::Throttled => "Throttled",
        Cause::NoRunSlots => "No slots",
        Cause::AtRate | Cause::AtConcurrency => "At limit",
        Cause::RetriesUseRate => "Retries",
        Cause::ProducerSurge => "Surge",
        Cause::NextStageFills => "Filling",
        Cause::NotifierBacklog => "Backlog",
        Cause::TasksExpire | Cause::ParkedExpire => "Expiring",
        Cause::NotParked => "Not parked",
        Cause::Parked => "Parked",
        Cause::Drifted => "Drifted",
    }
}
