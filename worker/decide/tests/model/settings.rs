//! The settings that are checked.

use decide::headers::{EXECUTION_COUNT, PREVIOUS_RESPONSE, QUEUE_NAME, RETRY_COUNT, TASK_NAME};
use decide::{EndCause, NotifyOn, StagePolicy};

use crate::faults::{ALL, Always, Fault, Parking, Refuses};
use crate::handler::Handler;
use crate::setting::{self, Setting, chain, queue_path};
use crate::state::PARKING;

const TIMEOUT_TO_LAST: &str =
    r#"{"match": {"reason": "timeout"}, "to": "projects/p/locations/l/queues/incoming-3"}"#;
const NOT_FOUND_TO_FAIL: &str = r#"{"match": {"status": "404"}, "to": "fail"}"#;

pub fn one_attempt() -> Setting {
    Setting::ladder("one stage, N = 1", &[1])
}

pub fn one_stage() -> Setting {
    Setting::ladder("one stage, N = 3", &[3])
}

pub fn two_stages() -> Setting {
    Setting::ladder("two stages, N = 2, 1", &[2, 1])
}

pub fn three_stages() -> Setting {
    Setting::ladder("three stages, N = 1, 2, 1", &[1, 2, 1])
}

pub fn one_attempt_in_all_orders() -> Setting {
    Setting {
        all_orders: true,
        ..Setting::ladder("one stage, N = 1, in all orders", &[1])
    }
}

pub fn two_stages_in_all_orders() -> Setting {
    Setting {
        all_orders: true,
        ..Setting::ladder("two stages, N = 2, 1, in all orders", &[2, 1]).budget(1)
    }
}

pub fn callers_hang_up() -> Setting {
    Setting {
        always: Always::HungUp,
        ..Setting::ladder("callers hang up in every run, N = 3, 1", &[3, 1]).budget(1)
    }
}

pub fn poison() -> Setting {
    Setting {
        always: Always::Killed,
        ..Setting::ladder("every run kills its worker, N = 1, 1", &[1, 1]).budget(1)
    }
}

pub fn poison_in_all_orders() -> Setting {
    Setting {
        all_orders: true,
        ..poison().faults(&[Fault::Twice])
    }
}

pub fn refused_whole() -> Setting {
    Setting {
        refuses: Refuses::Unfolded,
        ..Setting::ladder("hand-overs refused unless folded, N = 1, 1", &[1, 1])
    }
}

pub fn refused() -> Setting {
    Setting {
        refuses: Refuses::All,
        ..Setting::ladder("every hand-over refused, N = 1, 1", &[1, 1])
    }
}

pub fn verdicts() -> Setting {
    Setting::ladder("verdicts, N = 2, 1", &[2, 1]).handler(&[
        Handler::Fails,
        Handler::Escalates,
        Handler::GivesUp,
    ])
}

pub fn isolation() -> Setting {
    Setting::ladder("isolation, N = 2, 1", &[2, 1])
        .isolates(1)
        .budget(1)
}

pub fn isolation_to_the_last() -> Setting {
    Setting::ladder("isolation to the last stage, N = 1, 1, 1", &[1, 1, 1])
        .isolates(2)
        .budget(1)
}

pub fn outage() -> Setting {
    Setting::ladder("hold, N = 2, 1", &[2, 1]).holds().budget(1)
}

pub fn outage_without_end() -> Setting {
    let faults = ALL.into_iter().filter(|fault| *fault != Fault::Unreachable);
    let faults: Vec<Fault> = faults.collect();
    Setting {
        always: Always::Held,
        ..Setting::ladder("hold without end, N = 1, 1", &[1, 1])
            .faults(&faults)
            .budget(1)
    }
}

const PUTS_OFF: [Handler; 3] = [
    Handler::Fails,
    Handler::AsksForTime,
    Handler::SaysRetryAfter,
];

pub fn later() -> Setting {
    Setting::ladder("put off up to twice, N = 2", &[2])
        .handler(&[Handler::Succeeds, Handler::Fails, Handler::AsksForTime])
        .put_offs(2)
        .budget(1)
}

pub fn later_on_two_stages() -> Setting {
    Setting::ladder("put off once on each stage, N = 1, 1", &[1, 1])
        .handler(&[Handler::Fails, Handler::AsksForTime])
        .put_offs(1)
        .budget(1)
}

pub fn retry_after() -> Setting {
    Setting::ladder("put off with and without Retry-After, N = 2", &[2])
        .handler(&PUTS_OFF)
        .put_offs(2)
        .budget(1)
}

pub fn callers_hang_up_later() -> Setting {
    Setting {
        always: Always::HungUp,
        ..Setting::ladder("put off, and callers hang up in every run, N = 3", &[3])
            .handler(&PUTS_OFF)
            .put_offs(1)
            .budget(0)
    }
}

