//! The chaos run: a chain of real workers and a real emulator, with everything going wrong that can, and
//! a tracker outside of both that knows what became of each task.
//!
//! `make chaos` runs it twice: on the worker, and on one that is broken on purpose and must be
//! caught. `CHAOS_TASKS`, `CHAOS_SEED`, and `CHAOS_TRACE`, a file for the pushes of the first run.
//! The handlers are this program too, started by itself.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

mod balancer;
mod behavior;
mod chain;
mod client;
mod evidence;
mod forward;
mod handler;
mod handler_processes;
mod killer;
mod outages;
mod producer;
mod report;
mod run;
mod seed;
mod trace;
mod tracker;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::SystemTime;

use anyhow::Context;

use crate::report::Report;
use crate::run::Plan;
use crate::seed::Seed;

/// The broken worker is caught by its thousandth task, if at all.
const ENOUGH: usize = 2000;

fn main() -> anyhow::Result<ExitCode> {
    // A process that links two TLS providers must choose one before the first use.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut arguments = std::env::args_os().skip(1);
    let broken = arguments
        .next()
        .context("give the path of the broken worker; make chaos does")?;
    if broken == handler_processes::ARGUMENT {
        let rest = arguments.filter_map(|argument| argument.into_string().ok());
        return handler::main(rest).map(|()| ExitCode::SUCCESS);
    }
    let beside = std::env::current_exe()?;
    let beside = beside.parent().context("a program is in a folder")?;
    let mut plan = Plan {
        seed: Seed(variable("CHAOS_SEED")?.unwrap_or_else(new_seed)),
        tasks: variable("CHAOS_TASKS")?.unwrap_or(6000),
        worker: beside.join("executor-worker"),
        trace: variable("CHAOS_TRACE")?,
    };
    println!("seed {}", plan.seed.0);

    let honest = go("the worker", &plan)?;
    plan.worker = PathBuf::from(broken);
    plan.tasks = plan.tasks.min(ENOUGH);
    plan.trace = None;
    let caught = go(
        "a worker that answers a hand-over before the next task exists",
        &plan,
    )?;

    let mut code = ExitCode::SUCCESS;
    if !honest.is_clean() {
        println!("FAILED: not every task has one end, and is parked if it failed");
        code = ExitCode::FAILURE;
    }
    if honest.ended() > 0 {
        println!(
            "FAILED: {} workers ended by themselves: they can't run so, or another program has their ports",
            honest.ended()
        );
        code = ExitCode::FAILURE;
    }
    if caught.results.lost.is_empty() {
        println!("FAILED: the broken worker was not caught");
        code = ExitCode::FAILURE;
    }
    Ok(code)
}

/// A runtime of its own for each run: with it ends all that the run has started.
fn go(who: &str, plan: &Plan) -> anyhow::Result<Report> {
    let worker = plan.worker.display();
    anyhow::ensure!(plan.worker.is_file(), "{worker} is missing: run make chaos");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(run::run(plan))?;
    let found = &report.results;
    let (lost, contradictory) = (found.lost.len(), found.contradictory.len());
    println!("{who}: lost {lost}, contradictory {contradictory}");
    println!("{report}");
    for line in found.wrong(chain::task_id) {
        println!("{line}");
    }
    Ok(report)
}

fn variable<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    name: &str,
) -> anyhow::Result<Option<T>> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .map(|value| {
            value
                .parse()
                .with_context(|| format!("{name} is {value:?}"))
        })
        .transpose()
}

fn new_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(1, |now| u64::from(now.subsec_nanos()) ^ now.as_secs())
}
