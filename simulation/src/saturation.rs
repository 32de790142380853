//! The arithmetic that predicts when a first queue gives way, and how far, without any simulation.

use crate::design::{Design, Entry};
use crate::scenario::{Fault, Scenario};

/// What a scenario asks of a design's first queue while the incident lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfferedLoad {
    /// Dispatches a second: each task one, and each that is affected its further attempts: λ(1 + f(N−1)).
    pub dispatches: f64,
    /// Dispatches under way at once: λ f N T for those that hang, and what runs that succeed take.
    pub slots: f64,
}

/// What bounds a first queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Its rate.
    Rate,
    /// Its concurrency.
    Concurrency,
}

/// What the scenario asks of the design's first queue.
pub fn offered_load(scenario: &Scenario, design: &Design) -> OfferedLoad {
    let Some(first) = design.stages.first() else {
        return OfferedLoad {
            dispatches: 0.0,
            slots: 0.0,
        };
    };
    let (load, share) = (scenario.load, scenario.share);
    // A run that fails by chance is one more, of as many as are left.
    let mut runs = 0.0;
    let mut left = 1.0;
    for _ in 0..first.attempts.get() {
        runs += left;
        left *= scenario.unlucky.healthy;
    }
    let healthy = load * (1.0 - share) * runs;
    let affected = match design.entry {
        // All of them, once: the worker hands them on before the handler runs.
        Entry::First if first.reroutes_to.is_some() => load * share,
        Entry::First => load * share * f64::from(first.attempts.get()),
        Entry::Oracle => 0.0,
    };
    let hangs = match scenario.fault {
        Fault::Hangs if first.reroutes_to.is_none() => first.timeout.as_secs_f64(),
        Fault::Hangs | Fault::Fails => 0.0,
    };
    OfferedLoad {
        dispatches: healthy + affected,
        slots: healthy * scenario.success_takes.as_secs_f64() + affected * hangs,
    }
}

/// The load, in tasks a second, above which the design's first queue gives way, and what runs out.
pub fn saturation_load(scenario: &Scenario, design: &Design) -> (f64, Bound) {
    let one = Scenario {
        load: 1.0,
        ..scenario.clone()
    };
    let each = offered_load(&one, design);
    let limits = design.stages.first().map(|stage| stage.limits);
    let (rate, slots) = limits.map_or((0.0, 0.0), |it| (it.rate, f64::from(it.concurrency)));
    let (by_rate, by_slots) = (rate / each.dispatches, slots / each.slots);
    if by_rate <= by_slots {
        (by_rate, Bound::Rate)
    } else {
        (by_slots, Bound::Concurrency)
    }
}

/// The part of the load that the design's first queue keeps up with while the incident lasts: 1 until
/// it gives way.
///
/// A queue that gives way serves what has waited longest. When its delay grows by g seconds a second,
/// what is due at t is dispatched at t(1 + g): so of the first attempts r = 1/(1 + g) of those that come
/// are made, of the second ones r², and r is what makes the sum fit: λ((1−f) r + f (r + … + r^N)) = rate,
/// or the same with what each holds of the slots.
pub fn keeps_up(scenario: &Scenario, design: &Design) -> f64 {
    let Some(first) = design.stages.first() else {
        return 0.0;
    };
    let limits = first.limits;
    let attempts = match first.reroutes_to {
        Some(_) => 1,
        None => first.attempts.get(),
    };
    let fits = |part: f64| {
        let mut affected = 0.0;
        let mut power = 1.0;
        for _ in 0..attempts {
            power *= part;
            affected += power;
        }
        // As if each affected task were tried so often, and a part of all came.
        let tried = affected / (part * f64::from(attempts));
        let all = offered_load(scenario, design);
        let healthy = Scenario {
            share: 0.0,
            load: scenario.load * (1.0 - scenario.share),
            ..scenario.clone()
        };
        let healthy = offered_load(&healthy, design);
        let sum = |all: f64, healthy: f64| part * (healthy + (all - healthy) * tried);
        sum(all.dispatches, healthy.dispatches) <= limits.rate
            && sum(all.slots, healthy.slots) <= f64::from(limits.concurrency)
    };
    if fits(1.0) {
        return 1.0;
    }
    let (mut least, mut most) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = f64::midpoint(least, most);
        if fits(middle) {
            least = middle;
        } else {
            most = middle;
        }
    }
    least
}
