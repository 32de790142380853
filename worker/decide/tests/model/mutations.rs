//! Each mutant breaks a promise that the real rules keep in the same setting. So no rule stands
//! there for nothing, and the checker would notice its loss.

use crate::faults::Fault;
use crate::handler::Handler;
use crate::mutants::arrival::{
    A0Forgets, A2Forgets, A2LiveOnly, A2NextQueueOnly, A2WhereRExceedsE, A2WithoutNotification,
    A3BeforeA2, A3WhateverP, A3WithoutCreate, A4BesideItsRun, A4TriesWhateverP, A5BeforeA1,
    A5BesideItsTwin, HeaderRouteWithoutCreate, HoldsForever, LooksAtFirstQueue, PreviousWhateverR,
    SkipA1, SkipA4,
};
use crate::mutants::isolation::{
    IsolatesItsTwin, IsolationBeforeA1, IsolationBeforeA2, IsolationSays596,
    IsolationWithoutCreate, RefusedIsolationEnds,
};
use crate::mutants::later::{
    A3CountsWhatWasBefore, AttemptsStayBehind, LaterCounts, LaterForever, LaterForgetsHowOften,
    LaterNotLookedUp, LaterSays477, LaterWithoutCreate, PutOffsAreDispatches, RefusedSays500,
    RetryAfterSays477,
};
use crate::mutants::names::{EndHoldsHop, EndHoldsOutcome, TaskHoldsStage};
use crate::mutants::outage::{HoldBeforeA1, HoldBeforeA3, HoldSays477, HoldsTheOld};
use crate::mutants::outcome::{
    AlreadyIsFailure, B1Says477, B1Says503, B1WithoutCreate, B2Says503, B3DeafToHangUps,
    B3HangUpWhateverR, B3WithoutCreate, B4WithoutCreate, B5Waits, DeletedIsHandedOver, FailedIs409,
};
use crate::mutants::parking::{
    ExpiredIsNotParked, KeepNarrowsLives, LifeKeepsRoot, LivesAreNotNumbered, MovedIsForgotten,
    MoverDeletesFirst, MoverInventsIds, MoverLooksNowhere, NoParkingQueueWaits, ParkedHoldsStage,
    ParkedIsFound, ParkedIsNotFound, ParkedIsTheEnd, ParkingNeverFolds, ParkingSays477,
    RefusedParkingWaits, RemovedParkingIsForgotten, SuccessParks, ToldBeforeParked,
    UnknownParkingEnds,
};
use crate::promises::{
    DELETED, DONE, ENDS, KEPT, NEVER_LOST, NO_TWIN, NOT_BOTH, NOT_EARLY, NOT_LATE, ONE_END,
    ONE_LIFE, ONE_STAGE, PARKED, PARKED_ONCE, RUNS, SUCCESS,
};
use crate::rules::Real;
use crate::search::broken;
use crate::settings::{
    callers_hang_up, conflicts, deletes, header_route, isolation, later, later_on_two_stages,
    later_refused, lives, lives_kept, lives_on_two_stages, newer_ledgers, one_attempt, one_stage,
    outage, outage_without_end, parking, parking_folded, parking_gone, parking_kept,
    parking_poison, parking_refused, parking_removed, parking_verdicts, poison,
    poison_in_all_orders, producer_writes_596, producer_writes_597, refused, removed, retry_after,
    routes, squatted, swapped_later, two_stages, verdicts,
};

macro_rules! breaks {
    ($($test:ident: $mutant:ident, $setting:expr => $promise:ident;)*) => {
        $(#[test]
        fn $test() {
            let setting = $setting;
            assert_eq!(broken(Real, &setting, $promise), None);
            let story = broken($mutant, &setting, $promise)
                .expect(concat!(stringify!($mutant), " keeps the promise"));
            println!("{} breaks: {}\n{}\n{story}", stringify!($mutant), $promise, setting.name);
        })*
    };
}

