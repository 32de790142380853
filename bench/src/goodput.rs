//! Goodput: how much of the healthy work is done while other tasks fail, simulated and in reality.

mod agree;
mod chain;
mod designs;
mod edit;
mod figures;
pub mod handler;
mod holds;
mod pictures;
mod real;
mod said;

use anyhow::Context;
use clap::Args;
use incident::{Course, Scene, Task, simulate};

use crate::figure::Figure;
use crate::goodput::designs::{FAILS, HANGS, HANGS_LONG, Kind, LOAD, Trouble, scene};
use crate::goodput::edit::Kept;
use crate::goodput::figures::All;
use crate::goodput::said::Said;
use crate::record::Measured;

/// What it is told.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The part of all rates and numbers that the real scenes have, from 0.01 to 1
    #[arg(long, default_value_t = 1.0)]
    size: f64,
    /// How many seconds the real incidents last
    #[arg(long, default_value_t = 45)]
    seconds: u64,
}

/// Measures.
pub async fn run(options: &Options, mut random: fastrand::Rng) -> anyhow::Result<Measured> {
    let Options { size, seconds } = *options;
    anyhow::ensure!(
        (0.01..=1.0).contains(&size) && seconds > 0,
        "--size is from 0.01 to 1, and --seconds is more than none"
    );
    let seed = random.u64(..);
    let mut figures = Vec::new();
    for trouble in [FAILS, HANGS] {
        println!("  {}, simulated", trouble.name);
        let scene = scene(trouble.harm, LOAD, [60, 300, 240]);
        let said = simulated(trouble, 1.0, &scene, &scene.tasks(seed));
        figures.extend(figures::compared(trouble, "simulated", &said));
    }
    for trouble in [FAILS, HANGS] {
        let scene = scene(trouble.harm, LOAD * size, [10, seconds, 30]);
        figures.extend(really(trouble, size, &scene, &scene.tasks(seed)).await?);
    }
    let (more, plots) = by_arithmetic(seed);
    figures.extend(more);
    Ok(Measured { figures, plots })
}

fn simulated(trouble: Trouble, size: f64, scene: &Scene, tasks: &[Task]) -> All {
    Kind::ALL.map(|kind| {
        let design = kind.design(trouble.timeout, size);
        Said::of(&simulate(scene, tasks, &design, &[]), scene)
    })
}

/// Plays a scene in reality, and holds it against its simulation.
async fn really(
    trouble: Trouble,
    size: f64,
    scene: &Scene,
    tasks: &[Task],
) -> anyhow::Result<Vec<Figure>> {
    let played = real::play(trouble, size, scene, tasks).await?;
    let said: Vec<Said> = played
        .courses
        .iter()
        .map(|course| Said::of(course, scene))
        .collect();
    let said: All = said.try_into().ok().context("one of each design")?;
    let mut figures = figures::compared(trouble, "real", &said);
    let simulated = simulated(trouble, size, scene, tasks);
    figures.push(figures::agreement(trouble, &said, &simulated));
    let lost = played.courses.iter().map(without_end).sum();
    let name = format!("{}, real: tasks without an end", trouble.name);
    let of = format!("{} in each design", tasks.len());
    figures.push(Figure::new(name, lost, "").at_most(0.0).against(of));
    let name = format!("{}, real: how late tasks were created, p99", trouble.name);
    figures.push(Figure::new(name, played.late, "ms"));
    Ok(figures)
}

fn without_end(course: &Course) -> f64 {
    let open = course.tasks.iter().filter(|(_, end)| end.is_none());
    open.fold(0.0, |count, _| count + 1.0)
}

/// What the arithmetic predicts, and what an edit does where it predicts too much.
fn by_arithmetic(seed: u64) -> (Vec<Figure>, Vec<crate::plot::Plot>) {
    let (mut points, mut plots) = (Vec::new(), Vec::new());
    for trouble in [FAILS, HANGS, HANGS_LONG] {
        println!("  {}, by load", trouble.name);
        let those = Kind::ALL.map(|kind| (kind, holds::gives_way(kind, trouble, seed)));
        points.extend(those.map(|(kind, point)| (trouble, kind, point)));
        // With 2 s it is the rate that runs out too: a picture as the first.
        if trouble != HANGS {
            plots.push(pictures::by_load(trouble, &those, seed));
        }
    }
    println!("  {}, edited", HANGS_LONG.name);
    let edited = Kept::ALL.map(|kept| kept.edited(seed));
    plots.push(pictures::by_time(HANGS_LONG, &edited));
    let mut figures = figures::giving_way(&points);
    figures.extend(figures::edited(HANGS_LONG, &edited, edit::oracle(seed)));
    (figures, plots)
}
