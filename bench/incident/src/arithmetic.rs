//! The arithmetic that predicts when a first queue gives way, and how far, without any simulation.

use crate::design::{Design, Entry};
use crate::scene::{Harm, Scene};

/// What a scene asks of a design's first queue while the incident lasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// Dispatches a second: each task one, and each that is struck its further attempts: λ(1 + f(N−1)).
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

/// What the scene asks of the design's first queue.
pub fn demand(scene: &Scene, design: &Design) -> Demand {
    let Some(first) = design.stages.first() else {
        return Demand {
            dispatches: 0.0,
            slots: 0.0,
        };
    };
    let (load, share) = (scene.load, scene.share);
    let healthy = load * (1.0 - share);
    let struck = match design.entry {
        // All of them, once: the worker hands them on before the handler runs.
        Entry::First if first.diverts.is_some() => load * share,
        Entry::First => load * share * f64::from(first.attempts.get()),
        Entry::Foreseen => 0.0,
    };
    let hangs = match scene.harm {
        Harm::Hangs if first.diverts.is_none() => first.timeout.as_secs_f64(),
        Harm::Hangs | Harm::Fails => 0.0,
    };
    Demand {
        dispatches: healthy + struck,
        slots: healthy * scene.success_takes.as_secs_f64() + struck * hangs,
    }
}

/// The load, in tasks a second, above which the design's first queue gives way, and what runs out.
pub fn holds_to(scene: &Scene, design: &Design) -> (f64, Bound) {
    let one = Scene {
        load: 1.0,
        ..scene.clone()
    };
    let each = demand(&one, design);
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
pub fn keeps_up(scene: &Scene, design: &Design) -> f64 {
    let Some(first) = design.stages.first() else {
        return 0.0;
    };
    let limits = first.limits;
    let attempts = match first.diverts {
        Some(_) => 1,
        None => first.attempts.get(),
    };
    let fits = |part: f64| {
        let mut struck = 0.0;
        let mut power = 1.0;
        for _ in 0..attempts {
            power *= part;
            struck += power;
        }
        // As if each struck task were tried so often, and a part of all came.
        let tried = struck / (part * f64::from(attempts));
        let all = demand(scene, design);
        let healthy = Scene {
            share: 0.0,
            load: scene.load * (1.0 - scene.share),
            ..scene.clone()
        };
        let healthy = demand(&healthy, design);
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
