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
    let mut missing: BTreeMap<(Numbers, Unknown), Queues<'_>> = BTreeMap::new();
    for chain in chains {
        let parking = chain.parking.as_ref();
        if let Some(reason) = parking.and_then(|it| it.queue_numbers.unknown()) {
            let queues = missing.entry((Numbers::Queue, reason)).or_default();
            queues.parking += 1;
        }
        for stage in &chain.stages {
            let both = [
                (Numbers::Queue, stage.queue_numbers.unknown()),
                (Numbers::Workers, stage.worker_numbers.unknown()),
            ];
            for (numbers, reason) in both {
                if let Some(reason) = reason {
                    let queues = missing.entry((numbers, reason)).or_default();
                    queues.stages.push(&stage.name);
                }
            }
        }
    }
    missing.into_iter().map(line).collect()
}

/// Whose numbers are unknown.
#[derive(Debug, Default)]
struct Queues<'a> {
    stages: Vec<&'a str>,
    parking: usize,
}

fn line(((numbers, reason), queues): ((Numbers, Unknown), Queues<'_>)) -> String {
    let numbers = match numbers {
        Numbers::Queue => "queue",
        Numbers::Workers => "worker",
    };
    let stages = match queues.stages[..] {
        [] => None,
        [stage] => Some(format!("stage {stage}")),
        _ => Some(format!("{} stages", queues.stages.len())),
    };
    let parking = match queues.parking {
        0 => None,
        1 => Some("the parking queue".to_owned()),
        several => Some(format!("{several} parking queues")),
    };
    let of: Vec<String> = stages.into_iter().chain(parking).collect();
    format!("{numbers} numbers of {}: {reason}", of.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_are_named_whose_numbers_are_unknown() {
        for (stages, parking, of) in [
            (&["fast"][..], 0, "stage fast"),
            (&["fast", "slow"], 1, "2 stages and the parking queue"),
            (&[], 1, "the parking queue"),
            (&[], 3, "3 parking queues"),
        ] {
            let queues = Queues {
                stages: stages.to_vec(),
                parking,
            };
            let line = line(((Numbers::Queue, Unknown::Stale), queues));
            let expected = format!("queue numbers of {of}: {}", Unknown::Stale);
            assert_eq!(line, expected);
        }
    }
}
