//! Isolation rules: which categories of tasks leave a stage for a later one while they hang or fail.

use std::str::FromStr;

use cloudtasks::QueuePath;

/// One rule of a stage. A category is a value of its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsolationRule {
    /// The header of the task.
    pub header: String,
    /// The queue of the stage that isolated tasks go to.
    pub to: QueuePath,
    /// The part of a pod's run slots that a category may hold in a crowd.
    pub max_share: Option<Percent>,
    /// How many of its last attempts must have failed.
    pub failures: Option<FailureThreshold>,
}

/// From 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(u8);

impl Percent {
    /// The number before the percent sign.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|it| it.parse().ok());
        let percent = number.filter(|it| (1..=100).contains(it)).map(Self);
        percent.ok_or_else(|| format!("{text:?} is not from 1% to 100%: write it as 25%"))
    }
}

/// How many of the last outcomes of a category must have failed: of 1 to 64, at most all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureThreshold {
    of: u8,
    at_least: u8,
}

impl FailureThreshold {
    /// How many outcomes count.
    pub fn of(self) -> u8 {
        self.of
    }

    /// How many of them must have failed.
    pub fn at_least(self) -> u8 {
        self.at_least
    }
}

impl TryFrom<crds::FailureThreshold> for FailureThreshold {
    type Error = String;

    fn try_from(given: crds::FailureThreshold) -> Result<Self, String> {
        let number = |number: i32| u8::try_from(number).ok().filter(|it| (1..=64).contains(it));
        match (number(given.of), number(given.at_least)) {
            (Some(of), Some(at_least)) if at_least <= of => Ok(Self { of, at_least }),
            _ => Err(format!(
                "atLeast is {} of {}: of must be from 1 to 64, and atLeast from 1 to it",
                given.at_least, given.of
            )),
        }
    }
}

impl IsolationRule {
    /// A rule of the spec that leads to this queue; else what is wrong with it.
    pub(super) fn new(given: &crds::IsolationRule, to: QueuePath) -> Result<Self, String> {
        let max_share = given.max_share.as_deref().map(Percent::from_str);
        let failures = given.failures.map(FailureThreshold::try_from);
        Ok(Self {
            header: given.by.header.clone(),
            to,
            max_share: max_share
                .transpose()
                .map_err(|why| format!("isolate[].maxShare {why}"))?,
            failures: failures
                .transpose()
                .map_err(|why| format!("isolate[].failures.{why}"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_whole_percentage() {
        let parsed = |text: &str| text.parse::<Percent>().map(Percent::get).ok();
        assert_eq!(parsed("1%"), Some(1));
        assert_eq!(parsed("100%"), Some(100));
        for text in ["0%", "101%", "25", "%", "2.5%", "-1%", "25 %", ""] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }

    #[test]
    fn a_threshold_is_at_most_all_of_64() {
        let parsed = |of, at_least| {
            let given = crds::FailureThreshold { of, at_least };
            FailureThreshold::try_from(given).map(|it| (it.of(), it.at_least()))
        };
        assert_eq!(parsed(64, 64), Ok((64, 64)));
        assert_eq!(parsed(1, 1), Ok((1, 1)));
        for (of, at_least) in [(0, 0), (65, 1), (16, 0), (16, 17), (-1, 1), (300, 300)] {
            assert!(parsed(of, at_least).is_err(), "{at_least} of {of}");
        }
    }
}
