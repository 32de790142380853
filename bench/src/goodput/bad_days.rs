//! Bad days: tenants whose tasks hang, and outages of the handler. A chain that isolates and holds beside
//! chains that don't, simulated and in reality.

mod days;
mod figures;
mod numbers;

use simulation::{Observed, Results, simulate_observed};

use crate::figure::Figure;
use crate::goodput::bad_days::days::{Day, Kind, OUTAGES, SIZE, TENANTS};
use crate::goodput::bad_days::figures::{Seen, outage, tenants};
use crate::goodput::replay;
use crate::plot::Plot;

/// How long there is trouble in the simulation, with what comes before and after.
const SIMULATED: [u64; 3] = [60, 600, 300];
/// Pods of the first stage there. In reality there is no load balancer, so there is one.
const PODS: u32 = 4;

/// Those that are wanted: the real ones in a part of their size, with so many seconds of trouble.
pub async fn run(
    is_wanted: impl Fn(&str) -> bool,
    size: f64,
    seconds: u64,
    seed: u64,
) -> anyhow::Result<(Vec<Figure>, Vec<Plot>)> {
    let kinds = TENANTS.into_iter().chain(OUTAGES);
    let kinds: Vec<Kind> = kinds.filter(|kind| is_wanted(&kind.scene())).collect();
    let mut figures = Vec::new();
    for kind in kinds.iter().copied() {
        println!("  {}, simulated", kind.name());
        let day = Day::new(kind, 1.0, PODS, SIMULATED);
        figures.extend(told(&day, "simulated", &simulated(&day, seed)));
    }
    for kind in kinds {
        let day = Day::new(kind, size * SIZE, 1, [10, seconds, 20]);
        figures.extend(really(&day, seed).await?);
    }
    let mut plots = Vec::new();
    if is_wanted("bad day, numbers") {
        println!("  bad days, by threshold");
        plots.push(numbers::plot(seed));
    }
    Ok((figures, plots))
}

fn told(day: &Day, how: &str, seen: &[Seen]) -> Vec<Figure> {
    match day.kind {
        Kind::Tenants(count) => tenants(day, count, how, seen),
        Kind::Outage(_) => outage(day, how, seen),
    }
}

fn simulated(day: &Day, seed: u64) -> Vec<Seen> {
    let tasks = day.scenario.tasks(seed);
    let variants = day.variants.iter().map(|variant| {
        let mut observed = Observed::default();
        let results = simulate_observed(
            &day.scenario,
            &tasks,
            &variant.design,
            &variant.edits,
            |now, event| observed.note(now, event),
        );
        Seen {
            results,
            last_isolated: observed.isolated.last().map(|(at, _)| *at),
            failed_attempts: crate::figure::count(observed.failed_attempt.len()),
            isolated_healthy: Some(observed.isolated_healthy(&tasks)),
        }
    });
    variants.collect()
}

/// Plays it in reality, and holds it against its simulation.
async fn really(day: &Day, seed: u64) -> anyhow::Result<Vec<Figure>> {
    let name = day.kind.name();
    let tasks = day.scenario.tasks(seed);
    let played = replay::play(name, &day.scenario, &tasks, &day.variants).await?;
    let both = played.results.into_iter().zip(played.workers);
    let real: Vec<Seen> = both
        .map(|(results, workers)| Seen {
            results,
            last_isolated: workers.last_isolated,
            failed_attempts: workers.failed_attempts,
            isolated_healthy: None,
        })
        .collect();
    let mut figures = told(day, "real", &real);
    figures.push(figures::agreement(day, &real, &simulated(day, seed)));
    let lost = real.iter().map(|it| without_end(&it.results)).sum();
    let of = format!("{} in each design", tasks.len());
    let not_ended = Figure::new(format!("{name}, real: tasks not ended"), lost, "");
    figures.push(not_ended.at_most(0.0).against(of));
    let late = format!("{name}, real: how late tasks were created, p99");
    figures.push(Figure::new(late, played.late, "ms"));
    Ok(figures)
}

fn without_end(results: &Results) -> f64 {
    let open = results.tasks.iter().filter(|(_, end)| end.is_none());
    open.fold(0.0, |count, _| count + 1.0)
}
