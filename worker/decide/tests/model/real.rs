//! The real rules keep every promise in every setting.

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use crate::rules::Real;
use crate::setting::Setting;
use crate::settings;
use crate::trace;
use crate::world::World;

pub fn hold(setting: &Setting) {
    let begin = Instant::now();
    let checker = World::new(Real, setting)
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!(
        "| {} | {} | {} | {} | {:.1} s |",
        setting.name,
        setting.budget,
        checker.unique_state_count(),
        checker.max_depth(),
        begin.elapsed().as_secs_f64()
    );
    for (promise, path) in checker.discoveries() {
        println!("broken: {promise}\n{}", trace::story(path));
    }
    checker.assert_properties();
}

/// All faults, and then one more of those that leave one dispatch of a task in flight at a time.
fn hold_in_both(setting: Setting, faults: u8, faults_one_at_a_time: u8) {
    hold(&setting.clone().budget(faults));
    hold(&setting.budget(faults_one_at_a_time).one_at_a_time());
}

macro_rules! rules_hold_in {
    ($($setting:ident, deep $faults:literal $one_at_a_time:literal;)*) => {
        $(#[test]
        fn $setting() {
            let setting = settings::$setting();
            let faults = setting.budget;
            hold_in_both(setting, faults, faults + 1);
        })*

        mod deep {
            use super::{hold_in_both, settings};

            $(#[test]
            #[ignore = "takes minutes: make model"]
            fn $setting() {
                hold_in_both(settings::$setting(), $faults, $one_at_a_time);
            })*
        }
    };
}

rules_hold_in! {
    one_attempt, deep 3 6;
    one_stage, deep 3 6;
    two_stages, deep 3 6;
    three_stages, deep 2 5;
    callers_hang_up, deep 2 4;
    poison, deep 2 4;
    refused_whole, deep 3 6;
    refused, deep 3 6;
    isolation, deep 2 5;
    isolation_to_the_last, deep 2 4;
    outage, deep 3 6;
    outage_without_end, deep 2 3;
    later, deep 2 3;
    later_on_two_stages, deep 2 3;
    retry_after, deep 2 3;
    callers_hang_up_later, deep 0 2;
    later_refused, deep 1 3;
    later_late_creates, deep 2 4;
    later_newer_ledgers, deep 2 4;
    later_deletes, deep 2 3;
    later_fewer_attempts, deep 1 3;
    late_creates, deep 3 5;
    verdicts, deep 3 5;
    routes, deep 2 5;
    header_route, deep 3 6;
    producer_writes_597, deep 3 6;
    producer_writes_596, deep 3 6;
    newer_ledgers, deep 2 4;
    squatted, deep 2 4;
    deletes, deep 2 4;
    failures_only, deep 3 6;
    nothing_told, deep 3 6;
    conflicts, deep 3 6;
    more_attempts, deep 2 4;
    fewer_attempts, deep 2 4;
    appended, deep 3 5;
    inserted, deep 2 3;
    removed, deep 2 4;
    swapped, deep 2 3;
    swapped_later, deep 1 2;
    parking, deep 3 5;
    parking_on_two_stages, deep 2 4;
    parking_verdicts, deep 2 4;
    parking_routes, deep 2 4;
    parking_kept, deep 2 4;
    parking_folded, deep 2 4;
    parking_refused, deep 2 4;
    parking_gone, deep 2 4;
    parking_unpassable, deep 2 4;
    parking_late, deep 3 4;
    parking_callers_hang_up, deep 2 4;
    parking_poison, deep 2 4;
    parking_later, deep 2 3;
    parking_newer_ledgers, deep 2 4;
    parking_deletes, deep 2 4;
    parking_untold, deep 2 4;
    parking_added, deep 2 4;
    parking_removed, deep 2 4;
    lives, deep 1 3;
    lives_on_two_stages, deep 1 1;
    lives_of_two_attempts, deep 1 3;
    lives_with_duplicates, deep 2 3;
    lives_kept, deep 2 3;
    lives_untold, deep 2 3;
}

/// What [`crate::order`] leaves out hides nothing here.
#[test]
fn all_orders() {
    hold(&settings::one_attempt_in_all_orders());
    hold(&settings::two_stages_in_all_orders());
    hold(&settings::later_in_all_orders());
    hold(&settings::lives_in_all_orders());
}

#[test]
#[ignore = "takes minutes: make model"]
fn all_orders_deep() {
    hold(&settings::one_attempt_in_all_orders().budget(3));
    hold(&settings::two_stages_in_all_orders().budget(2));
    hold(&settings::later_in_all_orders().budget(2));
}
