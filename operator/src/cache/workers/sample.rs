//! Which pods are scraped in a turn: a few of each stage, and a bounded number of all. Those that were
//! silent last come last, and are few: each of them takes the whole time-out.

use std::sync::Arc;
use std::time::Instant;

use crate::cache::scrape_target::ScrapeTarget;
use crate::chain::NamespacedName;

/// How many pods of a stage are scraped in a turn; the others have their turn later.
const PODS_PER_STAGE: usize = 3;
/// How many pods of all stages. One takes about 0.2 ms of CPU time.
const PODS_PER_TURN: usize = 2048;
/// How many of them may be pods that were silent last, one of each stage.
pub(super) const SILENT_PER_TURN: usize = 128;

/// Who views a chain, the most interested first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Interest {
    /// It has viewers of its own.
    This,
    /// All chains have viewers.
    All,
    /// It has no viewers.
    None,
}

/// A stage that may have its turn, with its ready pods by name.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) chain: NamespacedName,
    /// Without those that were silent last.
    pub(super) targets: Vec<Arc<ScrapeTarget>>,
    /// Of those that were silent, the one that was asked longest ago.
    pub(super) silent: Option<(Instant, Arc<ScrapeTarget>)>,
    pub(super) interest: Interest,
    /// How many turns it has had. A stage without viewers isn't there in each round.
    pub(super) turns: usize,
}

/// The pods whose turn it is.
pub(super) type Turn = Vec<(NamespacedName, Arc<ScrapeTarget>)>;

/// The pods whose turn it is in this round: first those of chains with viewers. Of the others,
/// first one pod of each stage, then a second one.
pub(super) fn turn(stages: Vec<Stage>, round: usize) -> Turn {
    let silent = silent(&stages);
    let mut turn = limited_turn(stages, round, PODS_PER_TURN - silent.len());
    turn.extend(silent);
    turn
}

/// Pods that were silent, those first that were asked longest ago.
fn silent(stages: &[Stage]) -> Turn {
    let silent = stages.iter().filter_map(|stage| {
        let (asked, target) = stage.silent.as_ref()?;
        Some((*asked, (stage.chain.clone(), Arc::clone(target))))
    });
    let mut silent: Vec<_> = silent.collect();
    silent.sort_by_key(|(asked, _)| *asked);
    silent.truncate(SILENT_PER_TURN);
    silent.into_iter().map(|(_, it)| it).collect()
}

fn limited_turn(mut stages: Vec<Stage>, round: usize, limit: usize) -> Turn {
    stages.retain(|stage| !stage.targets.is_empty());
    if stages.is_empty() {
        return Turn::new();
    }
    // Those that exceed the limit of one turn are the first of the next.
    let first = round.wrapping_mul(limit) % stages.len();
    stages.rotate_left(first);
    let mut turn = Vec::new();
    for stage in stages {
        let Stage {
            chain,
            targets,
            silent: _,
            interest,
            turns,
        } = stage;
        let first = turns.wrapping_mul(PODS_PER_STAGE) % targets.len();
        let pods = targets.iter().cycle().skip(first);
        let pods = pods.take(PODS_PER_STAGE.min(targets.len()));
        turn.extend(pods.enumerate().map(|(number, target)| {
            let rank = match interest {
                Interest::This => (interest, 0),
                Interest::All | Interest::None => (interest, number),
            };
            (rank, (chain.clone(), Arc::clone(target)))
        }));
    }
    // Stable: within a rank it stays as rotated.
    turn.sort_by_key(|(rank, _)| *rank);
    turn.truncate(limit);
    turn.into_iter().map(|(_, it)| it).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn stage(chain: &str, pods: usize, interest: Interest) -> Stage {
        let target = |number| {
            let queue = format!("projects/demo/locations/europe-west1/queues/{chain}");
            Arc::new(ScrapeTarget {
                name: format!("{chain}-{number}"),
                stage: "fast".into(),
                queue: queue.parse().unwrap(),
                address: Ipv4Addr::LOCALHOST.into(),
                requires_token: false,
                reports_health: false,
            })
        };
        Stage {
            chain: ("shop".into(), chain.into()),
            targets: (0..pods).map(target).collect(),
            silent: None,
            interest,
            turns: 0,
        }
    }

    fn names(turn: Turn) -> Vec<String> {
        turn.into_iter().map(|(_, it)| it.name.clone()).collect()
    }

    #[test]
    fn three_pods_of_a_stage_have_their_turn_and_all_have_it_in_turn() {
        let turn = |round| {
            let mut stages = vec![stage("a", 5, Interest::None), stage("b", 2, Interest::None)];
            for stage in &mut stages {
                stage.turns = round;
            }
            names(limited_turn(stages, round, 100))
        };
        assert_eq!(turn(0), ["a-0", "b-0", "a-1", "b-1", "a-2"]);
        assert_eq!(turn(1).len(), 5);
        let seen: BTreeSet<String> = turn(0).into_iter().chain(turn(1)).collect();
        assert_eq!(seen.len(), 7, "{seen:?}");
        assert_eq!(turn(usize::MAX).len(), 5);
        assert_eq!(names(limited_turn(Vec::new(), 7, 3)), [""; 0]);
        assert_eq!(
            names(limited_turn(vec![stage("a", 0, Interest::This)], 7, 3)),
            [""; 0]
        );
    }

    #[test]
    fn chains_with_viewers_come_first() {
        let stages = vec![
            stage("a", 3, Interest::None),
            stage("b", 3, Interest::All),
            stage("c", 3, Interest::This),
        ];
        let turn = names(limited_turn(stages, 0, 7));
        assert_eq!(turn, ["c-0", "c-1", "c-2", "b-0", "b-1", "b-2", "a-0"]);
    }

    #[test]
    fn silent_pods_come_last_and_are_few_the_longest_silent_first() {
        let begin = Instant::now();
        let stages = (0..300_u64).map(|number| {
            let mut stage = stage(&format!("chain{number}"), 8, Interest::This);
            let asked = begin + Duration::from_secs(300 - number);
            stage.silent = Some((asked, stage.targets.pop().unwrap()));
            stage
        });
        let turn = names(turn(stages.collect(), 0));
        let is_silent = |name: &&String| name.ends_with("-7");
        let (first, silent) = turn.split_at(3 * 300);
        assert_eq!(first.iter().filter(is_silent).count(), 0);
        assert_eq!(silent.len(), SILENT_PER_TURN);
        assert_eq!(silent[0], "chain299-7");
        assert!(silent.iter().all(|name| is_silent(&name)));
    }

    #[test]
    fn with_more_stages_than_fit_each_has_its_turn_as_often_as_others() {
        let chains: Vec<String> = (0..10).map(|it| format!("chain{it}")).collect();
        let stages = || {
            let stages = chains.iter().map(|chain| stage(chain, 2, Interest::None));
            stages.collect::<Vec<_>>()
        };
        let mut turns: BTreeMap<String, usize> = BTreeMap::new();
        for round in 0..10 {
            for (chain, _) in limited_turn(stages(), round, 4) {
                *turns.entry(chain.1).or_default() += 1;
            }
        }
        assert_eq!(turns.len(), 10);
        assert!(turns.values().all(|it| *it == 4), "{turns:?}");
    }
}
