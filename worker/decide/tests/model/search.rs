//! The search for the shortest way to a broken promise.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use crate::rules::Rules;
use crate::setting::Setting;
use crate::trace;
use crate::world::World;

/// How the promise is broken, in as few steps as can be; none if it is kept.
pub fn broken(
    rules: impl Rules + Copy,
    setting: &Setting,
    promise: &'static str,
) -> Option<String> {
    let search = |depth| {
        World::new(rules, setting)
            .checker()
            .target_max_depth(depth)
            .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([promise])))
            .spawn_bfs()
            .join()
            .discovery(promise)
    };
    // The checker goes on for a while after a find, and keeps the last one. Below the depth of
    // what it kept, it finds a shorter one or nothing.
    let mut found = search(usize::MAX)?;
    while let Some(shorter) = search(found.clone().into_vec().len()) {
        found = shorter;
    }
    Some(trace::story(found))
}
