//! `executor-chain dev`: a chain on this machine. Real workers, the real plan, an emulator of Cloud
//! Tasks.

mod account;
mod announcer;
mod chain;
mod handler;
pub mod manifest;
mod receiver;
mod run;
mod view;
mod workers;

pub use run::run;
