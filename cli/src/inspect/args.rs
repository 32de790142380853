//! The command line of `top`, `why` and `ui`, which `kubectl chain` shares.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Subcommand, ValueEnum};
use console::{USUAL_ROWS, parked_limit};
use crds::Duration;
use parking::GroupKey;

/// Commands that show chains and change nothing.
#[derive(Debug, Subcommand)]
pub enum InspectCommand {
    /// Show what each stage does now. Chains with findings come first.
    Top(TopOptions),
    /// Name what is wrong with a chain, first cause first, and what to do.
    ///
    /// Exit code: 2 with findings. Without findings: 0 if all numbers are known, 3 if some are unknown,
    /// 4 if a right is missing.
    Why(WhyOptions),
    /// Show the parked tasks of a chain: how many of each kind, the most recent ones, and how to run
    /// them again.
    Parked(ParkedOptions),
    /// Open the page of a chain, or of all chains.
    Ui(UiOptions),
    /// Print a shell's completion script.
    #[cfg(feature = "cluster")]
    #[command(hide = true)]
    Completion {
        /// The shell: bash, elvish, fish, powershell or zsh.
        shell: String,
    },
}

/// Where chains are.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Place {
    /// Namespace. Default: the namespace of the kubeconfig's context.
    #[arg(short, long, value_parser = name)]
    pub namespace: Option<String>,
    /// Context of the kubeconfig. Default: its current one.
    #[arg(long)]
    pub context: Option<String>,
    /// Kubeconfig file. Default: `$KUBECONFIG`, or ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Namespace of the operator. Default: executor-chain.
    #[arg(long, value_name = "NAMESPACE", value_parser = name, env = "EXECUTOR_CHAIN_OPERATOR_NAMESPACE")]
    pub operator_namespace: Option<String>,
    /// Ask a running `executor-chain dev` instead of a cluster. The value is its --admin address.
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["context", "kubeconfig"])]
    pub dev: Option<String>,
}

/// Options of `top`.
#[derive(Debug, Clone, clap::Args)]
pub struct TopOptions {
    /// Where chains are.
    #[command(flatten)]
    pub place: Place,
    /// Show the chains of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Show the chains once. By default, a terminal shows them again every 2 s.
    #[arg(long)]
    pub once: bool,
    /// Print JSON, or all columns regardless of the terminal's width.
    #[arg(short, long, value_enum)]
    pub output: Option<TopOutput>,
}

/// Formats of `top`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TopOutput {
    /// The JSON of the operator's API.
    Json,
    /// All columns.
    Wide,
}

/// Options of `why`.
#[derive(Debug, Clone, clap::Args)]
pub struct WhyOptions {
    /// The chain. Default: all chains of the namespace.
    #[arg(value_name = "CHAIN", value_parser = name)]
    pub name: Option<String>,
    /// Where it is.
    #[command(flatten)]
    pub place: Place,
    /// Look at the chains of all namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "name"])]
    pub all_namespaces: bool,
    /// Print JSON.
    #[arg(short, long, value_enum)]
    pub output: Option<WhyOutput>,
}

/// Formats of `why`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WhyOutput {
    /// The JSON of the operator's API.
    Json,
}

/// Options of `parked`.
#[derive(Debug, Clone, clap::Args)]
pub struct ParkedOptions {
    /// The chain.
    #[arg(value_name = "CHAIN", value_parser = name)]
    pub name: String,
    /// Where it is.
    #[command(flatten)]
    pub place: Place,
    /// How to group the tasks, such as reason,stage.
    #[arg(long, value_name = "KEY,…", value_delimiter = ',', default_value = "reason", value_parser = group_key())]
    pub by: Vec<GroupKey>,
    /// Only tasks with this reason, cause, stage, status, task, or redrive, such as reason=no-stock or
    /// status=4xx. Can be repeated.
    #[arg(long = "where", value_name = "NAME=VALUE")]
    pub filters: Vec<String>,
    /// Only tasks that were parked at most this long ago, such as 2h.
    #[arg(long, value_name = "DURATION")]
    pub since: Option<Duration>,
    /// How many tasks to show, most recently parked first.
    #[arg(long, value_name = "ROWS", default_value_t = USUAL_ROWS, value_parser = parked_limit)]
    pub limit: usize,
    /// Print JSON.
    #[arg(short, long, value_enum)]
    pub output: Option<WhyOutput>,
}

/// Options of `ui`.
#[derive(Debug, Clone, clap::Args)]
pub struct UiOptions {
    /// The chain. Default: all chains.
    #[arg(value_name = "CHAIN", value_parser = name)]
    pub name: Option<String>,
    /// Where it is.
    #[command(flatten)]
    pub place: Place,
    /// Local port. Default: a free one.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// Print the address, and open no browser.
    #[arg(long)]
    pub no_open: bool,
}

/// With the keys as completions.
fn group_key() -> impl TypedValueParser<Value = GroupKey> {
    let keys = GroupKey::ALL.map(GroupKey::as_str);
    PossibleValuesParser::new(keys).try_map(|key| key.parse::<GroupKey>())
}

/// A name of Kubernetes: it becomes a part of addresses.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let is_name = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "-.".contains(it);
    if !text.is_empty() && text.len() <= 253 && text.chars().all(is_name) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{text:?} is not a name: write lower-case letters, digits, - and ."
        ))
    }
}
