//! The figures of all sizes.

use crate::chains;
use crate::comparison::measure::Measured;
use crate::figure::{Figure, count, labeled};
use crate::metric::{self, Metric, Share, Trend};
use crate::slope::slope;

/// Each with its rounds, which were made in turns.
pub struct Size {
    pub chains: usize,
    pub ours: Vec<Measured>,
    /// Empty where there is no Go to build it.
    pub peers: Vec<Measured>,
}

type Of = Metric<Measured>;

#[rustfmt::skip]
const METRICS: [Of; 12] = [
    Of::new("cold start", "s", |it| it.cold_start / 1000.0)
        .share_at_most(1.0)
        .slope_at_most(1.0),
    Of::new("CPU time a chain, cold start", "ms", |it| it.cold_cpu / it.chains)
        .share_at_most(1.0)
        .slope_at_most(0.0),
    Of::new("requests a chain, cold start", "", |it| it.cold_requests / it.chains)
        .share_at_most(1.0)
        .slope_at_most(0.0),
    Of::new("CPU time of the API server a chain, cold start", "ms", |it| it.server_cpu * 1000.0 / it.chains)
        .slope_at_most(0.0),
    Of::new("start after edits", "s", |it| it.restart / 1000.0)
        .share_at_most(1.0)
        .slope_at_most(1.0),
    Of::new("edit in effect, p50", "ms", |it| it.edit_p50)
        .note(|it| Some(labeled("watch", it.watch_p50, "ms")))
        .slope_at_most(1.0),
    Of::new("edit in effect, p99", "ms", |it| it.edit_p99)
        .note(|it| Some(labeled("watch", it.watch_p99, "ms")))
        .slope_at_most(1.0),
    Of::new("edit minus watch, p99", "ms", |it| it.edit_p99 - it.watch_p99)
        .at_most(|_| 50.0)
        .trend(Trend::Nothing),
    Of::new("drift corrected, p50", "s", |it| it.drift_p50 / 1000.0)
        .note(|it| Some(labeled("longest", it.drift_longest / 1000.0, "s")))
        .slope_at_most(1.0),
    Of::new("memory", "MiB", |it| it.resident)
        .note(|it| Some(labeled("peak in the cold start", it.peak, "MiB")))
        .share_at_most_from(1000.0, 0.5)
        .slope_at_most(1.0),
    Of::new("CPU time, idle", "ms a minute", |it| it.idle_cpu)
        .share_at_most(1.0)
        .slope_at_most(1.0),
    Of::new("calls for each location, idle", "a minute", |it| it.calls / it.locations)
        .note(|it| Some(labeled("locations", it.locations, "")))
        .slope_at_most(0.05),
];

pub fn figures(sizes: &[Size]) -> Vec<Figure> {
    METRICS
        .iter()
        .flat_map(|metric| of(metric, sizes))
        .collect()
}

fn of(metric: &Metric<Measured>, sizes: &[Size]) -> Vec<Figure> {
    let mut figures: Vec<Figure> = sizes.iter().map(|size| value(metric, size)).collect();
    if let Some(most) = metric.share {
        figures.extend(sizes.iter().map(|size| share(metric, size, most)));
    }
    let points = |of: fn(&Size) -> &[Measured]| {
        let points = sizes
            .iter()
            .map(|size| Some((count(size.chains), metric.rounds(of(size)).median()?)));
        points.collect::<Option<Vec<_>>>()
    };
    let ours = points(|size| &size.ours);
    let peers = points(|size| &size.peers);
    let peers = peers.and_then(|points| slope(&points));
    figures.extend(
        ours.and_then(|points| metric.slope(&points))
            .map(|figure| match peers {
                Some(peers) => figure.against(labeled("peer", peers, "")),
                None => figure,
            }),
    );
    figures
}

