//! What a stage's workers have done in the last minutes and in the last hour, from the pages of metrics
//! that they serve.
//!
//! A stage that has had no traffic takes 60 bytes, and each of its pods 140. With traffic, the stage takes
//! 4 KB more until an hour after it, and each of its pods 500 bytes more until it restarts.

mod page;
mod quantile;
mod ring;
mod series;
mod stage;
mod traffic;
mod usual;

pub use page::WorkerPage;
pub use stage::{BASELINE_SLOT, Health, StageHistory};
