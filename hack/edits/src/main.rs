//! `make edits`: the whole table of edits, or some rows of it.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use edits::{Death, HEAD, How, Outcome, rows, run, server};

/// Makes each edit of a chain with tasks under way, and counts what becomes of them.
#[derive(Debug, Parser)]
struct Args {
    /// The row of this name, or all whose names have this in them. Default: all.
    #[arg(long)]
    row: Vec<String>,
    /// What fates and victims are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Tasks for each direction of a row.
    #[arg(long, default_value_t = 500)]
    tasks: usize,
    /// What goes wrong meanwhile. Default: the operator dies after each step.
    #[arg(long, value_enum, default_value_t = Variant::Steps)]
    variant: Variant,
    /// Says each step.
    #[arg(long)]
    verbose: bool,
    /// Lists the rows, and makes none.
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Variant {
    /// The operator dies after each step.
    Steps,
    /// Besides, a worker dies at every second step.
    Workers,
    /// Nothing.
    Nothing,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let wanted = |name: &str| {
        args.row.is_empty()
            || args.row.iter().any(|row| row == name)
            || args.row.iter().any(|row| name.contains(row))
    };
    let mut rows = rows();
    rows.retain(|row| wanted(row.name));
    anyhow::ensure!(!rows.is_empty(), "no row is called {:?}", args.row);
    if args.list {
        for row in rows {
            println!("{}", row.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let how = How {
        death: match args.variant {
            Variant::Steps | Variant::Workers => Death::AfterAStep,
            Variant::Nothing => Death::Never,
        },
        workers_die: matches!(args.variant, Variant::Workers),
        tasks: args.tasks,
        seed: args.seed,
    };
    println!("seed {}, tasks {} a way", how.seed, how.tasks);
    println!("{HEAD}");
    let begin = Instant::now();
    let (mut ways, mut lost, mut contradictory, mut unended) = (0, 0, 0, 0);
    let mut tell = |outcome: Outcome| {
        println!("{outcome}");
        if args.verbose {
            for step in &outcome.steps {
                println!("    {step}");
            }
        }
        ways += 1;
        lost += outcome.sum.lost.len();
        contradictory += outcome.sum.contradictory.len();
        unended += usize::from(outcome.failure.is_some());
    };
    let server = server().await;
    let mut broken = 0;
    for row in &rows {
        if let Err(error) = run(server, row, how, &mut tell).await {
            println!("{:<45} FAILED: {error:#}", row.name);
            broken += 1;
        }
    }
    println!(
        "{ways} ways of {} rows: lost {lost}, contradictory {contradictory}, not ended {}, {:.0} s",
        rows.len(),
        unended + broken,
        begin.elapsed().as_secs_f64()
    );
    Ok(if lost + contradictory + unended + broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
