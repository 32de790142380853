//! The forecast of an edit against what then happens: real workers with an emulator, and the edit made
//! while tasks are in flight.

mod agreement;
mod live;
mod reality;
mod scenes;

use std::time::Duration;

use clap::Args;
use console::Forecast;
use console::text::forecast as text;
use simulation::forecast::forecast;

use crate::figure::Figure;
use crate::forecast::reality::{Reality, play};
use crate::forecast::scenes::{Scene, scenes};

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The part of all rates and numbers that the scenes have, from 0.1 to 1
    #[arg(long, default_value_t = 1.0)]
    size: f64,
    /// How many seconds are forecast; a pause of 60 s takes twice as many
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only scenes whose names have this
    #[arg(long)]
    scene: Option<String>,
}

pub async fn run(options: &Options, mut random: fastrand::Rng) -> anyhow::Result<Vec<Figure>> {
    let Options {
        size,
        seconds,
        ref scene,
    } = *options;
    anyhow::ensure!(
        (0.1..=1.0).contains(&size) && seconds >= 20,
        "--size is from 0.1 to 1, and --seconds are at least 20"
    );
    let all = scenes(size, Duration::from_secs(seconds));
    let wanted = |it: &Scene| scene.as_ref().is_none_or(|part| it.name.contains(part));
    let mut figures = Vec::new();
    for scene in all.into_iter().filter(wanted) {
        println!("  {}", scene.name);
        let (foreseen, real) = played(&scene, random.u64(..)).await?;
        println!("{}\n{real:#?}", text(&foreseen));
        figures.push(agreement::figure(scene.name, &foreseen.after, &real));
    }
    Ok(figures)
}

/// What is foreseen when the edit is made, and what then happens.
async fn played(scene: &Scene, seed: u64) -> anyhow::Result<(Forecast, Reality)> {
    let mut foreseen = None;
    let real = play(scene, seed, |now| {
        for stage in &now.stages {
            let (queue, workers) = (stage.queue_numbers.value(), stage.worker_numbers.value());
            println!("    {}: {queue:?}, {workers:?}", stage.name);
        }
        let found = forecast(now, &scene.before(), &scene.after(), scene.horizon)?;
        foreseen = Some(found);
        Ok(())
    })
    .await?;
    let foreseen = foreseen.ok_or_else(|| anyhow::anyhow!("{} has no forecast", scene.name))?;
    Ok((foreseen, real))
}