fn value(metric: &Metric<Measured>, size: &Size) -> Figure {
    let ours = metric::Size {
        name: chains::counted(size.chains),
        number: count(size.chains),
        found: &size.ours,
    };
    let figure = metric.figure(&ours);
    let peers = metric.rounds(&size.peers).median().map(|peers| {
        let note = metric.note_of(&size.peers).map(|it| format!(" ({it})"));
        labeled("peer", peers, metric.unit) + &note.unwrap_or_default()
    });
    let notes: Vec<String> = figure.against.iter().cloned().chain(peers).collect();
    if notes.is_empty() {
        figure
    } else {
        figure.against(notes.join("; "))
    }
}

fn share(metric: &Metric<Measured>, size: &Size, share: Share) -> Figure {
    let (ours, peers) = (metric.rounds(&size.ours), metric.rounds(&size.peers));
    let chains = chains::counted(size.chains);
    let name = format!("{}, divided by the peer's, {chains}", metric.name);
    let figure = Figure::of(name, &ours.divided_by(&peers), "");
    if count(size.chains) < share.from {
        figure
    } else {
        figure.share_at_most(share.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of an operator that takes so many milliseconds, MiB and requests for so many chains.
    fn measured(chains: f64, took: f64, resident: f64) -> Measured {
        Measured {
            cold_start: took,
            cold_cpu: took,
            peak: resident,
            cold_requests: 20.0 * chains,
            server_cpu: took,
            restart: took,
            edit_p50: 5.0,
            edit_p99: 10.0,
            watch_p50: 0.0,
            watch_p99: 4.0,
            drift_p50: 2500.0,
            drift_longest: 5000.0,
            resident,
            idle_cpu: took,
            calls: 24.0,
            locations: 1.0,
            chains,
        }
    }

    fn verdict(figures: &[Figure], name: &str) -> String {
        let found = figures.iter().find(|it| it.name == name);
        found.unwrap_or_else(|| panic!("no {name}")).verdict()
    }

    #[test]
    fn a_share_is_of_the_same_round() {
        // The second round is slow for both, so neither is steady, but what they stand to each other is.
        let round = |took: f64, resident| measured(100.0, took, resident);
        let sizes = [Size {
            chains: 100,
            ours: vec![round(900.0, 40.0), round(1800.0, 40.0)],
            peers: vec![round(1000.0, 60.0), round(2000.0, 60.0)],
        }];
        let figures = figures(&sizes);
        let goal = verdict(&figures, "cold start, divided by the peer's, 100 chains");
        assert_eq!(goal, "at most 1: met");
        let goal = verdict(
            &figures,
            "requests a chain, cold start, divided by the peer's, 100 chains",
        );
        assert_eq!(goal, "at most 1: met");
    }

    #[test]
    fn operators_that_take_turns_in_being_faster_have_no_verdict() {
        let round = |took: f64| measured(10.0, took, 40.0);
        let sizes = [Size {
            chains: 10,
            ours: vec![round(900.0), round(1100.0), round(950.0)],
            peers: vec![round(1000.0), round(1000.0), round(1000.0)],
        }];
        let goal = verdict(
            &figures(&sizes),
            "start after edits, divided by the peer's, 10 chains",
        );
        assert_eq!(goal, "at most 1: rounds differ by 21 %, no verdict");
    }

    #[test]
    fn memory_has_a_goal_at_a_thousand_chains() {
        let size = |chains: usize, ours: f64, peers: f64| Size {
            chains,
            ours: vec![measured(count(chains), 1000.0, ours)],
            peers: vec![measured(count(chains), 1000.0, peers)],
        };
        let figures = figures(&[size(100, 60.0, 60.0), size(1000, 70.0, 147.0)]);
        let goal = |chains| {
            verdict(
                &figures,
                &format!("memory, divided by the peer's, {chains}"),
            )
        };
        assert_eq!(goal("100 chains"), "");
        assert_eq!(goal("1000 chains"), "at most 0.5: met");
    }

    #[test]
    fn without_a_peer_nothing_is_met() {
        let sizes = [Size {
            chains: 1,
            ours: vec![measured(1.0, 1000.0, 20.0)],
            peers: Vec::new(),
        }];
        let goal = verdict(
            &figures(&sizes),
            "cold start, divided by the peer's, 1 chain",
        );
        assert_eq!(goal, "at most 1: not met");
    }
}
