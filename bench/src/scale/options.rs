//! The options of this benchmark.

use clap::builder::RangedU64ValueParser;

use crate::chains;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How many chains
    #[arg(long, value_parser = chains::number, default_value_t = 200)]
    pub chains: usize,
    /// In how many locations: a list with commas
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..=20), value_delimiter = ',', default_value = "1,20")]
    pub locations: Vec<usize>,
    /// For how long nobody touches them: long enough for two lists of each location
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(12..=600), default_value_t = 45)]
    pub quiet: u64,
    /// How many edits one after another
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000), default_value_t = 40)]
    pub edits: usize,
    /// How often a queue is changed by hand
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..=100), default_value_t = 3)]
    pub drifts: usize,
}
