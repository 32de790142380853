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

use std::fmt;

use anyhow::Context;
use clap::Args;
use incident::{Course, Scene, Task, simulate};

use crate::figure::Figure;
use crate::goodput::designs::{FAILS, HANGS, HANGS_LONG, Kind, LOAD, Trouble, scene};
use crate::goodput::edit::Kept;
use crate::goodput::figures::All;
use crate::goodput::said::Said;
use crate::record::Measured;

/// For the page.
pub const ABOUT: &str = "\
What becomes of the healthy tasks while others fail. The first queue may do 500 dispatches a second and 1,000 at once, and tasks come at
half its rate, as independent producers send them. Then a third of them fails for a while, either at once, or by hanging until the time-out
of 2 s; the others take 20 ms and succeed. Goodput is the healthy tasks that are done a second. Three designs get the same tasks at the same
times:

- the *single queue*, with seven attempts;
- the *ladder*: a chain of two stages, three attempts on the first, four on the second, which has 100 a second and 200 at once;
- the *oracle*, the same chain, whose producer knows which tasks will fail, and puts those into the last stage's queue at once. Nobody can
  know that: it is the most that a chain could do.

*Simulated* is an incident of five minutes, with one minute before it and four after ([the simulation](../bench/incident/src/lib.rs)). *Real*
is a shorter one: an emulator, a handler, and a worker for each stage, as processes, for all three designs beside each other. There a task
is done when its notification has arrived. The same short scene is simulated too, and the two have to agree, within [limits that were chosen
before the first real run](../bench/src/goodput/agree.rs).

The simulation leaves out the way from create to push, and from the handler's answer to the notification, some milliseconds here, and the
work of the processors. It takes an edit to be in force at once, where a cluster needs the time to start a pod. Neither it nor the emulator
slows a queue that gets many answers of 429 and 503, as Cloud Tasks does, and both keep a strict order, as Cloud Tasks doesn't. `--size` is
the part of all rates, loads and numbers at once that the real scenes have, for a machine that can't do the whole. The smaller they are, the
longer the ladder's tasks wait for each other, in the simulation as well: the goals are for the whole.

A queue gives way where it is asked for more than it may do. With λ tasks a second, of which the part f fails, N attempts and a time-out of
T, that is λ(1 + f(N−1)) dispatches a second against its rate, and λ f N T dispatches at once against its concurrency, besides what runs
take that succeed. Where each design gives way in the simulation was found by halving, as the load at which most of the healthy tasks take
longer than a second after nine minutes of incident. With a time-out of 10 s the ladder gives way as well, at the load of the
scene; then an edit of its first stage, two minutes into the incident, brings it back: recovered is from when on each healthy task that
comes is done within a second.
";

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

impl Default for Options {
    fn default() -> Self {
        Self {
            size: 1.0,
            seconds: 45,
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, seconds } = self;
        write!(f, "--size {size} --seconds {seconds}")
    }
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
