//! Which numbers are unknown, and why.

use std::collections::BTreeMap;

use crate::model::{LiveChain, Unknown};

/// The numbers of one kind that are unknown for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Numbers {
    Queue,
    Workers,
}

/// A line for each kind of numbers and reason: `queue numbers of 3 stages: a quota of Cloud Tasks is
/// exhausted`. Empty if all numbers are known.
pub fn unknown<'a>(chains: impl IntoIterator<Item = &'a LiveChain>) -> Vec<String> {
    let mut missing: BTreeMap<(Numbers, Unknown), Vec<&str>> = BTreeMap::new();
    for chain in chains {
        for stage in &chain.stages {
            let both = [
                (Numbers::Queue, stage.queue_numbers.unknown()),
                (Numbers::Workers, stage.worker_numbers.unknown()),
            ];
            for (numbers, reason) in both {
                if let Some(reason) = reason {
                    missing
                        .entry((numbers, reason))
                        .or_default()
                        .push(&stage.name);
                }
            }
        }
    }
    missing.into_iter().map(line).collect()
}

fn line(((numbers, reason), stages): ((Numbers, Unknown), Vec<&str>)) -> String {
    let numbers = match numbers {
        Numbers::Queue => "queue",
        Numbers::Workers => "worker",
    };
    let of = match stages[..] {
        [stage] => format!("stage {stage}"),
        _ => format!("{} stages", stages.len()),
    };
    format!("{numbers} numbers of {of}: {reason}")
}
