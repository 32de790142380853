//! On paper: what was measured, carried on to where one operator reaches its limit.

use anyhow::Context;

use crate::chains::{IN_A_LOCATION, STAGES};
use crate::figure::{Figure, count};
use crate::scale::measurement::Measured;

/// Google's quota of calls that list, by project, region and minute: tasks, queues and locations
/// together.
const LIST_CALLS: f64 = 600.0;
/// The queues that a project may have in a region unless it asks for more; a page of a list holds as
/// many.
const QUEUES: f64 = 1000.0;
/// What the question is about: four times what a region holds, in twenty of them.
const CHAINS: f64 = 1000.0;
const REGIONS: f64 = 20.0;

const VALUES: &str = include_str!("../../../charts/executor-chain/values.yaml");

/// What an operator is given by the chart.
struct Given {
    memory_mib: f64,
    calls_per_second: f64,
}

impl Given {
    fn by_the_chart() -> anyhow::Result<Self> {
        let after = |key: &str, end: &str| {
            let (_, rest) = VALUES.split_once(key)?;
            rest.split_once(end)?.0.trim().parse().ok()
        };
        let what = "the chart's values are not as they were";
        Ok(Self {
            memory_mib: after("limits: {memory: ", "Mi}").context(what)?,
            calls_per_second: after("cloudTasksCallsPerSecond:", "\n").context(what)?,
        })
    }
}

/// What one more costs: of a chain in a location that is listed anyhow, and of a location.
struct Each {
    /// Without any.
    none: f64,
    chain: f64,
    location: f64,
}

impl Each {
    /// From the fewest locations and the most.
    fn of(chains: usize, extremes: &Extremes, value: fn(&Measured) -> f64, none: f64) -> Self {
        let more = count(extremes.most.locations - extremes.fewest.locations);
        let grown = value(extremes.most) - value(extremes.fewest);
        // Noise must not make locations pay.
        let location = if more > 0.0 {
            (grown / more).max(0.0)
        } else {
            0.0
        };
        let there = count(extremes.fewest.locations);
        let rest = value(extremes.fewest) - none - location * (there - 1.0);
        Self {
            none,
            chain: rest.max(0.0) / count(chains),
            location,
        }
    }

    fn of_the_question(&self) -> f64 {
        self.none + self.chain * CHAINS + self.location * REGIONS
    }

    fn sum(&self, unit: &str) -> String {
        let Self {
            none,
            chain,
            location,
        } = self;
        format!("{none:.1} {unit} + 1000 × {chain:.3} + 20 × {location:.2}")
    }
}

/// The two that the most is learned from.
pub struct Extremes<'a> {
    pub fewest: &'a Measured,
    pub most: &'a Measured,
}

pub fn figures(chains: usize, extremes: &Extremes) -> anyhow::Result<Vec<Figure>> {
    let given = Given::by_the_chart()?;
    let limit = given.memory_mib;
    let memory = Each::of(
        chains,
        extremes,
        |it| it.most_mib,
        extremes.fewest.empty.resident_mib,
    );
    let time = Each::of(chains, extremes, |it| it.quiet.cpu_ms, 0.0);
    let calls = Each::of(chains, extremes, |it| it.made_calls, 0.0);
    let listed = extremes.most.lists.iter().copied().fold(0.0, f64::max);
    let lists = extremes.most.quiet.own_calls / 60.0 / count(extremes.most.locations);
    let rate = given.calls_per_second;

    let fit = (limit - memory.none - memory.location * REGIONS) / memory.chain;
    let question = memory.of_the_question();
    let busy = time.of_the_question() / 60_000.0 * 100.0;
    let made = calls.chain * CHAINS / rate;
    let told = extremes.most.taken_over / count(chains) * CHAINS;
    let paces = lists * REGIONS / rate * 100.0;
    let region = count(IN_A_LOCATION);
    let mut figures = each_further(&memory, &time);
    figures.extend([
        estimate("regions for 1,000 chains", (CHAINS / region).ceil(), "").against(format!(
            "{STAGES} queues per chain; {QUEUES} per region by default, one of them the notifier's"
        )),
        estimate("memory for 1,000 chains in 20 regions", question, "MiB")
            .at_most(limit)
            .against(memory.sum("MiB")),
        estimate(
            &format!("chains that fit into {limit} MiB"),
            fit.floor(),
            "",
        )
        .at_least(CHAINS)
        .against(format!(
            "({limit} − {:.1} − 20 × {:.2}) MiB / {:.3} MiB",
            memory.none, memory.location, memory.chain
        )),
        estimate("list calls for 20 regions", listed * REGIONS, "a minute").against(format!(
            "20 × {listed:.1}; the quota is {LIST_CALLS} for each region"
        )),
        estimate(
            "share of a region's quota of list calls",
            listed / LIST_CALLS * 100.0,
            "%",
        )
        .at_most(10.0)
        .against(format!("{listed:.1} / {LIST_CALLS}")),
        estimate(
            "operators that the quota of one region allows",
            (LIST_CALLS / listed).floor(),
            "",
        )
        .against(format!(
            "{LIST_CALLS} / {listed:.1}, with no list left for an edit"
        )),
        estimate(
            "share of the operator's rate limit, lists of 20 regions",
            paces,
            "%",
        )
        .at_most(20.0)
        .against(format!(
            "20 × {lists:.2} / {rate} a second; a list is one call here"
        )),
        estimate("share of a core, 1,000 chains in 20 regions", busy, "%")
            .at_most(5.0)
            .against(time.sum("ms")),
        estimate("cold start of 1,000 chains at the rate limit", made, "s").against(format!(
            "1000 × {:.1} calls / {rate} a second; chains of one region share the notifier's queue",
            calls.chain
        )),
        estimate("takeover of 1,000 chains", told, "s")
            .at_most(60.0)
            .against(format!(
                "1000 / {chains} × {:.1} s",
                extremes.most.taken_over
            )),
    ]);
    Ok(figures)
}

fn each_further(memory: &Each, time: &Each) -> Vec<Figure> {
    let [chain_kib, location_kib] = [memory.chain, memory.location].map(|mib| mib * 1024.0);
    vec![
        Figure::new("each further chain, memory", chain_kib, "KiB"),
        Figure::new("each further location, memory", location_kib, "KiB"),
        Figure::new("each further chain, CPU time", time.chain, "ms a minute"),
        Figure::new(
            "each further location, CPU time",
            time.location,
            "ms a minute",
        ),
    ]
}

fn estimate(what: &str, value: f64, unit: &str) -> Figure {
    Figure::new(format!("estimate: {what}"), value, unit)
}

#[cfg(test)]
mod tests {
    use super::Given;

    #[test]
    fn the_chart_says_what_an_operator_is_given() {
        let given = Given::by_the_chart().unwrap();
        assert!(given.memory_mib >= 64.0, "{}", given.memory_mib);
        assert!(given.calls_per_second >= 1.0, "{}", given.calls_per_second);
    }
}
