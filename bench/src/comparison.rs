//! The operator beside its peer: what the same chains cost each of them.

mod drift;
mod figures;
mod measure;
mod options;
mod readiness;
mod verify;

use crate::comparison::figures::Size;
use crate::comparison::measure::measure;
use crate::figure::Figure;
use crate::operator::Implementation;
use crate::testbed::program;

pub use options::Options;

/// From so many chains on a size takes minutes, and is measured once.
const LONG: usize = 1000;

pub async fn run(options: &Options, mut random: fastrand::Rng) -> anyhow::Result<Vec<Figure>> {
    let mut sizes = options.sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let has_peer = program(Implementation::Peer.program()).is_ok();
    if !has_peer {
        println!("  there is no peer: it takes Go to build it");
    }
    let mut found = Vec::new();
    for chains in sizes {
        let rounds = if chains < LONG { options.rounds } else { 1 };
        let (mut ours, mut peers) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            // The same edits and the same drift for both, which take turns.
            let seed = random.u64(..);
            let random = || fastrand::Rng::with_seed(seed);
            ours.push(measure(Implementation::Ours, chains, options, random()).await?);
            if has_peer {
                peers.push(measure(Implementation::Peer, chains, options, random()).await?);
            }
        }
        found.push(Size {
            chains,
            ours,
            peers,
        });
    }
    Ok(figures::figures(&found))
}
