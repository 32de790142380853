//! The figures of all sizes.

use crate::chains;
use crate::comparison::measure::Measured;
use crate::figure::{Figure, count, labeled};
use crate::metric::{self, Metric, Trend};
use crate::slope::slope;

pub struct Size {
    pub chains: usize,
    pub ours: Measured,
    /// None where there is no Go to build it.
    pub peers: Option<Measured>,
}

type Of = Metric<Measured>;

#[rustfmt::skip]
const METRICS: [Of; 12] = [
    Of::new("cold start", "s", |it| it.cold_start / 1000.0)
        .share_at_most(0.5)
        .slope_at_most(1.0),
    Of::new("CPU time, cold start", "s", |it| it.cold_cpu / 1000.0)
        .slope_at_most(1.0),
    Of::new("requests to the API server, cold start", "", |it| it.cold_requests)
        .slope_at_most(1.0),
    Of::new("CPU time of the API server, cold start", "s", |it| it.server_cpu)
        .slope_at_most(1.0),
    Of::new("start after edits", "s", |it| it.restart / 1000.0).slope_at_most(1.0),
    Of::new("edit in effect, p50", "ms", |it| it.edit_p50)
        .note(|it| Some(labeled("watch", it.watch_p50, "ms")))
        .slope_at_most(1.0),
    Of::new("edit in effect, p99", "ms", |it| it.edit_p99)
        .note(|it| Some(labeled("watch", it.watch_p99, "ms")))
        .share_at_most(0.5)
        .slope_at_most(1.0),
    Of::new("edit minus watch, p99", "ms", |it| it.edit_p99 - it.watch_p99)
        .at_most(|_| 50.0)
        .trend(Trend::Nothing),
    Of::new("drift corrected, p50", "s", |it| it.drift_p50 / 1000.0)
        .note(|it| Some(labeled("longest", it.drift_longest / 1000.0, "s")))
        .slope_at_most(1.0),
    Of::new("memory", "MiB", |it| it.resident)
        .note(|it| Some(labeled("peak in the cold start", it.peak, "MiB")))
        .share_at_most(0.4)
        .slope_at_most(1.0),
    Of::new("CPU time, idle", "ms a minute", |it| it.idle_cpu).slope_at_most(1.0),
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
    let points = |value: &dyn Fn(&Size) -> Option<f64>| {
        let points = sizes
            .iter()
            .map(|size| Some((count(size.chains), value(size)?)));
        points.collect::<Option<Vec<_>>>()
    };
    let ours = points(&|size| Some((metric.value)(&size.ours)));
    let peers = points(&|size| size.peers.as_ref().map(metric.value));
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
    let peers = size.peers.as_ref().map(|peers| {
        let note = (metric.note)(peers).map(|it| format!(" ({it})"));
        labeled("peer", (metric.value)(peers), metric.unit) + &note.unwrap_or_default()
    });
    let notes: Vec<String> = figure.against.iter().cloned().chain(peers).collect();
    if notes.is_empty() {
        figure
    } else {
        figure.against(notes.join("; "))
    }
}

fn share(metric: &Metric<Measured>, size: &Size, most: f64) -> Figure {
    let share = size
        .peers
        .as_ref()
        .map(|peers| (metric.value)(&size.ours) / (metric.value)(peers));
    let chains = chains::counted(size.chains);
    let name = format!("{}, divided by the peer's, {chains}", metric.name);
    Figure::or_missing(name, share, "").at_most(most)
}
