//! An axis: from 0 to a round number, with a line at each step.

#[derive(Debug, Clone, Copy)]
pub struct Axis {
    step: f64,
    end: f64,
    length: f64,
}

/// Steps that an axis has at most.
const STEPS: f64 = 8.0;

impl Axis {
    pub fn to(most: f64, length: f64) -> Self {
        let least = most.max(1.0) / STEPS;
        let power = 10_f64.powf(least.log10().floor());
        let factors = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let fits = factors.into_iter().find(|step| *step >= least);
        let step = fits.unwrap_or(least);
        Self {
            step,
            end: (most.max(1.0) / step).ceil() * step,
            length,
        }
    }

    /// Where a value is, from the axis' begin.
    pub fn place(self, value: f64) -> f64 {
        value / self.end * self.length
    }

    pub fn steps(self) -> impl Iterator<Item = f64> {
        let (step, end) = (self.step, self.end);
        let values = (0..=20_u8).map(move |place| f64::from(place) * step);
        values.take_while(move |value| *value < end + step / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Axis;

    #[test]
    fn it_ends_on_a_round_number() {
        let rows = [
            (0.0, "0 0.2 0.4 0.6 0.8 1"),
            (166.7, "0 50 100 150 200"),
            (900.0, "0 200 400 600 800 1000"),
            (1000.0, "0 200 400 600 800 1000"),
            (37.0, "0 5 10 15 20 25 30 35 40"),
        ];
        for (most, wanted) in rows {
            let steps = Axis::to(most, 100.0).steps();
            let found: Vec<String> = steps
                .map(|it| ((it * 10.0).round() / 10.0).to_string())
                .collect();
            assert_eq!(found.join(" "), wanted);
        }
        let half = Axis::to(1000.0, 300.0).place(500.0);
        assert!((half - 150.0).abs() < 1e-9, "{half}");
    }
}
