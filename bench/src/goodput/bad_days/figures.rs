//! The figures of bad days.

use simulation::{Outcome, Results, Scenario};

use crate::figure::{self, Figure, count};
use crate::goodput::agreement::{GONE, GONE_S, WITHIN, differences, seconds};
use crate::goodput::bad_days::days::{Day, Kind};
use crate::goodput::summary::Summary;

/// What was seen of a variant.
#[derive(Debug)]
pub struct Seen {
    pub results: Results,
    /// Since the begin.
    pub last_isolated: Option<std::time::Duration>,
    /// In the simulation, tasks that lost one; in reality, attempts after which the stage has another.
    pub failed_attempts: f64,
    /// None where nobody counts them.
    pub isolated_healthy: Option<usize>,
}

/// As a part of all, how many ended as Failed that reality and simulation may differ by.
const FAILED: f64 = 0.05;
/// Attempts that an outage may cost each pod.
const FEW: f64 = 32.0;

/// Of days on which tenants hang.
pub fn tenants(day: &Day, tenants: u32, how: &str, seen: &[Seen]) -> Vec<Figure> {
    let settled = day.settled();
    let all: Vec<Summary> = seen
        .iter()
        .map(|it| Summary::of(&it.results, &settled))
        .collect();
    let [Some(isolating), Some(oracle)] = [all.first(), all.last()] else {
        return Vec::new();
    };
    let name = |what: &str| format!("{}, {how}: {what}", day.kind.name());
    let goal = if tenants == 1 { 0.97 } else { 0.95 };
    let goodput = Figure::new(
        name("goodput, isolating divided by oracle"),
        isolating.goodput[0] / oracle.goodput[0],
        "",
    );
    let p99 = Figure::new(
        name("p99, isolating divided by oracle"),
        isolating.p99[0] / oracle.p99[0],
        "",
    );
    let until = day.scenario.incident.until;
    let last = seen.first().and_then(|it| it.last_isolated);
    let back = last.map(|at| at.saturating_sub(until).as_secs_f64());
    let back_name = name("from its end until the last task was isolated");
    let mut figures = vec![
        goodput
            .at_least(goal)
            .against(beside(day, &all, |it| it.goodput[0], "/s")),
        p99.at_most(2.0)
            .against(beside(day, &all, |it| it.p99[0], "ms")),
        Figure::or_missing(back_name, back, "s").at_most(30.0),
    ];
    if let Some(Some(healthy)) = seen.first().map(|it| it.isolated_healthy) {
        let figure = Figure::new(name("healthy tasks isolated"), count(healthy), "");
        figures.push(figure.at_most(0.0));
    }
    figures
}

/// Of outages.
pub fn outage(day: &Day, how: &str, seen: &[Seen]) -> Vec<Figure> {
    let all: Vec<Ended> = seen
        .iter()
        .map(|it| Ended::of(&it.results, &day.scenario))
        .collect();
    let ([Some(holding), Some(oracle)], Some(first)) = ([all.first(), all.last()], seen.first())
    else {
        return Vec::new();
    };
    let name = |what: &str| format!("{}, {how}: {what}", day.kind.name());
    let failed = Figure::new(
        name("tasks that end as Failed, holding"),
        holding.failed,
        "%",
    );
    let attempts = Figure::new(
        name("attempts lost, holding, in each pod"),
        first.failed_attempts / f64::from(day.pods),
        "",
    );
    let drained = Figure::or_missing(
        name("until its backlog is gone, holding"),
        holding.drained,
        "s",
    );
    let told = day.variants.iter().zip(&all).skip(1);
    let told = told.map(|(variant, it)| format!("{}: {}", variant.name, seconds(it.drained)));
    let most = oracle
        .drained
        .map_or(f64::NAN, |it| it * (1.0 + GONE) + GONE_S);
    vec![
        failed
            .at_most(0.0)
            .against(beside(day, &all, |it| it.failed, "%")),
        attempts.at_most(FEW),
        drained
            .judged(
                "as the oracle, within 10 % and 3.2 s".to_owned(),
                holding.drained.is_some_and(|it| it <= most),
            )
            .against(told.collect::<Vec<_>>().join("; ")),
    ]
}

/// The other variants' values.
fn beside<T>(day: &Day, all: &[T], value: impl Fn(&T) -> f64, unit: &str) -> String {
    let told = day.variants.iter().zip(all);
    let told = told.map(|(variant, it)| figure::labeled(variant.name, value(it), unit));
    told.collect::<Vec<_>>().join("; ")
}

/// How the tasks of an outage ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    /// Percent of those that came in it.
    failed: f64,
    /// Seconds from its end until all have ended that came before.
    drained: Option<f64>,
}

impl Ended {
    fn of(results: &Results, scenario: &Scenario) -> Self {
        let came = results.tasks.iter();
        let came = came.filter(|(task, _)| scenario.incident.has(task.arrives));
        let failed = came
            .clone()
            .filter(|(_, end)| end.is_some_and(|end| end.how == Outcome::Failed));
        let until = scenario.incident.until;
        let ended = results.ended(until);
        Self {
            failed: count(failed.count()) / count(came.count()) * 100.0,
            drained: ended.map(|at| at.saturating_sub(until).as_secs_f64()),
        }
    }

    fn differences(self, simulated: Self) -> Vec<String> {
        let mut found = Vec::new();
        let (a, b) = (self.failed, simulated.failed);
        if (a - b).abs() > FAILED * 100.0 {
            found.push(format!("failed {a:.1} %, simulated {b:.1} %"));
        }
        match (self.drained, simulated.drained) {
            (Some(a), Some(b)) if (a - b).abs() <= GONE * b + GONE_S => {}
            (a, b) => found.push(format!(
                "end of the backlog: {}, simulated: {}",
                seconds(a),
                seconds(b)
            )),
        }
        found
    }
}

/// Whether the real results are the simulated ones.
pub fn agreement(day: &Day, real: &[Seen], simulated: &[Seen]) -> Figure {
    let settled = day.settled();
    let compared = |real: &Seen, simulated: &Seen| match day.kind {
        Kind::Tenants(_) => {
            let [real, simulated] = [real, simulated].map(|it| Summary::of(&it.results, &settled));
            differences(&real, &simulated)
        }
        Kind::Outage(_) => {
            let [real, simulated] =
                [real, simulated].map(|it| Ended::of(&it.results, &day.scenario));
            real.differences(simulated)
        }
    };
    let mut found = Vec::new();
    for (variant, (real, simulated)) in day.variants.iter().zip(real.iter().zip(simulated)) {
        let those = compared(real, simulated).into_iter();
        found.extend(those.map(|it| format!("{}: {it}", variant.name)));
    }
    let number = count(found.len());
    let limits = match day.kind {
        Kind::Tenants(_) => WITHIN,
        Kind::Outage(_) => "failed within 5 % of all; end of the backlog within 10 % and 3.2 s",
    };
    let told = [vec![limits.to_owned()], found].concat().join(". ");
    let name = format!("{}: real and simulated differ", day.kind.name());
    Figure::new(name, number, "times")
        .at_most(0.0)
        .against(told)
}