pub fn later_refused() -> Setting {
    Setting {
        refuses: Refuses::All,
        ..Setting::ladder("every hand-over and put-off refused, N = 2", &[2])
            .handler(&PUTS_OFF)
            .put_offs(1)
            .budget(0)
    }
}

pub fn later_late_creates() -> Setting {
    Setting::ladder("put-offs that take effect late, N = 2", &[2])
        .faults(&[Fault::Late, Fault::Create, Fault::Killed, Fault::HungUp])
        .handler(&PUTS_OFF)
        .put_offs(1)
        .budget(1)
}

pub fn later_newer_ledgers() -> Setting {
    Setting {
        newer_ledgers: true,
        ..Setting::ladder("put off with ledgers of a newer version, N = 1", &[1])
            .handler(&PUTS_OFF)
            .put_offs(1)
            .budget(1)
    }
}

pub fn later_deletes() -> Setting {
    Setting {
        deletes: true,
        ..Setting::ladder("an owner deletes a task that is put off, N = 2", &[2])
            .handler(&PUTS_OFF)
            .put_offs(1)
            .budget(1)
    }
}

pub fn later_in_all_orders() -> Setting {
    Setting {
        all_orders: true,
        ..Setting::ladder("put off once, N = 2, in all orders", &[2])
            .handler(&PUTS_OFF)
            .put_offs(1)
            .budget(1)
    }
}

pub fn late_creates() -> Setting {
    Setting::ladder("creates that take effect late, N = 1, 1", &[1, 1])
        .faults(&[Fault::Late, Fault::Create, Fault::Killed, Fault::HungUp])
        .handler(&[Handler::Succeeds, Handler::Fails, Handler::GivesUp])
}

pub fn routes() -> Setting {
    Setting::ladder("routes by reason and status, N = 1, 1, 1", &[1, 1, 1])
        .routes(0, &format!("[{TIMEOUT_TO_LAST}, {NOT_FOUND_TO_FAIL}]"))
        .handler(&[Handler::Fails, Handler::TimesOut, Handler::Says404])
}

pub fn header_route() -> Setting {
    Setting {
        headers: vec![("x-customer", "acme")],
        ..Setting::ladder("a route by header, N = 2, 1, 1", &[2, 1, 1]).routes(
            0,
            r#"[{"match": {"header": {"name": "X-Customer", "value": "acme"}},
                 "to": "projects/p/locations/l/queues/incoming-3"}]"#,
        )
    }
}

pub fn producer_writes_597() -> Setting {
    producer_writes("a producer writes P = 597, N = 1", "597")
}

pub fn producer_writes_596() -> Setting {
    producer_writes("a producer writes P = 596, N = 1", "596")
}

/// All headers of Cloud Tasks, as if the task had been dispatched before.
fn producer_writes(name: &str, previous: &'static str) -> Setting {
    Setting {
        headers: vec![
            (QUEUE_NAME, "another"),
            (TASK_NAME, "another"),
            (RETRY_COUNT, "9"),
            (EXECUTION_COUNT, "9"),
            (PREVIOUS_RESPONSE, previous),
        ],
        ..Setting::ladder(name, &[1])
    }
}

pub fn newer_ledgers() -> Setting {
    Setting {
        newer_ledgers: true,
        ..Setting::ladder("ledgers of a newer version, N = 1, 1", &[1, 1]).budget(1)
    }
}

pub fn squatted() -> Setting {
    Setting {
        squatted: true,
        ..Setting::ladder("names used by another producer, N = 1, 1", &[1, 1])
    }
}

pub fn deletes() -> Setting {
    Setting {
        deletes: true,
        ..Setting::ladder("an owner deletes its task, N = 2, 1", &[2, 1]).budget(1)
    }
}

pub fn failures_only() -> Setting {
    Setting::ladder("only failures are notified, N = 2, 1", &[2, 1]).told(NotifyOn {
        succeeded: false,
        failed: true,
    })
}

pub fn nothing_told() -> Setting {
    Setting::ladder("nothing is notified, N = 2, 1", &[2, 1]).told(NOTHING)
}

const NOTHING: NotifyOn = NotifyOn {
    succeeded: false,
    failed: false,
};

pub fn conflicts() -> Setting {
    Setting {
        codes: vec![409],
        ..Setting::ladder("a proxy that answers 409, N = 2, 1", &[2, 1])
    }
}

pub fn more_attempts() -> Setting {
    let (old, new) = ([(0, 1), (1, 1)], [(0, 3), (1, 1)]);
    let (old, new) = (chain(&old, &[]), chain(&new, &[]));
    Setting::edit("N from 1 to 3, first stage", old, new, 2).budget(1)
}

