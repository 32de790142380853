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

pub async fn run(options: &Options, mut random: fastrand::Rng) -> anyhow::Result<Vec<Figure>> {
    let mut sizes = options.sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let has_peer = program(Implementation::Peer.program()).is_ok();
    let mut found = Vec::new();
    for chains in sizes {
        // The same edits and the same drift for both.
        let seed = random.u64(..);
        let random = || fastrand::Rng::with_seed(seed);
        let ours = measure(Implementation::Ours, chains, options, random()).await?;
        let peers = if has_peer {
            Some(measure(Implementation::Peer, chains, options, random()).await?)
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
