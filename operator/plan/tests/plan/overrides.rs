//! Overrides: what they replace, for how long, and that everything comes back.

use std::fmt::Write as _;
use std::time::Duration;

use cloudtasks::QueueState;
use crds::{ChainOverride, ChainOverrideStatus, ExecutorChainStatus};
use jiff::Timestamp;
use kube::ResourceExt;
use plan::objects::queue_settings::settings_hash;
use plan::rules::overrides::{Phase, phase};
use plan::{
    ChainView, Desired, Observed, is_forgotten, override_stages, override_status, overrides_differ,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{
    ORDERS, Transcript, apply, apply_step, chain, desired, look, pass, queue_mut, queue_path, roll,
    settle, settled, status,
};

const BEGIN: &str = "2026-11-29T18:00:00Z";

/// An override of stage fast for 30 minutes.
fn inc(name: &str, spec: impl Into<Value>) -> ChainOverride {
    let mut all = json!({
        "chain": "orders", "stages": ["fast"], "for": "30m", "by": "alice@example.com",
        "reason": "INC-42 payment provider down",
    });
    let spec: Value = spec.into();
    let (all_fields, fields) = (all.as_object_mut().unwrap(), spec.as_object().unwrap());
    all_fields.extend(fields.clone());
    serde_json::from_value(json!({
        "apiVersion": "executor-chain.dev/v1alpha1",
        "kind": "ChainOverride",
        "metadata": {
            "name": name, "namespace": "shop", "uid": name, "creationTimestamp": BEGIN,
        },
        "spec": all,
    }))
    .unwrap()
}

/// The status of an override that is in force.
fn in_force() -> ChainOverrideStatus {
    let condition = json!({
        "type": "InForce", "status": "True", "reason": "Applied", "message": "",
        "lastTransitionTime": BEGIN,
    });
    serde_json::from_value(json!({"conditions": [condition]})).unwrap()
}

fn created(mut it: ChainOverride, minute: u64) -> ChainOverride {
    it.metadata.creation_timestamp.as_mut().unwrap().0 = after(minute * 60);
    it
}

fn after(seconds: u64) -> Timestamp {
    let begin: Timestamp = BEGIN.parse().unwrap();
    begin + Duration::from_secs(seconds)
}

fn minute(minute: u64) -> Timestamp {
    after(minute * 60)
}

fn with(yaml: &str, overrides: &[ChainOverride], now: Timestamp) -> Desired {
    let mut desired = desired(yaml);
    override_stages(&mut desired, overrides, now);
    desired
}

fn rate(desired: &Desired) -> f64 {
    let limits = desired.stages[0].rate_limits.unwrap();
    limits.max_dispatches_per_second.unwrap()
}

/// The plans at each of these times, and the status after them.
fn lives(yaml: &str, overrides: &[ChainOverride], times: &[(&str, Timestamp)]) -> String {
    let mut observed = settled(yaml);
    let mut overrides = overrides.to_vec();
    let mut before = status(&ExecutorChainStatus::default(), &desired(yaml), &observed);
    let mut transcript = Transcript::default();
    for (when, now) in times {
        let known =
            |it: &&ChainOverride| it.metadata.creation_timestamp.as_ref().unwrap().0 <= *now;
        let known: Vec<ChainOverride> = overrides.iter().filter(known).cloned().collect();
        let desired = with(yaml, &known, *now);
        let mut chain = chain(yaml);
        let plans = settle(&mut observed, &desired);
        let plans: Vec<String> = plans.iter().map(ToString::to_string).collect();
        before = status(&before, &desired, &observed);
        chain.status = Some(before.clone());
        let mut conditions = before.conditions.iter();
        let condition = conditions.find(|it| it.type_ == "Overridden").unwrap();
        let mut text = format!(
            "{}\nOverridden={}: {}",
            plans.join("\n").trim_end(),
            condition.status,
            condition.message
        );
        for it in overrides
            .iter_mut()
            .filter(|it| known.iter().any(|its| its.uid() == it.uid()))
        {
            let status = override_status(it, Some(&chain), &known, *now);
            it.status = Some(status.clone());
            let condition = &status.conditions[0];
            let _ = write!(
                text,
                "\n{}: InForce={} {}: {}",
                it.metadata.name.as_deref().unwrap(),
                condition.status,
                condition.reason,
                condition.message
            );
        }
        transcript.add(when, &text.trim_start());
    }
    transcript.to_string()
}

#[test]
fn an_override_comes_and_goes_as_an_edit_does() {
    let throttle = inc(
        "inc-42",
        json!({"rateLimits": {"maxDispatchesPerSecond": 5}, "replicas": 1}),
    );
    insta::assert_snapshot!(lives(
        ORDERS,
        &[throttle],
        &[("it begins", minute(0)), ("its time is over", minute(30))],
    ));
}

#[test]
fn a_pause_of_an_override_is_lifted_at_its_end() {
    let pause = inc("inc-42", json!({"paused": true, "stages": ["*"]}));
    insta::assert_snapshot!(lives(
        ORDERS,
        &[pause],
        &[("it begins", minute(0)), ("its time is over", minute(30))],
    ));
}

/// What the spec leaves to others is written on the queue, and comes back.
#[test]
fn a_limit_that_the_spec_does_not_have_comes_back_as_it_was() {
    let yaml = ORDERS.replace(", maxConcurrentDispatches: 200", "");
    let limit = inc(
        "inc-42",
        json!({"rateLimits": {"maxConcurrentDispatches": 7}, "backoff": {"maxDoublings": 2}}),
    );
    insta::assert_snapshot!(lives(
        &yaml,
        &[limit],
        &[("it begins", minute(0)), ("its time is over", minute(30))],
    ));
}

#[test]
fn the_newest_wins_by_setting_and_the_one_before_comes_back() {
    let older = inc(
        "older",
        json!({"rateLimits": {"maxDispatchesPerSecond": 50, "maxConcurrentDispatches": 20}}),
    );
    let newer = inc(
        "newer",
        json!({"rateLimits": {"maxDispatchesPerSecond": 5}, "for": "10m"}),
    );
    let newer = created(newer, 5);
    insta::assert_snapshot!(lives(
        ORDERS,
        &[newer, older],
        &[
            ("the older one alone", minute(0)),
            ("both", minute(5)),
            ("the newer one is over", minute(15)),
            ("both are over", minute(30)),
        ],
    ));
}

/// Of two of one second the name decides, whatever the order of a list.
#[test]
fn overrides_of_one_second_have_an_order() {
    let one = inc("a", json!({"rateLimits": {"maxDispatchesPerSecond": 1}}));
    let other = inc("b", json!({"rateLimits": {"maxDispatchesPerSecond": 2}}));
    for overrides in [[one.clone(), other.clone()], [other, one]] {
        let rate = rate(&with(ORDERS, &overrides, minute(1)));
        assert_eq!(rate.to_string(), "2");
    }
}

#[test]
fn an_edit_of_the_chain_meanwhile_is_what_comes_back() {
    let throttle = [inc(
        "inc-42",
        json!({"rateLimits": {"maxDispatchesPerSecond": 5}}),
    )];
    let edited = ORDERS.replace("maxDispatchesPerSecond: 500", "maxDispatchesPerSecond: 15");
    let mut observed = settled(ORDERS);
    settle(&mut observed, &with(ORDERS, &throttle, minute(1)));
    let now = with(&edited, &throttle, minute(2));
    settle(&mut observed, &now);
    let rate = queue_mut(&mut observed, "incoming").max_dispatches_per_second;
    assert_eq!(rate.to_string(), "5");
    let status = status(&ExecutorChainStatus::default(), &now, &observed);
    assert_eq!(
        status.stages[0].overrides[0].settings,
        "15/s, overridden with 5/s"
    );
    assert_eq!(status.overridden.as_deref(), Some("fast by inc-42"));
    settle(&mut observed, &with(&edited, &throttle, minute(30)));
    let rate = queue_mut(&mut observed, "incoming").max_dispatches_per_second;
    assert_eq!(rate.to_string(), "15");
}

/// Google's advice after a pause: half more in each step.
#[test]
fn a_rate_comes_back_in_steps() {
    let restore = json!({"over": "5m"});
    let throttle = inc(
        "inc-42",
        json!({"rateLimits": {"maxDispatchesPerSecond": 100}, "restore": restore}),
    );
    let pause = inc("inc-42", json!({"paused": true, "restore": restore}));
    let [throttle, pause] = [throttle, pause].map(|mut it| {
        it.status = Some(in_force());
        it
    });
    let steps = |it: &ChainOverride| {
        let mut now = minute(29);
        let mut steps = Vec::new();
        loop {
            let desired = with(ORDERS, std::slice::from_ref(it), now);
            let paused = desired.stages[0].paused == Some(true);
            let second = now.duration_since(minute(30)).as_secs();
            steps.push((second, if paused { 0.0 } else { rate(&desired) }));
            match desired.overrides_change {
                Some(next) => now = next,
                None => return steps,
            }
        }
    };
    let seconds = |steps: &[(i64, f64)]| steps.iter().map(|it| it.0).collect::<Vec<_>>();
    let throttled = steps(&throttle);
    assert_eq!(seconds(&throttled), [-60, 0, 75, 150, 225, 300]);
    let rates: Vec<f64> = throttled.iter().map(|it| it.1).collect();
    assert_eq!(rates, [100.0, 100.0, 148.149, 222.223, 333.334, 500.0]);
    let paused = steps(&pause);
    assert_eq!(seconds(&paused), [-60, 0, 75, 150, 225, 300]);
    let rates: Vec<f64> = paused.iter().map(|it| it.1).collect();
    assert_eq!(rates, [0.0, 98.766, 148.149, 222.223, 333.334, 500.0]);
}

/// One that raises a rate has nothing to bring back slowly.
#[test]
fn a_raised_rate_falls_at_once() {
    let raise = inc(
        "inc-42",
        json!({
            "stages": ["slow"], "rateLimits": {"maxDispatchesPerSecond": 100},
            "restore": {"over": "5m"},
        }),
    );
    let desired = with(ORDERS, &[raise], minute(30));
    assert!(desired.stages[1].overridden.is_empty());
}

#[test]
fn an_override_ends_by_time_by_undo_and_by_deletion() {
    let it = inc("inc-42", json!({"paused": true}));
    assert_eq!(phase(&it, after(0)), Phase::InForce(minute(30)));
    assert_eq!(phase(&it, after(1799)), Phase::InForce(minute(30)));
    assert_eq!(phase(&it, minute(30)), Phase::Over);
    // A clock that is behind the API server's.
    assert_eq!(
        phase(&it, minute(0) - Duration::from_secs(5)),
        Phase::InForce(minute(30))
    );
    let undone = inc("inc-42", json!({"paused": true, "ended": true}));
    assert_eq!(phase(&undone, minute(1)), Phase::Over);
    // Whenever in a second that is, also when its status says so.
    let moment = minute(1) + Duration::from_millis(700);
    let mut said = undone.clone();
    said.status = Some(override_status(&said, None, [], moment));
    assert_eq!(phase(&said, moment), Phase::Over);
    let mut deleted = it.clone();
    deleted.metadata.deletion_timestamp = it.metadata.creation_timestamp.clone();
    assert_eq!(phase(&deleted, minute(1)), Phase::Over);
    // One that comes back in steps does so from when the operator has seen its end.
    let over = json!({"paused": true, "ended": true, "restore": {"over": "5m"}});
    let mut steps = inc("inc-42", over);
    assert_eq!(
        phase(&steps, minute(2)),
        Phase::Over,
        "it was never in force"
    );
    steps.status = Some(in_force());
    let five = Duration::from_mins(5);
    assert_eq!(phase(&steps, minute(2)), Phase::Restoring(minute(2), five));
    let orders = chain(ORDERS);
    steps.status = Some(override_status(&steps, Some(&orders), [], minute(2)));
    assert_eq!(phase(&steps, minute(4)), Phase::Restoring(minute(2), five));
    assert_eq!(phase(&steps, minute(7)), Phase::Over);
}

#[test]
fn an_override_is_forgotten_two_weeks_after_its_end() {
    let mut it = inc("inc-42", json!({"paused": true}));
    let days = |days: u64| minute(30 + days * 24 * 60);
    assert!(!is_forgotten(&it, days(30)), "its end is not reported");
    it.status = Some(override_status(&it, None, [], days(0)));
    assert!(!is_forgotten(&it, days(13)));
    assert!(is_forgotten(&it, days(14)));
}

/// What a user reads of an override that does nothing, or not all that it says.
#[test]
fn each_override_that_is_not_in_force_says_why() {
    let throttle = json!({"rateLimits": {"maxDispatchesPerSecond": 5}});
    let with_field = |field: &str, value: Value| {
        let mut spec = throttle.clone();
        spec[field] = value;
        inc("inc-42", spec)
    };
    let seen = |overrides: &[ChainOverride]| {
        let mut chain = chain(ORDERS);
        let desired = with(ORDERS, overrides, minute(1));
        let mut observed = settled(ORDERS);
        settle(&mut observed, &desired);
        let status = status(&ExecutorChainStatus::default(), &desired, &observed);
        chain.status = Some(status);
        chain
    };
    let mut transcript = Transcript::default();
    let mut add = |when: &str, it: &ChainOverride, others: &[ChainOverride], now: u64| {
        let all = [std::slice::from_ref(it), others].concat();
        let chain = seen(&if now > 30 { others.to_vec() } else { all });
        let status = override_status(it, Some(&chain), others, minute(now));
        let condition = &status.conditions[0];
        let text = format!(
            "InForce={} {}: {}",
            condition.status, condition.reason, condition.message
        );
        transcript.add(when, &text);
    };
    let plain = inc("inc-42", throttle.clone());
    add("in force", &plain, &[], 1);
    let typo = with_field("stages", json!(["fasst"]));
    add("a stage that the chain doesn't have", &typo, &[], 1);
    let half = with_field("stages", json!(["fast", "slwo"]));
    add("one stage of two", &half, &[], 1);
    let scale = inc("inc-42", json!({"stages": ["slow"], "replicas": 4}));
    add("replicas that the chain doesn't set", &scale, &[], 1);
    let newer = created(inc("inc-43", throttle.clone()), 1);
    add("a newer one", &plain, &[newer], 1);
    let newer = created(inc("inc-43", throttle.clone()), 1);
    let both = with_field("paused", json!(true));
    add("a newer one with one of two settings", &both, &[newer], 1);
    add("over, and never seen before", &plain, &[], 45);
    let undone = inc(
        "inc-42",
        json!({"paused": true, "ended": true, "endedBy": "bob@example.com"}),
    );
    add("undone before it was seen", &undone, &[], 2);
    let mut was = plain.clone();
    was.status = Some(override_status(
        &plain,
        Some(&seen(std::slice::from_ref(&plain))),
        [],
        minute(1),
    ));
    let gone = |it: &ChainOverride| {
        override_status(it, None, [], minute(2))
            .conditions
            .remove(0)
    };
    for (when, it) in [("no chain", &plain), ("the chain was deleted", &was)] {
        let condition = gone(it);
        let text = format!(
            "InForce={} {}: {}",
            condition.status, condition.reason, condition.message
        );
        transcript.add(when, &text);
    }
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn what_was_is_what_the_chain_said_at_the_begin() {
    let it = inc(
        "inc-42",
        json!({"stages": ["*"], "rateLimits": {"maxDispatchesPerSecond": 5}, "replicas": 1}),
    );
    let mut it = it;
    let status = override_status(&it, Some(&chain(ORDERS)), [], minute(1));
    assert_eq!(
        serde_json::to_value(&status.was).unwrap(),
        json!([
            {"stage": "fast", "maxDispatchesPerSecond": 500.0, "replicas": 2},
            {"stage": "slow", "maxDispatchesPerSecond": 10.0},
        ])
    );
    // An edit later doesn't change it.
    it.status = Some(status.clone());
    let edited = ORDERS.replace("maxDispatchesPerSecond: 500", "maxDispatchesPerSecond: 15");
    let later = override_status(&it, Some(&chain(&edited)), [], minute(2));
    assert_eq!(later.was, status.was);
}

#[test]
fn a_minimum_above_the_maximum_moves_what_is_not_overridden() {
    let millis = |desired: &Desired| {
        let backoff = desired.stages[0].backoff.unwrap();
        (
            backoff.min.unwrap().0.as_millis(),
            backoff.max.unwrap().0.as_millis(),
        )
    };
    for (backoff, expected) in [
        (json!({"min": "20s"}), (20_000, 20_000)),
        (json!({"max": "50ms"}), (50, 50)),
        (json!({"min": "1s", "max": "2s"}), (1_000, 2_000)),
    ] {
        let it = inc("inc-42", json!({"backoff": backoff}));
        assert_eq!(
            millis(&with(ORDERS, &[it], minute(1))),
            expected,
            "{backoff}"
        );
    }
}

/// A user waits for an override as for an edit, so its limits are set from what is cached.
#[test]
fn a_status_of_other_overrides_is_that_of_an_edit() {
    let it = [inc(
        "inc-42",
        json!({"rateLimits": {"maxDispatchesPerSecond": 5}}),
    )];
    let mut observed = settled(ORDERS);
    let before = status(&ExecutorChainStatus::default(), &desired(ORDERS), &observed);
    let overridden = with(ORDERS, &it, minute(1));
    assert!(!overrides_differ(&desired(ORDERS), &before));
    assert!(overrides_differ(&overridden, &before));
    settle(&mut observed, &overridden);
    let after = status(&before, &overridden, &observed);
    assert!(!overrides_differ(&overridden, &after));
    assert!(overrides_differ(&desired(ORDERS), &after));
}

/// Settings of an override, at random.
fn settings() -> impl Strategy<Value = Value> {
    let rate = prop::option::of(1..400_u32);
    let concurrency = prop::option::of(1..900_u32);
    let paused = prop::option::of(any::<bool>());
    let doublings = prop::option::of(1..9_u32);
    let min = prop::option::of(1..7_200_u32);
    let max = prop::option::of(1..7_200_u32);
    let restore = prop::option::of(1..20_u32);
    let all = (rate, concurrency, paused, doublings, min, max, restore);
    all.prop_map(
        |(rate, concurrency, paused, doublings, min, max, restore)| {
            let mut spec = json!({"rateLimits": {}, "backoff": {}});
            if let Some(rate) = rate {
                spec["rateLimits"]["maxDispatchesPerSecond"] = json!(rate);
            }
            if let Some(concurrency) = concurrency {
                spec["rateLimits"]["maxConcurrentDispatches"] = json!(concurrency);
            }
            if let Some(doublings) = doublings {
                spec["backoff"]["maxDoublings"] = json!(doublings);
            }
            if let Some(min) = min {
                spec["backoff"]["min"] = json!(format!("{min}s"));
            }
            if let Some(max) = max.filter(|max| min.is_none_or(|min| min <= *max)) {
                spec["backoff"]["max"] = json!(format!("{max}s"));
            }
            if let Some(paused) = paused {
                spec["paused"] = json!(paused);
            }
            if let Some(restore) = restore {
                spec["restore"] = json!({"over": format!("{restore}m")});
            }
            spec
        },
    )
}

/// A few overrides, each with its begin and its length in minutes.
fn overrides() -> impl Strategy<Value = Vec<ChainOverride>> {
    let one = (settings(), 0..60_u64, 1..60_u64);
    prop::collection::vec(one, 1..5).prop_map(|all| {
        let numbered = all.into_iter().enumerate();
        let of = |(index, (mut spec, begin, length)): (usize, (Value, u64, u64))| {
            spec["for"] = json!(format!("{length}m"));
            created(inc(&format!("inc-{index}"), spec), begin)
        };
        numbered.map(of).collect()
    })
}

/// Carries out only the first steps of each plan: an operator that dies after them, again and again.
fn dies(observed: &mut Observed, desired: &Desired, steps: usize) {
    look(observed, desired, |_| 0);
    pass(observed, desired, Duration::from_secs(20));
    let plan = plan::plan(ChainView::new(desired, observed)).unwrap();
    for planned in plan.steps.iter().take(steps) {
        apply_step(observed, &planned.step);
    }
    roll(observed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever overrides come and go, whatever the spec has meanwhile, and wherever the operator dies: once all
    /// are over, the queues are what they were before the first; and until then, what the newest of each
    /// setting says.
    #[test]
    fn everything_comes_back(
        overrides in overrides(),
        in_spec in any::<[bool; 3]>(),
        reports in any::<bool>(),
        moments in prop::collection::vec((0..150_u64, 0..4_usize, any::<[bool; 3]>()), 1..12),
    ) {
        let policy = if reports { "driftPolicy: Report" } else { "driftPolicy: Enforce" };
        let of_spec = |in_spec: [bool; 3]| {
            let mut yaml = crate::golden::add_field(ORDERS, policy);
            for (is_in_spec, field) in in_spec.into_iter().zip([
                ", maxConcurrentDispatches: 200",
                "maxDispatchesPerSecond: 500, ",
                ", max: 10s",
            ]) {
                if !is_in_spec {
                    yaml = yaml.replacen(field, "", 1);
                }
            }
            yaml.replace("{maxDispatchesPerSecond: 500}", "{}")
        };
        let yaml = of_spec(in_spec);
        let mut observed = settled(&yaml);
        // What others have set where the spec says nothing.
        let desired = desired(&yaml);
        let queue = queue_mut(&mut observed, "incoming");
        let limits = desired.stages[0].rate_limits.unwrap_or_default();
        if limits.max_concurrent_dispatches.is_none() {
            queue.max_concurrent_dispatches = 77;
        }
        if limits.max_dispatches_per_second.is_none() {
            queue.max_dispatches_per_second = 33.0;
        }
        let before = queue.clone();
        let mut last = status(&ExecutorChainStatus::default(), &desired, &observed);
        let mut moments = moments;
        moments.sort_unstable();
        for (time, steps, edited) in moments {
            // A field that the spec has leaves it for a while, and comes back; nothing else changes.
            let edited = [0, 1, 2].map(|it| in_spec[it] && edited[it]);
            let desired = with(&of_spec(edited), &overrides, minute(time));
            observed.was_in_force = last.queues_hash == Some(settings_hash(&desired));
            dies(&mut observed, &desired, steps);
            last = status(&last, &desired, &observed);
        }
        for time in [0, 20, 45, 70, 200] {
            let now = minute(time);
            let desired = with(&yaml, &overrides, now);
            observed.was_in_force = last.queues_hash == Some(settings_hash(&desired));
            settle(&mut observed, &desired);
            last = status(&last, &desired, &observed);
            let in_force = |it: &&ChainOverride| matches!(phase(it, now), Phase::InForce(_));
            let mut newest: Vec<&ChainOverride> = overrides.iter().filter(in_force).collect();
            newest.sort_by_key(|it| {
                let metadata = &it.metadata;
                (metadata.creation_timestamp.as_ref().unwrap().0, metadata.name.clone())
            });
            let queue = queue_mut(&mut observed, "incoming");
            let limits = newest.iter().rev().map(|it| it.spec.rate_limits.unwrap());
            let concurrency = limits.clone().find_map(|it| it.max_concurrent_dispatches);
            prop_assert_eq!(
                queue.max_concurrent_dispatches,
                concurrency.unwrap_or(before.max_concurrent_dispatches)
            );
            let rate = limits.clone().find_map(|it| it.max_dispatches_per_second);
            let rate = rate.unwrap_or(before.max_dispatches_per_second);
            prop_assert_eq!(queue.max_dispatches_per_second.to_string(), rate.to_string());
            let paused = newest.iter().rev().find_map(|it| it.spec.paused);
            prop_assert_eq!(queue.state == QueueState::Paused, paused == Some(true));
            prop_assert!(queue.min_backoff <= queue.max_backoff, "Cloud Tasks refuses {:?}", queue);
        }
        prop_assert_eq!(&*queue_mut(&mut observed, "incoming"), &before);
        let names = last.stages[0].restoring.clone();
        prop_assert!(names.is_empty() && last.stages[0].overrides.is_empty(), "{:?}", names);
    }
}

/// What a queue has is what the status says, while its own settings are not back.
#[test]
fn an_override_that_is_over_is_said_to_be_in_force_until_all_is_back() {
    let mut pause = inc("inc-42", json!({"paused": true}));
    let orders = |observed: &Observed, now: Timestamp, it: &ChainOverride| {
        let desired = with(ORDERS, std::slice::from_ref(it), now);
        let mut orders = chain(ORDERS);
        orders.status = Some(status(&ExecutorChainStatus::default(), &desired, observed));
        orders
    };
    let mut observed = settled(ORDERS);
    settle(
        &mut observed,
        &with(ORDERS, std::slice::from_ref(&pause), minute(1)),
    );
    pause.status = Some(override_status(
        &pause,
        Some(&orders(&observed, minute(1), &pause)),
        [],
        minute(1),
    ));
    // Its end can't be carried out: Cloud Tasks refuses to resume the queue.
    let seen = orders(&observed, minute(31), &pause);
    assert_eq!(
        seen.status.as_ref().unwrap().stages[0].restoring,
        ["paused"]
    );
    let over = override_status(&pause, Some(&seen), [], minute(31));
    let said = &over.conditions[0];
    assert_eq!(
        (&*said.status, &*said.reason),
        ("True", "Waiting"),
        "{}",
        said.message
    );
    settle(
        &mut observed,
        &with(ORDERS, std::slice::from_ref(&pause), minute(32)),
    );
    let over = override_status(
        &pause,
        Some(&orders(&observed, minute(32), &pause)),
        [],
        minute(32),
    );
    assert_eq!(over.conditions[0].reason, "Expired");
}

/// A field that leaves the chain while it is overridden comes back as the chain had it last.
#[test]
fn what_leaves_the_chain_meanwhile_is_not_the_override() {
    let it = [inc(
        "inc-42",
        json!({"rateLimits": {"maxDispatchesPerSecond": 5}}),
    )];
    let edited = ORDERS.replace("maxDispatchesPerSecond: 500, ", "");
    let mut observed = settled(ORDERS);
    settle(&mut observed, &with(ORDERS, &it, minute(1)));
    settle(&mut observed, &with(&edited, &it, minute(2)));
    settle(&mut observed, &with(&edited, &it, minute(31)));
    let queue = queue_mut(&mut observed, "incoming");
    assert_eq!(queue.max_dispatches_per_second.to_string(), "500");
}

/// An autoscaler gets the pods that the chain had, and not those of an override, of which it may find none.
#[test]
fn replicas_that_leave_the_chain_meanwhile_are_those_that_it_had() {
    let mut it = inc("inc-42", json!({"replicas": 0}));
    it.status = Some(override_status(&it, Some(&chain(ORDERS)), [], minute(1)));
    let edited = ORDERS.replace("    replicas: 2\n", "");
    let replicas = |yaml: &str, minutes: u64| {
        with(yaml, std::slice::from_ref(&it), minute(minutes)).stages[0].replicas
    };
    assert_eq!(replicas(ORDERS, 1), Some(0));
    assert_eq!(replicas(&edited, 2), Some(2));
    assert_eq!(replicas(&edited, 31), None);
}

/// What is left in the queue of a removed stage must not take months.
#[test]
fn a_stage_that_is_removed_meanwhile_drains_at_its_own_rate() {
    let throttle = json!({"stages": ["slow"], "rateLimits": {"maxDispatchesPerSecond": 0.01}});
    let it = [inc("inc-42", throttle)];
    let without = &ORDERS[..ORDERS.find("  - name: slow").unwrap()];
    let mut observed = settled(ORDERS);
    settle(&mut observed, &with(ORDERS, &it, minute(1)));
    let desired = with(without, &it, minute(2));
    look(&mut observed, &desired, |_| 1000);
    let plan = plan::plan(ChainView::new(&desired, &observed)).unwrap();
    apply(&mut observed, &plan);
    let queue = queue_mut(&mut observed, "incoming-2");
    assert_eq!(queue.max_dispatches_per_second.to_string(), "10");
    let target = queue.http_target.clone().unwrap();
    assert!(!target.headers.contains_key("executor-replaced"));
}

/// The world's plans are also checked against the invariants; this one has no record to begin with.
#[test]
fn a_queue_that_is_created_under_an_override_gets_the_defaults_back() {
    let yaml = ORDERS.replace(", maxConcurrentDispatches: 200", "");
    let it = [inc(
        "inc-42",
        json!({"rateLimits": {"maxConcurrentDispatches": 7}}),
    )];
    let mut observed = Observed::default();
    settle(&mut observed, &with(&yaml, &it, minute(1)));
    let path = queue_path("incoming");
    assert_eq!(observed.queues[&path].max_concurrent_dispatches, 7);
    settle(&mut observed, &with(&yaml, &it, minute(30)));
    assert_eq!(observed.queues[&path].max_concurrent_dispatches, 1000);
    let plan = plan::plan(ChainView::new(&desired(&yaml), &observed)).unwrap();
    assert!(plan.is_empty(), "{plan}");
    apply(&mut observed, &plan);
}

#[test]
fn that_its_chain_was_deleted_is_said_until_its_end() {
    let mut it = inc("inc-42", json!({"paused": true}));
    let mut reasons = Vec::new();
    let overridden = with(ORDERS, std::slice::from_ref(&it), minute(1));
    let mut observed = settled(ORDERS);
    settle(&mut observed, &overridden);
    let mut orders = chain(ORDERS);
    orders.status = Some(status(
        &ExecutorChainStatus::default(),
        &overridden,
        &observed,
    ));
    for (chain, now) in [(Some(&orders), 1), (None, 2), (None, 3), (None, 31)] {
        let status = override_status(&it, chain, [], minute(now));
        reasons.push(status.conditions[0].reason.clone());
        it.status = Some(status);
    }
    let expected = ["Applied", "ChainDeleted", "ChainDeleted", "Expired"];
    assert_eq!(reasons, expected);
}

/// Nothing changes on the queue then but its record.
#[test]
fn an_override_with_the_value_that_was_there_leaves_no_record() {
    let yaml = ORDERS.replace("maxDispatchesPerSecond: 500, ", "");
    let it = [inc(
        "inc-42",
        json!({"rateLimits": {"maxDispatchesPerSecond": 500}}),
    )];
    let mut observed = settled(&yaml);
    settle(&mut observed, &with(&yaml, &it, minute(1)));
    settle(&mut observed, &with(&yaml, &it, minute(31)));
    let target = queue_mut(&mut observed, "incoming")
        .http_target
        .clone()
        .unwrap();
    assert!(!target.headers.contains_key("executor-replaced"));
}
