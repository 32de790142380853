//! `executor-chain dev`: a chain on this machine. Real workers, the real plan, an emulator of Cloud
//! Tasks.

mod admin;
mod announcer;
mod chain;
mod collector;
mod handler;
pub mod manifest;
mod outcomes;
mod overrides;
mod producer;
mod receiver;
mod redrives;
mod requests;
mod run;
mod view;
mod workers;

pub use run::run;
