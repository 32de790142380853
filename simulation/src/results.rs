//! The results of a scenario: when and how each task ended, simulated or real, and what that says.

use std::time::Duration;

use crate::scenario::Task;
use crate::window::Window;
use crate::world::Outcome;

/// The end of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// When.
    pub at: Duration,
    /// How.
    pub how: Outcome,
}

/// All tasks and their ends; a task that has none has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// In the order in which they came.
    pub tasks: Vec<(Task, Option<Completion>)>,
}

impl Results {
    fn healthy(&self) -> impl Iterator<Item = (Duration, Option<Completion>)> {
        let healthy = self.tasks.iter().filter(|(task, _)| !task.is_affected);
        healthy.map(|(task, end)| (task.arrives, *end))
    }

    /// Healthy tasks done a second.
    pub fn goodput(&self, during: Window) -> f64 {
        let ends = self.healthy().filter_map(|(_, end)| end);
        let done = ends.filter(|end| end.how == Outcome::Succeeded && during.has(end.at));
        done.fold(0.0, |count, _| count + 1.0) / during.seconds()
    }

    /// Healthy tasks done a second, step by step: the middle of each step, and the rate.
    pub fn goodputs(&self, step: Duration, until: Duration) -> Vec<(f64, f64)> {
        let steps = until.as_millis() / step.as_millis().max(1);
        let mut done = vec![0.0; usize::try_from(steps).unwrap_or(0)];
        for end in self.healthy().filter_map(|(_, end)| end) {
            let place = usize::try_from(end.at.as_millis() / step.as_millis().max(1));
            if let Some(count) = place.ok().and_then(|place| done.get_mut(place)) {
                *count += 1.0;
            }
        }
        let seconds = step.as_secs_f64();
        let mut middle = -seconds / 2.0;
        let points = done.into_iter().map(|count| {
            middle += seconds;
            (middle, count / seconds)
        });
        points.collect()
    }

    /// How long the healthy tasks took that came in a window.
    pub fn latencies(&self, came: Window) -> Vec<Duration> {
        let tasks = self.healthy().filter(|(arrived, _)| came.has(*arrived));
        // One that never ended took longer than any.
        tasks
            .map(|(arrived, end)| end.map_or(Duration::MAX, |end| end.at.saturating_sub(arrived)))
            .collect()
    }

    /// From when on in this window the healthy tasks that come are done within a time; `None` if not a
    /// tenth of the window is left.
    pub fn prompt(&self, window: Window, within: Duration) -> Option<Duration> {
        let late = self.healthy().filter(|(arrived, end)| {
            let in_time = end.is_some_and(|end| end.at.saturating_sub(*arrived) <= within);
            window.has(*arrived) && !in_time
        });
        let from = late
            .map(|(arrived, _)| arrived)
            .last()
            .unwrap_or(window.from);
        let left = window.until.saturating_sub(from).as_secs_f64();
        (left >= window.seconds() / 10.0).then_some(from)
    }

    /// When the last task ended that came before this time; `None` if one has not.
    pub fn ended(&self, came_before: Duration) -> Option<Duration> {
        let tasks = self.tasks.iter();
        let those = tasks.filter(|(task, _)| task.arrives < came_before);
        let ends: Option<Vec<Duration>> = those.map(|(_, end)| end.map(|end| end.at)).collect();
        ends?.into_iter().max()
    }

    /// How many have ended in this way.
    pub fn count(&self, how: Outcome) -> usize {
        let ends = self.tasks.iter().filter_map(|(_, end)| *end);
        ends.filter(|end| end.how == how).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A healthy task a second; those from 10 to 19 take 5 s, the others none.
    fn results() -> Results {
        let tasks = (0..100).map(|second| {
            let late = if (10..20).contains(&second) { 5 } else { 0 };
            let task = Task {
                arrives: seconds(second),
                is_affected: false,
                tenant: 0,
            };
            let end = Completion {
                at: seconds(second + late),
                how: Outcome::Succeeded,
            };
            (task, Some(end))
        });
        Results {
            tasks: tasks.collect(),
        }
    }

    #[test]
    fn it_is_measured_by_span() {
        let results = results();
        let window = |from, until| Window {
            from: seconds(from),
            until: seconds(until),
        };
        let goodput = |from, until| results.goodput(window(from, until)).to_string();
        assert_eq!(
            [goodput(0, 10), goodput(10, 15), goodput(20, 25)],
            ["1", "0", "2"]
        );
        assert_eq!(results.latencies(window(9, 11)), [seconds(0), seconds(5)]);
        assert_eq!(
            results.prompt(window(0, 100), seconds(1)),
            Some(seconds(19))
        );
        assert_eq!(results.prompt(window(0, 20), seconds(1)), None);
        assert_eq!(
            results.prompt(window(30, 40), seconds(1)),
            Some(seconds(30))
        );
        assert_eq!(results.ended(seconds(18)), Some(seconds(22)));
        let steps = results.goodputs(seconds(5), seconds(25));
        assert_eq!(
            steps,
            [
                (2.5, 1.0),
                (7.5, 1.0),
                (12.5, 0.0),
                (17.5, 1.0),
                (22.5, 2.0)
            ]
        );
    }

    #[test]
    fn a_task_without_an_end_is_never_prompt_and_nothing_is_over() {
        let mut results = results();
        results.tasks[99].1 = None;
        let all = Window {
            from: seconds(0),
            until: seconds(100),
        };
        assert_eq!(results.prompt(all, seconds(1)), None);
        assert_eq!(results.ended(seconds(100)), None);
        assert!(results.latencies(all).contains(&Duration::MAX));
    }
}
