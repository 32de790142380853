//! A real Chromium, and chains to show it. As in `testkit`, everything panics instead of returning errors.

mod chromium;
mod commands;
mod samples;
mod scripted;

pub use chromium::{Chromium, Look};
pub use samples::{fault, samples};
pub use scripted::Scripted;
