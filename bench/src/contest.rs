//! The operator beside its peer: what the same chains cost each of them.

mod check;
mod contestant;
mod drift;
mod figures;
mod readiness;

use std::fmt;

use crate::chains;
use crate::contest::contestant::{Measured, measure};
use crate::edits::count;
use crate::figure::Figure;
use crate::operator::Whose;
use crate::place::program;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How many chains: a list with commas
    #[arg(long, value_parser = chains::number, value_delimiter = ',', default_values_t = Options::default().sizes)]
    sizes: Vec<usize>,
    /// How many edits of each size, one after another
    #[arg(long, value_parser = count(), default_value_t = Options::default().edits)]
    edits: usize,
    /// How many queues of each size somebody else changes
    #[arg(long, value_parser = count(), default_value_t = Options::default().drifts)]
    drifts: usize,
    /// For how long nobody touches them
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=600), default_value_t = Options::default().quiet)]
    quiet: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sizes: vec![1, 10, 100, 1000],
            edits: 100,
            drifts: 10,
            quiet: 15,
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sizes,
            edits,
            drifts,
            quiet,
        } = self;
        let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        let sizes = sizes.join(",");
        write!(
            f,
            "--sizes {sizes} --edits {edits} --drifts {drifts} --quiet {quiet}"
        )
    }
}

/// One size.
struct Size {
    chains: usize,
    ours: Measured,
    /// None where there is no Go to build it.
    peers: Option<Measured>,
}

pub async fn run(options: &Options, mut random: fastrand::Rng) -> anyhow::Result<Vec<Figure>> {
    let mut sizes = options.sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let has_peer = program(Whose::Peers.program()).is_ok();
    let mut found = Vec::new();
    for chains in sizes {
        // The same edits and the same drift for both.
        let seed = random.u64(..);
        let random = || fastrand::Rng::with_seed(seed);
        let ours = measure(Whose::Ours, chains, options, random()).await?;
        let peers = if has_peer {
            Some(measure(Whose::Peers, chains, options, random()).await?)
        } else {
            println!("  there is no peer: it takes Go to build it");
            None
        };
        found.push(Size {
            chains,
            ours,
            peers,
        });
    }
    Ok(figures::figures(&found))
}