pub fn fewer_attempts() -> Setting {
    let (old, new) = ([(0, 1), (1, 3)], [(0, 1), (1, 1)]);
    let (old, new) = (chain(&old, &[]), chain(&new, &[]));
    Setting::edit("N from 3 to 1, last stage", old, new, 2).budget(1)
}

pub fn later_fewer_attempts() -> Setting {
    let (old, new) = (chain(&[(0, 2)], &[]), chain(&[(0, 1)], &[]));
    Setting::edit("N from 2 to 1, put off meanwhile", old, new, 1)
        .handler(&PUTS_OFF)
        .put_offs(1)
        .budget(0)
}

pub fn appended() -> Setting {
    let (old, new) = ([(0, 1)], [(0, 1), (1, 1)]);
    Setting::edit("a stage appended", chain(&old, &[]), chain(&new, &[]), 2)
}

pub fn inserted() -> Setting {
    let (old, new) = ([(0, 1), (2, 1)], [(0, 1), (1, 1), (2, 1)]);
    Setting::edit("a stage inserted", chain(&old, &[]), chain(&new, &[]), 2).budget(1)
}

pub fn removed() -> Setting {
    let (old, new) = ([(0, 1), (1, 1), (2, 1)], [(0, 1), (2, 1)]);
    Setting::edit("a stage removed", chain(&old, &[]), chain(&new, &[1]), 2).budget(1)
}

pub fn swapped() -> Setting {
    let (old, new) = ([(0, 1), (1, 1)], [(1, 1), (0, 1)]);
    // A task comes back to its first queue when the old workers there are gone: until then the operator
    // tells nobody of that hand-over.
    Setting::edit("two stages swapped", chain(&old, &[]), chain(&new, &[]), 2).budget(1)
}

pub fn swapped_later() -> Setting {
    let old = [(0, 1), (1, 1), (2, 1)];
    let new = [(0, 1), (2, 1), (1, 1)];
    let (old, new) = (chain(&old, &[]), chain(&new, &[]));
    Setting::edit("two later stages swapped", old, new, 3).budget(0)
}

const VERDICTS: [Handler; 3] = [Handler::Succeeds, Handler::Fails, Handler::GivesUp];

fn all_causes() -> Vec<EndCause> {
    EndCause::all().into_iter().collect()
}

pub fn parking() -> Setting {
    Setting::ladder("parking, N = 2", &[2]).parks(&all_causes())
}

pub fn parking_on_two_stages() -> Setting {
    Setting::ladder("parking, N = 1, 1", &[1, 1])
        .parks(&all_causes())
        .budget(1)
}

pub fn parking_verdicts() -> Setting {
    Setting::ladder("parking, with verdicts, N = 2, 1", &[2, 1])
        .handler(&[Handler::Succeeds, Handler::Escalates, Handler::GivesUp])
        .parks(&all_causes())
        .budget(1)
}

pub fn parking_routes() -> Setting {
    let to_last =
        r#"{"match": {"reason": "timeout"}, "to": "projects/p/locations/l/queues/incoming-2"}"#;
    Setting::ladder("parking, with routes, N = 2, 1", &[2, 1])
        .routes(0, &format!("[{to_last}, {NOT_FOUND_TO_FAIL}]"))
        .handler(&[Handler::Succeeds, Handler::TimesOut, Handler::Says404])
        .parks(&all_causes())
        .budget(1)
}

pub fn parking_kept() -> Setting {
    Setting::ladder("parking of the verdict fail alone, N = 2", &[2])
        .handler(&VERDICTS)
        .parks(&[EndCause::Fail])
        .budget(1)
}

pub fn parking_folded() -> Setting {
    Setting {
        parking: Parking::TakesFolded,
        ..Setting::ladder("parking refused unless folded, N = 1", &[1])
            .parks(&all_causes())
            .budget(1)
    }
}

pub fn parking_refused() -> Setting {
    Setting {
        parking: Parking::Refuses,
        ..Setting::ladder("parking refused, N = 2", &[2])
            .handler(&VERDICTS)
            .parks(&all_causes())
            .budget(1)
    }
}

pub fn parking_gone() -> Setting {
    Setting {
        parking: Parking::Gone,
        ..Setting::ladder("the parking queue is gone, N = 2", &[2])
            .handler(&VERDICTS)
            .parks(&all_causes())
            .budget(1)
    }
}

pub fn parking_unpassable() -> Setting {
    Setting {
        refuses: Refuses::All,
        ..Setting::ladder("parking, and every hand-over refused, N = 1, 1", &[1, 1])
            .parks(&all_causes())
            .budget(1)
    }
}

pub fn parking_late() -> Setting {
    Setting::ladder("parking that takes effect late, N = 2", &[2])
        .faults(&[Fault::Late, Fault::Create, Fault::Killed, Fault::HungUp])
        .handler(&VERDICTS)
        .parks(&all_causes())
}

