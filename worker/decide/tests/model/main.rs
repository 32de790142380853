//! A model checker over the real rules: Cloud Tasks, workers, handlers and what goes wrong with
//! them, in every order that a setting allows. `docs/model.md` says what it shows.
//!
//! `setting` and `settings` say what is there; `world` is the model, `choices` what may happen
//! next, `steps` what it does, with `cloud` on Cloud Tasks' side, `worker`
//! and `create` on the worker's, and `redrive` on the mover's.
//! `promises` watches. `real` checks the rules, `limits` what they can't promise, `mutations` that
//! the checker would notice a change, and `seed` shows what the first rule of this project loses.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]
#![allow(
    clippy::print_stdout,
    reason = "state counts and counter-examples are told"
)]

mod choices;
mod cloud;
mod create;
mod faults;
mod handler;
mod limits;
mod mutants;
mod mutations;
mod order;
mod promises;
mod real;
mod redrive;
mod rules;
mod search;
mod seed;
mod setting;
mod settings;
mod state;
mod steps;
mod tables;
mod trace;
mod worker;
mod world;
