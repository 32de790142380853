//! `make edits`: the whole table of edits, or some rows of it.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::fmt;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use edits::row::Row;
use edits::{Crash, HEAD, Options, Outcome, losing, rows, run};
use testkit::{ApiServer, GarbageCollector};

/// Makes each edit of a chain with tasks under way, and counts what becomes of them.
#[derive(Debug, Parser)]
struct Args {
    /// Rows whose names have this in them; may be given more than once. Default: all.
    #[arg(long)]
    row: Vec<String>,
    /// What fates and victims are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Tasks for each direction of a row.
    #[arg(long, default_value_t = 500)]
    tasks: usize,
    /// What goes wrong meanwhile. Default: the operator dies after each step; then nothing; and for the
    /// rows that change where tasks go, the other variants too.
    #[arg(long, value_enum)]
    variant: Option<Variant>,
    /// Says each step.
    #[arg(long)]
    verbose: bool,
    /// Lists the rows, and makes none.
    #[arg(long)]
    list: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Variant {
    /// The operator dies after each step.
    Steps,
    /// Besides, a worker dies at every second step.
    Workers,
    /// Cloud Tasks lists queues wrongly, and fails.
    Lists,
    /// Nothing: the steps must be those that the operator has planned before the edit.
    Nothing,
}

/// Lists of queues that are wrong: an edit takes about ten.
const FAULTY_LISTS: u32 = 16;

impl Variant {
    fn options(self, args: &Args) -> Options {
        Options {
            name: match self {
                Self::Steps => "steps",
                Self::Workers => "workers",
                Self::Lists => "lists",
                Self::Nothing => "nothing",
            },
            crash: match self {
                Self::Steps | Self::Workers => Crash::AfterEachStep,
                Self::Lists | Self::Nothing => Crash::Never,
            },
            faulty_lists: if self == Self::Lists { FAULTY_LISTS } else { 0 },
            kills_workers: self == Self::Workers,
            compares_plans: self == Self::Nothing,
            tasks: args.tasks,
            seed: args.seed,
        }
    }
}

impl Args {
    fn rows(&self) -> Vec<Row> {
        let mut rows = rows();
        rows.retain(|row| {
            self.row.is_empty() || self.row.iter().any(|part| row.name.contains(part))
        });
        rows
    }

    /// The rows to make, each with its variant.
    fn runs(&self) -> Vec<(Row, Variant)> {
        let rows = self.rows();
        let variants = match self.variant {
            Some(variant) => vec![variant],
            None => vec![
                Variant::Steps,
                Variant::Workers,
                Variant::Lists,
                Variant::Nothing,
            ],
        };
        let is_default = self.variant.is_none();
        let runs = variants.into_iter().flat_map(|variant| {
            let of_variant = rows.iter().filter(move |row| match variant {
                Variant::Nothing => true,
                Variant::Steps => !row.needs_memory,
                Variant::Workers | Variant::Lists => {
                    !row.needs_memory && (row.moves_tasks || !is_default)
                }
            });
            of_variant.cloned().map(move |row| (row, variant))
        });
        runs.collect()
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let runs = args.runs();
    anyhow::ensure!(
        !runs.is_empty(),
        "no such row has this variant: {:?}",
        args.row
    );
    if args.list {
        for row in args.rows() {
            println!("{}", row.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    println!("seed {}, tasks {} per case", args.seed, args.tasks);
    println!("{HEAD}");
    let begin = Instant::now();
    let server = ApiServer::shared_with_crd().await;
    let _collector = GarbageCollector::start(server);
    let mut total = Total::default();
    for (row, variant) in &runs {
        let mut tell = |outcome: Outcome| {
            println!("{outcome}");
            if args.verbose {
                for step in &outcome.steps {
                    println!("    {step}");
                }
            }
            total.add(&outcome);
        };
        if let Err(error) = run(server, row, variant.options(&args), &mut tell).await {
            println!("{:<42} FAILED: {error:#}", row.name);
            total.not_ended += 1;
        }
    }
    if args.row.is_empty() && !is_missed(server, &args).await? {
        println!("FAILED: what was lost on purpose was not missed");
        total.not_ended += 1;
    }
    println!("{total}, {:.0} s", begin.elapsed().as_secs_f64());
    Ok(if total.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Whether tasks that are lost on purpose are found to be.
async fn is_missed(server: &ApiServer, args: &Args) -> anyhow::Result<bool> {
    let mut lost = 0;
    let mut tell = |outcome: Outcome| {
        println!("{outcome}, as it must");
        lost += outcome.results.lost.len();
    };
    run(server, &losing(), Variant::Steps.options(args), &mut tell).await?;
    Ok(lost > 0)
}

#[derive(Default)]
struct Total {
    cases: usize,
    lost: usize,
    contradictory: usize,
    not_ended: usize,
}

impl Total {
    fn add(&mut self, outcome: &Outcome) {
        self.cases += 1;
        self.lost += outcome.results.lost.len();
        self.contradictory += outcome.results.contradictory.len();
        self.not_ended += usize::from(outcome.failure.is_some());
    }

    fn is_clean(&self) -> bool {
        self.lost + self.contradictory + self.not_ended == 0
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cases,
            lost,
            contradictory,
            not_ended,
        } = self;
        write!(
            f,
            "{cases} cases: lost {lost}, contradictory {contradictory}, not ended {not_ended}"
        )
    }
}
