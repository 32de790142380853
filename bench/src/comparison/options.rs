//! The options of this benchmark.

use crate::chains;
use crate::edits::number;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How many chains: a list with commas
    #[arg(long, value_parser = chains::number, value_delimiter = ',', default_value = "1,10,100,1000")]
    pub sizes: Vec<usize>,
    /// How often each is measured, where it is less than 1,000 chains: those are measured once
    #[arg(long, value_parser = number(), default_value_t = 3)]
    pub rounds: usize,
    /// How many edits of each size, one after another
    #[arg(long, value_parser = number(), default_value_t = 100)]
    pub edits: usize,
    /// How many queues of each size are changed outside the operator
    #[arg(long, value_parser = number(), default_value_t = 10)]
    pub drifts: usize,
    /// For how long nobody touches them
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=600), default_value_t = 15)]
    pub quiet: u64,
}
