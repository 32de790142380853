//! The page in a real Chromium: `make browser`, which installs one.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

mod dev;
mod live;
mod looks;
mod pictures;
mod without_scripts;

use std::sync::Arc;
use std::time::Duration;

use browser::{Scripted, samples};

/// For what should take an interval of the source, on a busy machine.
const SOON: Duration = Duration::from_secs(15);

/// A source with the samples, and its address.
async fn serve(count: usize) -> (Arc<Scripted>, String) {
    let (chains, trends) = samples(count);
    let source = Scripted::new(chains, trends);
    let address = source.serve("127.0.0.1:0").await.unwrap();
    (source, format!("http://{address}/"))
}
