//! Isolation is no nuisance: without an outlier, nobody is isolated.

use crate::pod::{FAILURES, Ill, Pod, Well};

#[test]
fn without_failures_a_tenant_with_most_of_the_load_stays() {
    let mut pod = Pod::isolating(FAILURES);
    let mut runs = Vec::new();
    for task in 0..10_000_u32 {
        let small = format!("small-{}", task % 100);
        let tenant = if task % 5 == 0 { &small } else { "large" };
        // All slots are taken most of the time.
        runs.push(pod.begins(tenant, 100));
        if runs.len() > 99 {
            let run = runs.swap_remove(task as usize % 99);
            pod.ends(&run, Some(Well));
        }
        assert_eq!(pod.isolated(), 0);
    }
}

#[test]
fn tenants_with_one_task_each_stay_whatever_becomes_of_it() {
    for ill_of_ten in [0, 1, 2, 5, 10] {
        let mut pod = Pod::isolating(FAILURES);
        for tenant in 0..10_000 {
            let sign = if tenant % 10 < ill_of_ten { Ill } else { Well };
            assert!(pod.runs(&format!("tenant-{tenant}"), sign));
        }
        assert_eq!(pod.isolated(), 0, "{ill_of_ten} of ten fail");
    }
}

#[test]
fn where_two_of_five_runs_fail_nobody_is_an_outlier() {
    let mut pod = Pod::isolating(FAILURES);
    let mut rng = fastrand::Rng::with_seed(1);
    for round in 0..2_000_u32 {
        let mut signs = [Ill, Ill, Well, Well, Well];
        rng.shuffle(&mut signs);
        for (place, sign) in (0..).zip(signs) {
            let tenant = format!("tenant-{}", (round * 5 + place) % 30);
            assert!(pod.runs(&tenant, sign));
        }
        // Not even one that fails each time.
        if round % 2 == 0 {
            assert!(pod.runs("bad", Ill), "round {round}");
        }
    }
    assert_eq!(pod.isolated(), 0);
}

#[test]
fn where_all_fail_nobody_is_an_outlier() {
    let mut pod = Pod::isolating(FAILURES);
    for round in 0..10_000 {
        assert!(pod.runs(&format!("tenant-{}", round % 7), Ill));
    }
    assert_eq!(pod.isolated(), 0);
}
