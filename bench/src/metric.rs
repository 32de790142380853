//! Metrics: what is measured of each size, and its goals.

use crate::figure::Figure;
use crate::slope::slope;

/// One metric of a measurement `M`.
pub struct Metric<M> {
    pub name: &'static str,
    pub unit: &'static str,
    pub value: fn(&M) -> f64,
    /// What stands beside the value.
    pub note: fn(&M) -> Option<String>,
    /// The most that each value may be.
    pub most: Option<fn(&M) -> f64>,
    /// The most that ours may be of the peer's.
    pub share: Option<f64>,
    /// The most that the slope over the sizes may be.
    pub steepest: Option<f64>,
}

/// A measurement of one size.
pub struct Size<'a, M> {
    /// As "20 chains".
    pub name: String,
    pub number: f64,
    pub found: &'a M,
}

impl<M> Metric<M> {
    /// A metric without goals.
    pub const fn new(name: &'static str, unit: &'static str, value: fn(&M) -> f64) -> Self {
        Self {
            name,
            unit,
            value,
            note: |_| None,
            most: None,
            share: None,
            steepest: None,
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

    pub const fn share_at_most(mut self, share: f64) -> Self {
        self.share = Some(share);
        self
    }

    pub const fn slope_at_most(mut self, slope: f64) -> Self {
        self.steepest = Some(slope);
        self
    }

    /// A figure of each size, and the slope where there are several.
    pub fn figures(&self, sizes: &[Size<M>]) -> Vec<Figure> {
        let mut figures: Vec<Figure> = sizes.iter().map(|size| self.figure(size)).collect();
        let points: Vec<_> = sizes
            .iter()
            .map(|size| (size.number, (self.value)(size.found)))
            .collect();
        figures.extend(self.slope(&points));
        figures
    }

    /// The figure of one size.
    pub fn figure(&self, size: &Size<M>) -> Figure {
        let name = format!("{}, {}", self.name, size.name);
        let mut figure = Figure::new(name, (self.value)(size.found), self.unit);
        figure.against = (self.note)(size.found);
        match self.most {
            Some(most) => figure.at_most(most(size.found)),
            None => figure,
        }
    }

    /// The slope of these points, if there are several.
    pub fn slope(&self, points: &[(f64, f64)]) -> Option<Figure> {
        let figure = Figure::new(format!("{}, slope", self.name), slope(points)?, "");
        Some(match self.steepest {
            Some(steepest) => figure.at_most(steepest),
            None => figure,
        })
    }
}
