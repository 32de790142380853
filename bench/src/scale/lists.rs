//! Lists of queues: how many a minute, and how many at once, from when their pages were asked for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// When pages were asked for, by location, oldest first.
pub type Times = BTreeMap<String, Vec<Instant>>;

/// Pages that follow one another sooner are of one list.
const APART: Duration = Duration::from_secs(1);
/// In so long a busy moment is looked for.
const MOMENT: Duration = Duration::from_millis(500);

/// Calls a minute of one location, from the first list to the last one: so where in a period the time
/// began and ended makes no difference. `None` where there were fewer than two lists.
pub fn a_minute(times: &[Instant]) -> Option<f64> {
    let mut lists: Vec<usize> = Vec::new();
    for (index, time) in times.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|it| times.get(it));
        if before.is_none_or(|before| time.duration_since(*before) > APART) {
            lists.push(index);
        }
    }
    let (first, last) = (*lists.first()?, *lists.last()?);
    let took = times[last].duration_since(times[first]).as_secs_f64();
    let calls = f64::from(u32::try_from(last - first).ok()?);
    (took > 0.0).then(|| calls * 60.0 / took)
}

/// The most locations that were asked for in one moment.
pub fn at_once(times: &Times) -> usize {
    let mut all: Vec<(Instant, &str)> = Vec::new();
    for (location, times) in times {
        all.extend(times.iter().map(|time| (*time, location.as_str())));
    }
    all.sort_unstable();
    let asked = all.iter().enumerate().map(|(index, (begin, _))| {
        let moment = all[index..].iter();
        let moment = moment.take_while(|(time, _)| time.duration_since(*begin) < MOMENT);
        let mut locations: Vec<&str> = moment.map(|(_, location)| *location).collect();
        locations.sort_unstable();
        locations.dedup();
        locations.len()
    });
    asked.max().unwrap_or(0)
}

pub fn since(times: Times, begin: Instant) -> Times {
    let later = times.into_iter().map(|(location, mut times)| {
        times.retain(|time| *time >= begin);
        (location, times)
    });
    later.collect()
}

pub fn pages(times: &Times) -> usize {
    times.values().map(Vec::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages so many milliseconds after the beginning.
    fn at(begin: Instant, millis: &[u64]) -> Vec<Instant> {
        let times = millis.iter().map(|it| begin + Duration::from_millis(*it));
        times.collect()
    }

    #[test]
    fn calls_a_minute_do_not_depend_on_where_the_time_ends() {
        let begin = Instant::now();
        for millis in [
            &[300, 310, 5300, 5310, 10_300, 10_310][..],
            &[4900, 4910, 9900, 9910, 14_900],
        ] {
            let found = a_minute(&at(begin, millis)).unwrap();
            assert!((found - 24.0).abs() < 1e-9, "{found}");
        }
        assert_eq!(a_minute(&at(begin, &[300, 310])), None);
        assert_eq!(a_minute(&[]), None);
    }

    #[test]
    fn locations_are_counted_once_in_a_moment() {
        let begin = Instant::now();
        let times = [
            ("a", &[0, 10, 5000][..]),
            ("b", &[490, 5400]),
            ("c", &[510, 5499]),
        ];
        let times: Times = times
            .into_iter()
            .map(|(location, millis)| (location.to_owned(), at(begin, millis)))
            .collect();
        assert_eq!(at_once(&times), 3);
        assert_eq!(pages(&times), 7);
        let early = since(times, begin + Duration::from_millis(5450));
        assert_eq!(at_once(&early), 1);
        assert_eq!(at_once(&Times::new()), 0);
    }
}
