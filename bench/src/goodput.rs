//! Goodput: how much of the healthy work is done while other tasks fail, simulated and in reality.

pub mod agreement;
mod bad_days;
mod designs;
mod figures;
pub mod handler;
mod mitigation;
mod plots;
pub mod processes;
pub mod replay;
mod saturation;
mod summary;

use anyhow::Context;
use clap::Args;
use simulation::{Results, Scenario, Task, simulate};

use crate::figure::Figure;
use crate::goodput::designs::{DesignKind, FAILS, FailureMode, HANGS, HANGS_LONG, LOAD, scenario};
use crate::goodput::figures::ByDesign;
use crate::goodput::mitigation::Mitigation;
use crate::goodput::summary::Summary;
use crate::record::Measured;

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The part of all rates and numbers that the real scenarios have, from 0.01 to 1
    #[arg(long, default_value_t = 1.0)]
    size: f64,
    /// How many seconds the real incidents last
    #[arg(long, default_value_t = 45)]
    seconds: u64,
    /// Only scenes whose names have this: `bad day` for those of isolation and holding
    #[arg(long)]
    scene: Option<String>,
}

impl Options {
    fn has(&self, scene: &str) -> bool {
        let wanted = self.scene.as_ref();
        wanted.is_none_or(|part| scene.contains(part.as_str()))
    }
}

pub async fn run(options: &Options, mut random: fastrand::Rng) -> anyhow::Result<Measured> {
    let Options { size, seconds, .. } = *options;
    anyhow::ensure!(
        (0.01..=1.0).contains(&size) && seconds > 0,
        "--size is from 0.01 to 1, and --seconds is more than none"
    );
    let seed = random.u64(..);
    let mut figures = Vec::new();
    let modes = [FAILS, HANGS].into_iter();
    let modes: Vec<FailureMode> = modes.filter(|mode| options.has(mode.name)).collect();
    for mode in modes.iter().copied() {
        println!("  {}, simulated", mode.name);
        let scenario = scenario(mode.fault, LOAD, [60, 300, 240]);
        let summary = simulated(mode, 1.0, &scenario, &scenario.tasks(seed));
        figures.extend(figures::compared(mode, "simulated", &summary));
    }
    for mode in modes {
        let scenario = scenario(mode.fault, LOAD * size, [10, seconds, 30]);
        figures.extend(really(mode, size, &scenario, &scenario.tasks(seed)).await?);
    }
    let mut plots = Vec::new();
    if options.has("arithmetic") {
        let (more, drawn) = by_arithmetic(seed);
        figures.extend(more);
        plots.extend(drawn);
    }
    let (more, drawn) = bad_days::run(|scene| options.has(scene), size, seconds, seed).await?;
    figures.extend(more);
    plots.extend(drawn);
    Ok(Measured { figures, plots })
}

fn simulated(mode: FailureMode, size: f64, scenario: &Scenario, tasks: &[Task]) -> ByDesign {
    DesignKind::ALL.map(|kind| {
        let design = kind.design(mode.timeout, size);
        Summary::of(&simulate(scenario, tasks, &design, &[]), scenario)
    })
}

/// Plays a scenario in reality, and holds it against its simulation.
async fn really(
    mode: FailureMode,
    size: f64,
    scenario: &Scenario,
    tasks: &[Task],
) -> anyhow::Result<Vec<Figure>> {
    let variants = DesignKind::ALL.map(|kind| kind.variant(mode.timeout, size));
    let played = replay::play(mode.name, scenario, tasks, &variants).await?;
    let summary: Vec<Summary> = played
        .results
        .iter()
        .map(|results| Summary::of(results, scenario))
        .collect();
    let summary: ByDesign = summary.try_into().ok().context("one of each design")?;
    let mut figures = figures::compared(mode, "real", &summary);
    let simulated = simulated(mode, size, scenario, tasks);
    figures.push(figures::agreement(mode, &summary, &simulated));
    let lost = played.results.iter().map(without_end).sum();
    let name = format!("{}, real: tasks not ended", mode.name);
    let of = format!("{} in each design", tasks.len());
    figures.push(Figure::new(name, lost, "").at_most(0.0).against(of));
    let name = format!("{}, real: how late tasks were created, p99", mode.name);
    figures.push(Figure::new(name, played.late, "ms"));
    Ok(figures)
}

fn without_end(results: &Results) -> f64 {
    let open = results.tasks.iter().filter(|(_, end)| end.is_none());
    open.fold(0.0, |count, _| count + 1.0)
}

/// What the arithmetic predicts, and what an edit does where it predicts too much.
fn by_arithmetic(seed: u64) -> (Vec<Figure>, Vec<crate::plot::Plot>) {
    let (mut points, mut plots) = (Vec::new(), Vec::new());
    for mode in [FAILS, HANGS, HANGS_LONG] {
        println!("  {}, by load", mode.name);
        let those =
            DesignKind::ALL.map(|kind| (kind, saturation::saturation_point(kind, mode, seed)));
        points.extend(those.map(|(kind, point)| (mode, kind, point)));
        // With 2 s it is the rate that runs out too: a picture as the first.
        if mode != HANGS {
            plots.push(plots::by_load(mode, &those, seed));
        }
    }
    println!("  {}, edited", HANGS_LONG.name);
    let edited = Mitigation::ALL.map(|mitigation| mitigation.edited(seed));
    plots.push(plots::by_time(HANGS_LONG, &edited));
    let mut figures = figures::saturation(&points);
    figures.extend(figures::edited(
        HANGS_LONG,
        &edited,
        mitigation::oracle(seed),
    ));
    (figures, plots)
}
