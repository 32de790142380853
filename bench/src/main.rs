//! The benchmarks: the operator as it ships, a real API server, an emulator of Cloud Tasks.
//!
//! `make bench` runs all of them, `bench NAME` one. Each writes `docs/benchmarks/NAME.json`, from
//! which `docs/benchmarks.md` is made.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

mod benchmark;
mod chains;
mod comparison;
mod deployment_controller;
mod drift;
mod edits;
mod figure;
mod forecast;
mod goodput;
mod hand_over;
mod idle;
mod load;
mod machine;
mod metric;
mod operator;
mod plot;
mod quantile;
mod record;
mod report;
mod rounds;
mod scale;
mod slope;
mod testbed;
mod usage;
mod versions;
mod viewers;
mod watch_times;
mod worker;

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::benchmark::{Benchmark, Job};

#[derive(Debug, Parser)]
#[command(name = "bench", about = "Measures the operator as it ships")]
struct Args {
    #[command(subcommand)]
    what: What,

    /// Where what is random is drawn from. Default: another one each time.
    #[arg(long, global = true)]
    seed: Option<u64>,

    /// The folder of the results; a page of the same name is made of them beside it.
    #[arg(long, global = true, default_value = "docs/benchmarks")]
    folder: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(flatten)]
    One(Benchmark),
    /// All benchmarks, one after the other
    All,
    /// Makes the page from the results that are there
    Report,
    /// Is the handler of a benchmark
    #[command(hide = true)]
    Serve(worker::handler::Options),
    /// Is who pushes in a benchmark
    #[command(hide = true)]
    Push(worker::push::Options),
    /// Is who creates in a benchmark
    #[command(hide = true)]
    Create(worker::create::Options),
    /// Is the handler of an incident
    #[command(hide = true)]
    Handle(goodput::handler::Options),
}

fn main() -> anyhow::Result<()> {
    // A process that links two TLS providers must choose one before the first use.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let matches = Args::command().get_matches();
    let args = Args::from_arg_matches(&matches)?;
    let seed = args.seed.unwrap_or_else(new_seed);
    let jobs = match args.what {
        What::One(benchmark) => vec![Job::new(benchmark, &matches)?],
        What::All => Job::all()?,
        What::Report => Vec::new(),
        What::Serve(options) => return on_one_thread()?.block_on(worker::handler::serve(&options)),
        What::Handle(options) => {
            return on_one_thread()?.block_on(goodput::handler::serve(&options));
        }
        What::Push(options) => {
            let pushed = on_one_thread()?.block_on(worker::push::push(&options))?;
            println!("{}", serde_json::to_string(&pushed)?);
            return Ok(());
        }
        What::Create(options) => {
            let created = on_one_thread()?.block_on(worker::create::create(&options))?;
            println!("{}", serde_json::to_string(&created)?);
            return Ok(());
        }
    };
    for job in &jobs {
        // A runtime of its own for each: with it ends all that the benchmark has started.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let record = runtime.block_on(job.run(seed))?;
        record.write(&args.folder)?;
        println!("\n{}, seed {seed}, {} s", record.name, record.seconds);
        println!("{}", figure::table(&record.figures));
        if let Some(open) = figure::without_verdict(&record.figures) {
            println!("\n{open}.");
        }
    }
    report::write(&args.folder)
}

/// For what takes part in a benchmark, on a core that it shares.
fn on_one_thread() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().build()?)
}

fn new_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(1, |now| now.as_secs())
}
