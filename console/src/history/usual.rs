//! How long runs usually take, and how many tasks usually arrive: as before they became slow, and before a
//! surge, if it came at once. An incident would otherwise soon be what is usual.

use worker_contract::metrics::RUN_SECONDS;

use super::quantile::quantile;
use super::ring::Sum;
use super::series::{BASELINE, BY_PRODUCERS, RUNS};

type Slot = Sum<BASELINE>;

/// The median of fewer runs says nothing.
const FEWEST_RUNS: f64 = 5.0;
/// What differs by less is the same: histograms know durations to a factor of two.
const SAME: f64 = 2.0;
/// What changes by more, from one slot to the next but one, doesn't change slowly.
const STEP: f64 = 3.0;

/// A slot with so many slow runs was slow at times; with so many of these slots, it comes and goes.
const NINE_OF_TEN: f64 = 0.9;
const AT_TIMES: usize = 2;

/// The slots that show how long runs usually take. `slots` are those before the window, newest first;
/// `median` is the window's, in seconds.
pub(super) fn usual_runs(slots: &[Slot], median: f64) -> Vec<&Slot> {
    let known = slots.iter().enumerate();
    let mut known = known.filter_map(|(at, slot)| Some((at, slot, own(slot)?)));
    let is_as_slow = |duration: f64| duration * SAME >= median;
    let mut slow = median;
    for (_, _, own) in known.by_ref() {
        if !is_as_slow(own) {
            // It may have begun in this one.
            break;
        }
        slow = own;
    }
    let before: Vec<(usize, &Slot, f64)> = known.collect();
    let was_slow = |slot: &Slot| duration(NINE_OF_TEN, slot).is_some_and(is_as_slow);
    let times = before.iter().filter(|(_, slot, _)| was_slow(slot)).count();
    if let Some((first, _, newest)) = before.first()
        && newest * STEP <= slow
        && times < AT_TIMES
    {
        return slots.iter().skip(*first).collect();
    }
    // It was so before, or has come slowly: then it is usual.
    let is_usual = |slot: &&Slot| own(slot).is_none_or(|own| own * STEP > median);
    slots.iter().filter(is_usual).collect()
}

/// The slots that show how many tasks producers usually create. `slots` are those before the window, newest
/// first; `now` is the window's rate, in tasks a second.
pub(super) fn usual_arrivals(slots: &[Slot], now: f64) -> &[Slot] {
    let is_surge = |slot: &Slot| rate(slot) * SAME > now;
    let newest = slots.iter().take_while(|slot| is_surge(slot)).count();
    // It may have begun in the next one.
    let before = slots.get(newest + 1..).unwrap_or_default();
    // With an earlier surge, it comes and goes. That is usual.
    if before.is_empty() || before.iter().any(is_surge) {
        return slots;
    }
    before
}

/// Tasks of producers, a second.
fn rate(slot: &Slot) -> f64 {
    slot.counts[BY_PRODUCERS] / slot.seconds
}

/// The median of a slot.
fn own(slot: &Slot) -> Option<f64> {
    let enough = slot.counts[RUNS].iter().sum::<f64>() >= FEWEST_RUNS;
    duration(0.5, slot).filter(|_| enough)
}

fn duration(q: f64, slot: &Slot) -> Option<f64> {
    let found = quantile(q, &slot.counts[RUNS], &RUN_SECONDS)?;
    Some(found.as_secs_f64())
}
