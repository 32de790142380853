//! How pods are rolled: a surge of one, and none is stopped before there is another in its place.

use crate::pod::Pod;

/// What to do for one Deployment now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// How many pods of the newest template to start.
    pub start: usize,
    /// The pods to stop, by their places.
    pub stop: Vec<usize>,
}

/// A pod as far as a rollout sees it.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Whether it has the newest template.
    pub is_new: bool,
    /// Whether it takes pushes.
    pub ready: bool,
    /// Whether it was told to stop.
    pub stopping: bool,
}

impl Seen {
    /// How a pod looks.
    pub fn of(pod: &Pod, newest: &str) -> Self {
        Self {
            is_new: pod.hash == newest,
            ready: pod.ready,
            stopping: pod.stopping.is_some(),
        }
    }
}

/// What to do for a Deployment that wants so many pods.
pub fn moves(pods: &[Seen], wanted: usize) -> Moves {
    let living = pods.iter().enumerate().filter(|(_, pod)| !pod.stopping);
    let living: Vec<(usize, Seen)> = living.map(|(place, pod)| (place, *pod)).collect();
    let count = |is: &dyn Fn(&Seen) -> bool| living.iter().filter(|(_, pod)| is(pod)).count();
    let new = count(&|pod| pod.is_new);
    let old = living.len() - new;
    // Only a rollout may surge.
    let most = if old > 0 { wanted + 1 } else { wanted };
    let start = wanted
        .saturating_sub(new)
        .min(most.saturating_sub(living.len()));

    let mut stop = Vec::new();
    let mut spare = count(&|pod| pod.ready).saturating_sub(wanted);
    for (place, pod) in living.iter().filter(|(_, pod)| !pod.is_new) {
        // One that isn't ready is missed by nobody.
        if !pod.ready {
            stop.push(*place);
        } else if spare > 0 {
            spare -= 1;
            stop.push(*place);
        }
    }
    let surplus = new.saturating_sub(wanted);
    let mut last = living.iter().rev().filter(|(_, pod)| pod.is_new);
    stop.extend(
        last.by_ref()
            .take(if old == 0 { surplus } else { 0 })
            .map(|(place, _)| *place),
    );
    Moves { start, stop }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Seen = Seen {
        is_new: true,
        ready: true,
        stopping: false,
    };
    const OLD: Seen = Seen {
        is_new: false,
        ..NEW
    };
    const STARTS: Seen = Seen {
        ready: false,
        ..NEW
    };

    fn moved(pods: &[Seen], wanted: usize) -> (usize, Vec<usize>) {
        let Moves { start, stop } = moves(pods, wanted);
        (start, stop)
    }

    #[test]
    fn a_new_pod_is_ready_before_an_old_one_stops() {
        assert_eq!(moved(&[], 2), (2, vec![]));
        assert_eq!(moved(&[OLD, OLD], 2), (1, vec![]));
        assert_eq!(moved(&[OLD, OLD, STARTS], 2), (0, vec![]));
        assert_eq!(moved(&[OLD, OLD, NEW], 2), (0, vec![0]));
        let stopping = Seen {
            stopping: true,
            ..OLD
        };
        assert_eq!(moved(&[stopping, OLD, NEW], 2), (1, vec![]));
        assert_eq!(moved(&[OLD, NEW, NEW], 2), (0, vec![0]));
        assert_eq!(moved(&[NEW, NEW], 2), (0, vec![]));
    }

    #[test]
    fn the_newest_go_first_when_there_are_too_many() {
        assert_eq!(moved(&[NEW, NEW, NEW], 1), (0, vec![2, 1]));
        assert_eq!(moved(&[OLD, NEW], 0), (0, vec![0]));
        assert_eq!(moved(&[NEW], 0), (0, vec![0]));
    }
}
