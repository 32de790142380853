//! Waiting for a condition, with a bound, on a level: a test never misses an edge.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Short enough that a test hardly waits longer than it must, long enough to leave two cores to
/// the programs under test.
const PAUSE: Duration = Duration::from_millis(25);

/// What one look at a condition gives: whether it holds, alone or with what was seen; an `Option`; or a
/// `Result` whose error says what was seen.
pub trait Probe {
    /// What the condition gives once it holds.
    type Value;

    /// The value, or what was seen instead of it.
    fn value(self) -> Result<Self::Value, String>;
}

impl Probe for bool {
    type Value = ();

    fn value(self) -> Result<(), String> {
        self.then_some(()).value()
    }
}

impl<T: Debug> Probe for (bool, T) {
    type Value = ();

    fn value(self) -> Result<(), String> {
        let (holds, seen) = self;
        holds.then_some(()).ok_or(seen).value()
    }
}

impl<T> Probe for Option<T> {
    type Value = T;

    fn value(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".to_owned())
    }
}

impl<T, E: Debug> Probe for Result<T, E> {
    type Value = T;

    fn value(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// Looks every 25 ms until `look` gives a value, and returns it. Panics after `within` with `what`
/// and the last thing seen, also when a look itself hangs.
pub async fn eventually<P: Probe>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> P,
) -> P::Value {
    let start = Instant::now();
    let mut last = "nothing: the first look did not return".to_owned();
    while let Some(left) = within.checked_sub(start.elapsed()) {
        let Ok(seen) = tokio::time::timeout(left, look()).await else {
            break;
        };
        match seen.value() {
            Ok(value) => return value,
            Err(seen) => last = seen,
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("{what}: not within {within:?}; last seen: {last}");
}
