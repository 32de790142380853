//! Metrics: what is measured of each size, and its goals.

use crate::figure::Figure;
use crate::rounds::Rounds;
use crate::slope::slope;

pub struct Metric<M> {
    pub name: &'static str,
    pub unit: &'static str,
    pub value: fn(&M) -> f64,
    pub note: fn(&M) -> Option<String>,
    pub most: Option<fn(&M) -> f64>,
    pub share: Option<Share>,
    pub trend: Trend,
}

/// The most that ours may be of the peer's, from a size on. Smaller ones have no goal.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub most: f64,
    pub from: f64,
}

/// What is said of how a metric grows with the size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trend {
    Nothing,
    /// The slope, and the most that it may be.
    Slope(Option<f64>),
    /// The last value over the first one, at most this.
    Growth(f64),
}

pub struct Size<'a, M> {
    /// As "20 chains".
    pub name: String,
    pub number: f64,
    /// In each round.
    pub found: &'a [M],
}

impl<M> Metric<M> {
    pub const fn new(name: &'static str, unit: &'static str, value: fn(&M) -> f64) -> Self {
        Self {
            name,
            unit,
            value,
            note: |_| None,
            most: None,
            share: None,
            trend: Trend::Slope(None),
        }
    }

    pub const fn note(mut self, note: fn(&M) -> Option<String>) -> Self {
        self.note = note;
        self
    }

    pub const fn at_most(mut self, most: fn(&M) -> f64) -> Self {
        self.most = Some(most);
        self
    }

    pub const fn share_at_most(self, most: f64) -> Self {
        self.share_at_most_from(0.0, most)
    }

    pub const fn share_at_most_from(mut self, from: f64, most: f64) -> Self {
        self.share = Some(Share { most, from });
        self
    }

    pub const fn slope_at_most(self, slope: f64) -> Self {
        self.trend(Trend::Slope(Some(slope)))
    }

    pub const fn trend(mut self, trend: Trend) -> Self {
        self.trend = trend;
        self
    }

    pub fn rounds(&self, found: &[M]) -> Rounds {
        found.iter().map(self.value).collect()
    }

    /// What is said of the round that the median is from.
    pub fn note_of(&self, found: &[M]) -> Option<String> {
        let median = self.rounds(found).median()?;
        let distance = |it: &&M| ((self.value)(it) - median).abs();
        let nearest = found
            .iter()
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        (self.note)(nearest)
    }

    /// A figure of each size, and the trend where there are several.
    pub fn figures(&self, sizes: &[Size<M>]) -> Vec<Figure> {
        let mut figures: Vec<Figure> = sizes.iter().map(|size| self.figure(size)).collect();
        figures.extend(match self.trend {
            Trend::Nothing => None,
            Trend::Growth(most) => self.growth(sizes, most),
            Trend::Slope(_) => {
                let points = sizes
                    .iter()
                    .filter_map(|it| Some((it.number, self.rounds(it.found).median()?)));
                self.slope(&points.collect::<Vec<_>>())
            }
        });
        figures
    }

    pub fn figure(&self, size: &Size<M>) -> Figure {
        let name = format!("{}, {}", self.name, size.name);
        let mut figure = Figure::of(name, &self.rounds(size.found), self.unit);
        figure.against = self.note_of(size.found);
        match (self.most, size.found.first()) {
            (Some(most), Some(found)) => figure.at_most(most(found)),
            _ => figure,
        }
    }

    pub fn slope(&self, points: &[(f64, f64)]) -> Option<Figure> {
        let figure = Figure::new(format!("{}, slope", self.name), slope(points)?, "");
        match self.trend {
            Trend::Slope(Some(most)) => Some(figure.at_most(most)),
            Trend::Slope(None) => Some(figure),
            Trend::Nothing | Trend::Growth(_) => None,
        }
    }

    fn growth(&self, sizes: &[Size<M>], most: f64) -> Option<Figure> {
        let [first, .., last] = sizes else {
            return None;
        };
        let name = format!("{}, {} divided by {}", self.name, last.name, first.number);
        let growth = self.rounds(last.found).median()? / self.rounds(first.found).median()?;
        Some(Figure::new(name, growth, "").at_most(most))
    }
}
