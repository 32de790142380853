//! Rounds: what was measured several times, each time in the same way.

use serde::{Deserialize, Serialize};

/// In percent, more than which rounds may not differ for a goal to have a verdict.
const APART: f64 = 10.0;
/// Said of rounds that differ by more, such as those whose median is 0.
const MOST_SAID: f64 = 999.0;

/// The value of each round, in the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A measured value, not one between two.
    pub fn median(&self) -> Option<f64> {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    pub fn least(&self) -> Option<f64> {
        self.0.iter().copied().min_by(f64::total_cmp)
    }

    pub fn most(&self) -> Option<f64> {
        self.0.iter().copied().max_by(f64::total_cmp)
    }

    pub fn all(&self, is: impl Fn(f64) -> bool) -> bool {
        self.0.iter().copied().all(is)
    }

    pub fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        self.0.iter().copied().map(change).collect()
    }

    /// Round by round: what slows a round down slows both.
    pub fn with(&self, other: &Self, both: impl Fn(f64, f64) -> f64) -> Self {
        let pairs = self.0.iter().zip(&other.0);
        pairs.map(|(own, other)| both(*own, *other)).collect()
    }

    pub fn divided_by(&self, other: &Self) -> Self {
        self.with(other, |own, other| own / other)
    }

    /// By how many whole percent of the median the least and the most differ: none where there is one
    /// round, which differs from nothing.
    pub fn percent_apart(&self) -> f64 {
        let (Some(least), Some(median), Some(most)) = (self.least(), self.median(), self.most())
        else {
            return 0.0;
        };
        if least.total_cmp(&most).is_eq() {
            return 0.0;
        }
        let percent = (most - least) / median.abs() * 100.0;
        percent.round().min(MOST_SAID)
    }

    /// As it is shown: nobody should read that 10 % are more than 10 %.
    pub fn agree(&self) -> bool {
        self.percent_apart() <= APART
    }
}

impl FromIterator<f64> for Rounds {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds<const N: usize>(values: [f64; N]) -> Rounds {
        values.into_iter().collect()
    }

    fn percent(rounds: &Rounds) -> String {
        rounds.percent_apart().to_string()
    }

    #[test]
    fn rounds_differ_by_their_range_in_percent_of_the_median() {
        assert_eq!(percent(&rounds([10.0, 10.6, 9.8])), "8");
        assert_eq!(percent(&rounds([1.0, 3.0, 2.0])), "100");
        assert_eq!(percent(&rounds([-1.0, -3.0, -2.0])), "100");
    }

    #[test]
    fn one_round_and_equal_rounds_do_not_differ() {
        for same in [rounds([]), rounds([7.0]), rounds([0.0, 0.0, 0.0])] {
            assert_eq!(percent(&same), "0");
            assert!(same.agree());
        }
    }

    #[test]
    fn rounds_agree_up_to_ten_percent_as_it_is_shown() {
        assert!(rounds([100.0, 100.0, 110.4]).agree());
        assert!(!rounds([100.0, 100.0, 110.6]).agree());
        assert!(!rounds([89.0, 100.0, 100.0]).agree());
    }

    #[test]
    fn rounds_around_zero_differ() {
        let around = rounds([-0.1, 0.0, 0.1]);
        assert_eq!(percent(&around), "999");
        assert!(!around.agree());
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        // The second round was slow for both.
        let (ours, others) = (rounds([10.0, 20.0, 11.0]), rounds([10.0, 20.0, 10.0]));
        assert!(!ours.agree());
        let ratio = ours.divided_by(&others);
        assert_eq!(ratio, rounds([1.0, 1.0, 1.1]));
        assert!(ratio.agree());
        assert!(ours.divided_by(&rounds([])).is_empty());
    }

    #[test]
    fn a_median_is_a_measured_value() {
        let found = [rounds([3.0, 1.0, 2.0]), rounds([4.0, 1.0])].map(|it| it.median());
        assert_eq!(found, [Some(2.0), Some(4.0)]);
        assert_eq!(rounds([]).median(), None);
    }
}
