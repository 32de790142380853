//! The figures of all sizes.

use crate::chains;
use crate::contest::contestant::Measured;
use crate::figure::Figure;
use crate::slope::slope;

/// One size.
pub struct Size {
    pub chains: usize,
    pub ours: Measured,
    /// None where there is no Go to build it.
    pub peers: Option<Measured>,
}

/// What is told of each size.
struct Kind {
    name: &'static str,
    unit: &'static str,
    value: fn(&Measured) -> f64,
    /// What besides stands beside ours.
    beside: fn(&Measured) -> Option<String>,
    /// The most that ours may be.
    most: Option<f64>,
    /// The most that ours may be of the peer's.
    share: Option<f64>,
    /// The most that the slope may be.
    steepest: Option<f64>,
}

const KINDS: [Kind; 12] = [
    Kind {
        name: "cold start",
        unit: "s",
        value: |it| it.cold_start / 1000.0,
        beside: |_| None,
        most: None,
        share: Some(0.5),
        steepest: Some(1.0),
    },
    Kind {
        name: "time on the processor, cold start",
        unit: "s",
        value: |it| it.cold_cpu / 1000.0,
        beside: |_| None,
        most: None,
        share: None,
        steepest: Some(1.0),
    },
    Kind {
        name: "requests to the API server, cold start",
        unit: "",
        value: |it| it.cold_requests,
        beside: |_| None,
        most: None,
        share: None,
        steepest: Some(1.0),
    },
    Kind {
        name: "the API server's time on the processor, cold start",
        unit: "s",
        value: |it| it.server_cpu,
        beside: |_| None,
        most: None,
        share: None,
        steepest: Some(1.0),
    },
    Kind {
        name: "start after edits",
        unit: "s",
        value: |it| it.restart / 1000.0,
        beside: |_| None,
        most: None,
        share: None,
        steepest: Some(1.0),
    },
    Kind {
        name: "edit in force, p50",
        unit: "ms",
        value: |it| it.edit_p50,
        beside: |it| Some(told("watch", it.watch_p50, "ms")),
        most: None,
        share: None,
        steepest: Some(1.0),
    },
    Kind {
        name: "edit in force, p99",
        unit: "ms",
        value: |it| it.edit_p99,
        beside: |it| Some(told("watch", it.watch_p99, "ms")),
        most: None,
        share: Some(0.5),
        steepest: Some(1.0),
    },
    Kind {
        name: "edit less watch, p99",
        unit: "ms",
        value: |it| it.edit_p99 - it.watch_p99,
        beside: |_| None,
        most: Some(50.0),
        share: None,
        steepest: None,
    },
    Kind {
        name: "drift put right, p50",
        unit: "s",
        value: |it| it.drift_p50 / 1000.0,
        beside: |it| Some(told("longest", it.drift_longest / 1000.0, "s")),
        most: None,
        share: None,
        steepest: Some(1.0),
    },
    Kind {
        name: "memory",
        unit: "MiB",
        value: |it| it.resident,
        beside: |it| Some(told("most in the cold start", it.peak, "MiB")),
        most: None,
        share: Some(0.4),
        steepest: Some(1.0),
    },
    Kind {
        name: "time on the processor, idle",
        unit: "ms a minute",
        value: |it| it.idle_cpu,
        beside: |_| None,
        most: None,
        share: None,
        steepest: Some(1.0),
    },
    Kind {
        name: "calls for each location, idle",
        unit: "a minute",
        value: |it| it.calls / it.locations,
        beside: |it| Some(told("locations", it.locations, "")),
        most: None,
        share: None,
        steepest: Some(0.05),
    },
];

/// All of them, kind by kind.
pub fn figures(sizes: &[Size]) -> Vec<Figure> {
    KINDS.iter().flat_map(|kind| of(kind, sizes)).collect()
}

fn of(kind: &Kind, sizes: &[Size]) -> Vec<Figure> {
    let mut figures: Vec<Figure> = sizes.iter().map(|size| value(kind, size)).collect();
    if let Some(most) = kind.share {
        figures.extend(sizes.iter().map(|size| share(kind, size, most)));
    }
    // One size has no slope.
    let slope = |value: &dyn Fn(&Size) -> Option<f64>| {
        let points = sizes.iter().map(|size| {
            let chains = f64::from(u32::try_from(size.chains).unwrap_or(u32::MAX));
            Some((chains, value(size)?))
        });
        let points: Option<Vec<_>> = points.collect();
        slope(&points?)
    };
    let ours = slope(&|size| Some((kind.value)(&size.ours)));
    let peers = slope(&|size| size.peers.as_ref().map(kind.value));
    if let Some((steepest, ours)) = kind.steepest.zip(ours) {
        let figure = Figure::new(format!("{}, slope", kind.name), ours, "").at_most(steepest);
        figures.push(match peers {
            Some(peers) => figure.against(told("peer", peers, "")),
            None => figure,
        });
    }
    figures
}

fn value(kind: &Kind, size: &Size) -> Figure {
    let name = format!("{}, {}", kind.name, chains::counted(size.chains));
    let figure = Figure::new(name, (kind.value)(&size.ours), kind.unit);
    let peers = size.peers.as_ref().map(|peers| {
        let beside = (kind.beside)(peers).map(|it| format!(" ({it})"));
        let told = told("peer", (kind.value)(peers), kind.unit);
        told + &beside.unwrap_or_default()
    });
    let beside: Vec<String> = (kind.beside)(&size.ours).into_iter().chain(peers).collect();
    let figure = match kind.most {
        Some(most) => figure.at_most(most),
        None => figure,
    };
    if beside.is_empty() {
        figure
    } else {
        figure.against(beside.join("; "))
    }
}

fn share(kind: &Kind, size: &Size, most: f64) -> Figure {
    let share = size
        .peers
        .as_ref()
        .map(|peers| (kind.value)(&size.ours) / (kind.value)(peers));
    let name = format!(
        "{}, share of the peer's, {}",
        kind.name,
        chains::counted(size.chains)
    );
    Figure::or_missing(name, share, "").at_most(most)
}

fn told(what: &str, value: f64, unit: &str) -> String {
    format!("{what}: {}", Figure::new("", value, unit).quantity())
}