breaks! {
    a0_forgets: A0Forgets, one_attempt() => SUCCESS;
    p_597_whatever_r_is: PreviousWhateverR, producer_writes_597().budget(0) => DONE;
    p_596_whatever_r_is: PreviousWhateverR, producer_writes_596().budget(0) => NOT_EARLY;
    a1_skipped: SkipA1, one_attempt().budget(1) => SUCCESS;
    a2_only_where_r_exceeds_e: A2WhereRExceedsE, two_stages().budget(1) => ONE_STAGE;
    a2_at_the_next_queue_only: A2NextQueueOnly, routes().budget(1) => ONE_STAGE;
    a2_at_live_tasks_only: A2LiveOnly, one_attempt().budget(1) => NOT_LATE;
    a2_not_at_the_notification: A2WithoutNotification, one_attempt().budget(1) => NOT_LATE;
    a2_forgets: A2Forgets, one_attempt() => RUNS;
    a3_before_a2: A3BeforeA2, removed().budget(1) => ONE_STAGE;
    a3_whatever_p_is: A3WhateverP, one_attempt().budget(1) => NOT_EARLY;
    a3_without_a_create: A3WithoutCreate, one_attempt().budget(1) => NEVER_LOST;
    a4_skipped: SkipA4, poison().budget(0) => ENDS;
    a4_tries_whatever_p_is: A4TriesWhateverP, poison().budget(0) => ENDS;
    a4_beside_its_run: A4BesideItsRun, poison_in_all_orders() => NO_TWIN;
    a0_holds_forever: HoldsForever, newer_ledgers().budget(0) => ENDS;
    a2_at_the_first_queue: LooksAtFirstQueue, squatted().budget(1) => NEVER_LOST;
    a_deleted_task_is_handed_over: DeletedIsHandedOver, deletes().budget(0) => DELETED;
    a_header_route_without_a_create: HeaderRouteWithoutCreate,
        header_route().budget(0) => NEVER_LOST;
    a5_before_a1: A5BeforeA1, one_attempt() => SUCCESS;
    a5_beside_its_twin: A5BesideItsTwin, one_attempt() => NO_TWIN;
    b1_says_477: B1Says477, one_attempt().budget(1) => SUCCESS;
    b1_says_503: B1Says503, one_attempt().budget(1) => SUCCESS;
    b1_without_a_create: B1WithoutCreate, one_attempt().budget(0) => NEVER_LOST;
    b2_says_503: B2Says503, one_stage().budget(0) => ENDS;
    b3_without_a_create: B3WithoutCreate, one_attempt().budget(0) => NEVER_LOST;
    b3_deaf_to_hang_ups: B3DeafToHangUps, callers_hang_up().budget(0) => ENDS;
    b3_hang_up_whatever_r_is: B3HangUpWhateverR, one_stage().budget(1) => NOT_EARLY;
    b4_without_a_create: B4WithoutCreate, verdicts().budget(0) => NEVER_LOST;
    b5_waits: B5Waits, refused().budget(0) => ENDS;
    failed_is_409: FailedIs409, conflicts() => NOT_EARLY;
    already_is_failure: AlreadyIsFailure,
        one_attempt().faults(&[Fault::Reply]).budget(1) => ENDS;
    a_task_id_that_holds_the_stage: TaskHoldsStage, swapped_later() => NEVER_LOST;
    an_end_that_holds_the_outcome: EndHoldsOutcome, one_attempt().budget(1) => ONE_END;
    an_end_that_holds_the_hop: EndHoldsHop, two_stages().budget(1) => ONE_END;
    isolation_without_a_create: IsolationWithoutCreate, isolation().budget(0) => NEVER_LOST;
    isolation_says_596: IsolationSays596, isolation().faults(&[Fault::Create]) => NOT_EARLY;
    isolation_before_a1: IsolationBeforeA1, isolation().faults(&[Fault::Create]) => SUCCESS;
    isolation_before_a2: IsolationBeforeA2,
        isolation().handler(&[Handler::GivesUp]).faults(&[Fault::Reply]) => NOT_LATE;
    isolation_that_is_refused_ends: RefusedIsolationEnds,
        isolation().faults(&[Fault::Refused]).budget(2) => NOT_EARLY;
    isolation_of_a_running_task: IsolatesItsTwin,
        isolation().faults(&[Fault::Twice]).budget(2) => NO_TWIN;
    hold_before_a1: HoldBeforeA1,
        outage().faults(&[Fault::Create, Fault::Held]).budget(2) => SUCCESS;
    hold_before_a3: HoldBeforeA3,
        outage().faults(&[Fault::Create, Fault::Held]).budget(2) => RUNS;
    hold_of_the_old: HoldsTheOld, outage_without_end().budget(0) => ENDS;
    hold_says_477: HoldSays477, outage().faults(&[Fault::Holding]) => NOT_EARLY;
    later_without_a_create: LaterWithoutCreate, later().budget(0) => NEVER_LOST;
    later_not_looked_up: LaterNotLookedUp, later().faults(&[Fault::Reply]) => ONE_STAGE;
    later_says_477: LaterSays477, later().faults(&[Fault::Create]) => NOT_EARLY;
    later_counts: LaterCounts, later().budget(0) => NOT_EARLY;
    later_forever: LaterForever, later().budget(0) => ENDS;
    a_later_id_without_how_often: LaterForgetsHowOften, later().budget(0) => NEVER_LOST;
    attempts_stay_behind: AttemptsStayBehind, retry_after().budget(0) => RUNS;
    put_offs_are_dispatches: PutOffsAreDispatches,
        later().faults(&[Fault::HungUp]) => NOT_EARLY;
    retry_after_says_477: RetryAfterSays477, retry_after().faults(&[Fault::Reply]) => ONE_STAGE;
    retry_after_refused_says_500: RefusedSays500, later_refused().budget(0) => RUNS;
    a3_counts_what_was_before: A3CountsWhatWasBefore,
        later_on_two_stages().faults(&[Fault::Foreign]) => NOT_EARLY;
    told_before_parked: ToldBeforeParked, parking().budget(0) => PARKED;
    parked_is_the_end: ParkedIsTheEnd, parking().budget(0) => NEVER_LOST;
    parking_says_477: ParkingSays477, parking_kept().faults(&[Fault::Reply]) => NOT_BOTH;
    unknown_parking_ends: UnknownParkingEnds,
        parking().faults(&[Fault::Create]).budget(1) => PARKED;
    refused_parking_waits: RefusedParkingWaits, parking_refused().budget(0) => ENDS;
    parking_never_folds: ParkingNeverFolds, parking_folded().budget(0) => PARKED;
    no_parking_queue_waits: NoParkingQueueWaits, parking_gone().budget(0) => ENDS;
    success_parks: SuccessParks, parking().budget(0) => NOT_BOTH;
    parked_is_not_found: ParkedIsNotFound,
        parking().faults(&[Fault::Killed]).budget(1) => NOT_BOTH;
    parked_is_found: ParkedIsFound, parking().faults(&[Fault::Killed]).budget(1) => NEVER_LOST;
    expired_is_not_parked: ExpiredIsNotParked, parking_poison().budget(0) => PARKED;
    removed_parking_is_forgotten: RemovedParkingIsForgotten,
        parking_removed().faults(&[Fault::Killed]) => NOT_BOTH;
    a_parked_id_that_holds_the_stage: ParkedHoldsStage,
        parking_verdicts().faults(&[Fault::Twice]) => PARKED_ONCE;
    keep_narrows_lives: KeepNarrowsLives, lives_kept() => PARKED;
    moved_is_forgotten: MovedIsForgotten,
        lives().faults(&[Fault::Killed]).budget(1) => ONE_STAGE;
    a_life_that_keeps_its_root: LifeKeepsRoot, lives() => NEVER_LOST;
    lives_are_not_numbered: LivesAreNotNumbered, lives() => KEPT;
    a_mover_deletes_first: MoverDeletesFirst, lives() => KEPT;
    a_mover_invents_ids: MoverInventsIds,
        lives().faults(&[Fault::MoverDies]).budget(1) => ONE_LIFE;
    a_mover_looks_nowhere: MoverLooksNowhere,
        lives_on_two_stages().faults(&[Fault::MoverDies]).budget(1) => ONE_LIFE;
}
