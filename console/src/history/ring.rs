//! Counts by time: a few slots of the same length, of which new ones replace the oldest.

/// The newest `N` slots of a stage. Each has `M` counters.
#[derive(Debug, Clone)]
pub(super) struct Ring<const N: usize, const M: usize> {
    /// The length of a slot in seconds.
    width: f64,
    slots: [Slot<M>; N],
}

#[derive(Debug, Clone)]
struct Slot<const M: usize> {
    /// Its begin, in widths.
    index: u32,
    /// The fewest ready pods at once, of the times when it was added to: pods that are new now have counted
    /// nothing then.
    pods: u16,
    /// The time that the counters cover, summed over pods.
    pod_seconds: f32,
    counts: [f32; M],
    labels: Vec<f32>,
}

/// What a pod has counted from one time to another, in seconds. Counters that are missing are 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Added<'a> {
    pub from: f64,
    pub to: f64,
    pub counts: &'a [u64],
    /// By number.
    pub labels: &'a [(usize, u64)],
}

/// What all ready pods have counted in some slots: estimated from those that were asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sum<const M: usize> {
    pub seconds: f64,
    pub counts: [f64; M],
    pub labels: Vec<f64>,
}

impl<const N: usize, const M: usize> Ring<N, M> {
    pub(super) fn new(width: u16) -> Self {
        let slot = || Slot {
            index: 0,
            pods: 0,
            pod_seconds: 0.0,
            counts: [0.0; M],
            labels: Vec::new(),
        };
        Self {
            width: width.into(),
            slots: std::array::from_fn(|_| slot()),
        }
    }

    /// The slot that begins at this time, or has it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times are seconds since a start, and the quotient is cut off on purpose"
    )]
    pub(super) fn from(&self, seconds: f64) -> u32 {
        (seconds / self.width) as u32
    }

    /// The slot that ends at this time, or has it.
    pub(super) fn until(&self, seconds: f64) -> u32 {
        let slot = self.from(seconds);
        let begins = f64::from(slot) * self.width >= seconds;
        slot.saturating_sub(u32::from(begins))
    }

    /// Counts are spread evenly over their time.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "counts of minutes"
    )]
    pub(super) fn add(&mut self, added: Added<'_>, pods: u16) {
        let Added {
            from,
            to,
            counts,
            labels,
        } = added;
        let last = self.until(to);
        let kept = u32::try_from(N).unwrap_or(u32::MAX).saturating_sub(1);
        for index in self.from(from).max(last.saturating_sub(kept))..=last {
            let begin = f64::from(index) * self.width;
            let seconds = to.min(begin + self.width) - from.max(begin);
            if seconds <= 0.0 {
                continue;
            }
            let share = (seconds / (to - from)) as f32;
            let slot = &mut self.slots[index as usize % N];
            if slot.index > index {
                continue;
            }
            if slot.index < index || slot.pod_seconds <= 0.0 {
                slot.clear(index);
                slot.pods = pods;
            }
            slot.pods = slot.pods.min(pods);
            slot.pod_seconds += seconds as f32;
            for (sum, count) in slot.counts.iter_mut().zip(counts) {
                *sum += *count as f32 * share;
            }
            for (label, count) in labels {
                if slot.labels.len() <= *label {
                    slot.labels.resize(label + 1, 0.0);
                }
                slot.labels[*label] += *count as f32 * share;
            }
        }
    }

    /// The slots from `first` to `last`, as far as they are kept. The stage is known from `since` to `until`.
    pub(super) fn sum(&self, first: u32, last: u32, since: f64, until: f64) -> Sum<M> {
        let mut sum = Sum {
            seconds: 0.0,
            counts: [0.0; M],
            labels: Vec::new(),
        };
        for slot in &self.slots {
            if !(first..=last).contains(&slot.index) || slot.pod_seconds <= 0.0 {
                continue;
            }
            let begin = f64::from(slot.index) * self.width;
            let seconds = until.min(begin + self.width) - since.max(begin);
            let pod_seconds = f64::from(slot.pod_seconds);
            // Pods that have gone have counted too.
            let scale = (f64::from(slot.pods) * seconds / pod_seconds).max(1.0);
            sum.seconds += seconds;
            for (sum, count) in sum.counts.iter_mut().zip(&slot.counts) {
                *sum += f64::from(*count) * scale;
            }
            if sum.labels.len() < slot.labels.len() {
                sum.labels.resize(slot.labels.len(), 0.0);
            }
            for (sum, count) in sum.labels.iter_mut().zip(&slot.labels) {
                *sum += f64::from(*count) * scale;
            }
        }
        sum
    }
}

impl<const M: usize> Slot<M> {
    fn clear(&mut self, index: u32) {
        self.index = index;
        self.pod_seconds = 0.0;
        self.counts.fill(0.0);
        self.labels.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(from: f64, to: f64, counts: &[u64]) -> Added<'_> {
        Added {
            from,
            to,
            counts,
            labels: &[],
        }
    }

    #[test]
    fn counts_are_spread_over_the_slots_of_their_time() {
        let mut ring = Ring::<3, 2>::new(10);
        ring.add(added(5.0, 25.0, &[40, 4]), 1);
        let of = |first, last| {
            let sum = ring.sum(first, last, 5.0, 25.0);
            (sum.seconds, sum.counts)
        };
        assert_eq!(of(0, 0), (5.0, [10.0, 1.0]));
        assert_eq!(of(1, 1), (10.0, [20.0, 2.0]));
        assert_eq!(of(0, 2), (20.0, [40.0, 4.0]));
    }

    #[test]
    fn an_old_slot_is_replaced_and_gets_nothing_any_more() {
        let mut ring = Ring::<2, 1>::new(10);
        ring.add(added(0.0, 10.0, &[10]), 1);
        ring.add(added(10.0, 30.0, &[20]), 1);
        // Another pod that was not asked for longer.
        ring.add(added(0.0, 30.0, &[30]), 1);
        let sum = ring.sum(0, 2, 0.0, 30.0);
        assert_eq!((sum.seconds, sum.counts), (20.0, [40.0]));
    }

    #[test]
    fn pods_that_were_not_asked_count_like_the_others() {
        let mut ring = Ring::<2, 1>::new(10);
        ring.add(added(0.0, 10.0, &[10]), 4);
        ring.add(added(0.0, 10.0, &[20]), 4);
        let all = |ring: &Ring<2, 1>| ring.sum(0, 0, 0.0, 10.0).counts.map(f64::round);
        assert_eq!(all(&ring).map(|it| it.to_string()), ["60"]);
        // Pods that come later have counted nothing then.
        ring.add(added(0.0, 10.0, &[0]), 40);
        assert_eq!(all(&ring).map(|it| it.to_string()), ["40"]);
        // Three pods have gone since.
        ring.add(added(0.0, 10.0, &[0]), 1);
        assert_eq!(all(&ring).map(|it| it.to_string()), ["30"]);
    }
}
