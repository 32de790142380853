//! Overrides on chains that `GitOps` tools own: an applier like Argo CD's applies one chain, an applier like
//! Flux's another, each second, while overrides come and go. Both revert what `kubectl edit` and
//! `kubectl annotate` change, and neither reverts an override.

mod appliers;
mod manifest;
mod run;
mod testbed;
mod times;
mod watch;

pub use appliers::Tool;
pub use run::{Report, Run, run};
pub use times::Times;
