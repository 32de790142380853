//! How far off a measurement may be.

/// Which of what may be so is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chances {
    /// What is measured.
    AsMeasured,
    /// The edges of what may be so.
    Edge { failing: Edge, arriving: Edge },
}

/// An end of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Least,
    Most,
}

/// Of 95 %.
const Z: f64 = 1.96;

impl Chances {
    pub(super) const EDGES: [Self; 4] = {
        const fn edge(failing: Edge, arriving: Edge) -> Chances {
            Chances::Edge { failing, arriving }
        }
        [
            edge(Edge::Least, Edge::Least),
            edge(Edge::Least, Edge::Most),
            edge(Edge::Most, Edge::Least),
            edge(Edge::Most, Edge::Most),
        ]
    };
}

/// Wilson's interval of a share that was counted in so many.
pub(super) fn share(share: f64, of: f64, edge: Edge) -> f64 {
    if of <= 0.0 {
        return share;
    }
    let z2 = Z * Z;
    let middle = share + z2 / (2.0 * of);
    let half = Z
        * ((share * (1.0 - share) + z2 / (4.0 * of)) / of)
            .max(0.0)
            .sqrt();
    let bound = match edge {
        Edge::Least => middle - half,
        Edge::Most => middle + half,
    };
    (bound / (1.0 + z2 / of)).clamp(0.0, 1.0)
}

/// A factor for a rate that was counted so often.
pub(super) fn rate(counted: f64, edge: Edge) -> f64 {
    if counted <= 0.0 {
        return 1.0;
    }
    let off = Z / counted.sqrt();
    match edge {
        Edge::Least => (1.0 - off).max(0.0),
        Edge::Most => 1.0 + off,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_share_is_wilsons() {
        let both = |part: f64, of: f64| [Edge::Least, Edge::Most].map(|it| share(part, of, it));
        // The values of the method's usual examples.
        let [least, most] = both(0.5, 10.0);
        assert!((least - 0.2366).abs() < 1e-3 && (most - 0.7634).abs() < 1e-3);
        let [least, most] = both(0.0, 10.0);
        assert!(least.abs() < 1e-9 && (most - 0.2775).abs() < 1e-3);
        let [least, most] = both(0.3, 1e6);
        assert!(most - least < 0.002);
    }
}
