//! `executor-chain dev`: a chain on this machine. Real workers, the real plan, an emulator of Cloud
//! Tasks.

mod announcer;
mod chain;
mod handler;
pub mod manifest;
mod outcomes;
mod receiver;
mod run;
mod view;
mod workers;

pub use run::run;