pub fn parking_callers_hang_up() -> Setting {
    Setting {
        always: Always::HungUp,
        ..Setting::ladder("parking, and callers hang up in every run, N = 2", &[2])
            .parks(&all_causes())
            .budget(1)
    }
}

pub fn parking_poison() -> Setting {
    Setting {
        always: Always::Killed,
        ..Setting::ladder("parking, and every run kills its worker, N = 1", &[1])
            .parks(&all_causes())
            .budget(1)
    }
}

pub fn parking_later() -> Setting {
    Setting::ladder("parking, and put off once, N = 2", &[2])
        .handler(&[Handler::Succeeds, Handler::Fails, Handler::AsksForTime])
        .put_offs(1)
        .parks(&all_causes())
        .budget(1)
}

pub fn parking_newer_ledgers() -> Setting {
    Setting {
        newer_ledgers: true,
        ..Setting::ladder(
            "parking, with ledgers of a newer version, N = 1, 1",
            &[1, 1],
        )
        .parks(&all_causes())
        .budget(1)
    }
}

pub fn parking_deletes() -> Setting {
    Setting {
        deletes: true,
        ..Setting::ladder("parking, and an owner deletes its task, N = 2", &[2])
            .parks(&all_causes())
            .budget(1)
    }
}

pub fn parking_untold() -> Setting {
    Setting::ladder("parking, and nothing is notified, N = 2", &[2])
        .handler(&VERDICTS)
        .told(NOTHING)
        .parks(&all_causes())
        .budget(1)
}

pub fn parking_added() -> Setting {
    let old = chain(&[(0, 2)], &[]);
    let new = with_parking(old.clone());
    parking_edit("parking is added, N = 2", old, new)
}

pub fn parking_removed() -> Setting {
    let new: Vec<StagePolicy> = chain(&[(0, 2)], &[])
        .into_iter()
        .map(|policy| StagePolicy {
            retired_parking: vec![queue_path(PARKING.into())],
            ..policy
        })
        .collect();
    let old = with_parking(chain(&[(0, 2)], &[]));
    parking_edit("parking is removed, N = 2", old, new)
}

fn with_parking(policies: Vec<StagePolicy>) -> Vec<StagePolicy> {
    let parks = |policy| StagePolicy {
        parking: Some(setting::parking(&all_causes())),
        ..policy
    };
    policies.into_iter().map(parks).collect()
}

fn parking_edit(name: &str, old: Vec<StagePolicy>, new: Vec<StagePolicy>) -> Setting {
    Setting {
        parking: Parking::Takes,
        ..Setting::edit(name, old, new, 2)
            .handler(&VERDICTS)
            .budget(1)
    }
}

pub fn lives() -> Setting {
    Setting::ladder("redriven up to twice, N = 1", &[1])
        .parks(&all_causes())
        .redriven(2, &[0])
        .movers_fail()
        .budget(0)
}

pub fn lives_on_two_stages() -> Setting {
    Setting::ladder("redriven up to twice, to either stage, N = 1, 1", &[1, 1])
        .faults(&[Fault::Killed])
        .parks(&all_causes())
        .redriven(2, &[0, 1])
        .movers_fail()
        .budget(0)
}

pub fn lives_of_two_attempts() -> Setting {
    Setting::ladder("redriven, N = 2", &[2])
        .handler(&VERDICTS)
        .parks(&all_causes())
        .redriven(1, &[0])
        .movers_fail()
        .budget(0)
}

pub fn lives_with_duplicates() -> Setting {
    Setting::ladder("redriven, with duplicates, N = 1", &[1])
        .faults(&[Fault::Twice, Fault::HungUp])
        .parks(&all_causes())
        .redriven(1, &[0])
        .movers_fail()
        .budget(1)
}

pub fn lives_kept() -> Setting {
    Setting::ladder(
        "redriven, with parking of the verdict fail alone, N = 1",
        &[1],
    )
    .handler(&[Handler::Fails, Handler::GivesUp])
    .parks(&[EndCause::Fail])
    .redriven(1, &[0])
    .movers_fail()
    .budget(0)
}

pub fn lives_untold() -> Setting {
    Setting::ladder("redriven, and nothing is notified, N = 1", &[1])
        .told(NOTHING)
        .parks(&all_causes())
        .redriven(1, &[0])
        .movers_fail()
        .budget(0)
}

pub fn lives_in_all_orders() -> Setting {
    Setting {
        all_orders: true,
        ..Setting::ladder("redriven, N = 1, in all orders", &[1])
            .parks(&all_causes())
            .redriven(1, &[0])
            .movers_fail()
            .budget(1)
    }
}
