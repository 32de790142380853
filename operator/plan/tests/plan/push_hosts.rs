//! Of two chains with one push host, the one that came first keeps it.

use cloudtasks::QueueState;
use crds::conditions::Reason;
use plan::model::queue_headers::{OWNER_HEADER, PAUSE_HEADER, PauseReason};
use plan::{ChainView, Desired, LocationQueues, Observed, Plan, Problem, plan};

use crate::phases::state;
use crate::world::{
    ORDERS, apply, apply_step, chain, queue_path, settings, settle, settled, with_gateways,
};

const URL: &str = "url: 'https://{stage}.push.example.com'";
const GATEWAY: &str = "gateway: {name: external, hostname: '{stage}.push.example.com'}";

/// A chain of that name, with queues of its own.
fn pushing(name: &str, push: &str) -> String {
    ORDERS
        .replace("name: orders,", &format!("name: {name},"))
        .replace("uid: 1f0c", &format!("uid: {name}"))
        .replace("queue: incoming", &format!("queue: {name}"))
        .replace("  stages:", &format!("  push: {{{push}}}\n  stages:"))
}

fn desired(yaml: &str) -> Desired {
    Desired::new(&chain(yaml), &settings()).unwrap()
}

fn planned(yaml: &str, observed: &Observed) -> Result<Plan, Problem> {
    plan(ChainView::new(&desired(yaml), observed))
}

/// What a chain sees that has nothing, beside the queues of another.
fn beside(queues: &LocationQueues) -> Observed {
    let mut observed = Observed {
        queues: queues.clone(),
        ..Observed::default()
    };
    with_gateways(&mut observed);
    observed
}

fn settled_by(yaml: &str) -> Observed {
    let mut observed = beside(&LocationQueues::default());
    settle(&mut observed, &desired(yaml));
    observed
}

fn is_refused(yaml: &str, observed: &Observed) -> bool {
    match planned(yaml, observed) {
        Err(problem) => {
            assert_eq!(problem.reason, Reason::NameTaken, "{problem}");
            true
        }
        Ok(_) => false,
    }
}

#[test]
fn a_host_to_which_a_queue_of_another_chain_pushes_is_refused() {
    let first = settled(&pushing("first", URL)).queues;
    // In whatever location: the host is the same.
    let elsewhere = Observed {
        other_locations: vec![LocationQueues::default(), first.clone()],
        ..Observed::default()
    };
    for push in [
        URL,
        "url: 'https://{stage}.PUSH.example.com:443'",
        // The workers behind it are the same.
        "url: 'http://{stage}.push.example.com:443'",
        GATEWAY,
    ] {
        // Neither name would be preferred.
        for name in ["early", "second"] {
            let yaml = pushing(name, push);
            assert!(is_refused(&yaml, &beside(&first)), "{name} {push}");
        }
    }
    assert!(is_refused(&pushing("second", URL), &elsewhere));
    let problem = planned(&pushing("second", URL), &beside(&first)).unwrap_err();
    insta::assert_snapshot!(problem.message, @"the host fast.push.example.com of stage fast is already used by queue first of chain cluster-a/shop/first (cluster/namespace/name): use another spec.push.url, such as https://{stage}--{chain}--{namespace}.push.example.com");
    for push in [
        "url: 'https://{stage}.push.example.com:8443'",
        "url: 'https://{stage}.{chain}.push.example.com'",
    ] {
        assert!(!is_refused(&pushing("second", push), &beside(&first)));
    }
}

#[test]
fn the_address_of_another_chains_service_is_taken_and_its_own_never_is() {
    let inside = ORDERS.replace("name: orders,", "name: first,");
    let first = settled(&inside).queues;
    let thief = "url: 'http://first-{stage}.shop.svc.cluster.local'";
    assert!(is_refused(&pushing("second", thief), &beside(&first)));
    let squatter = settled(&pushing("second", thief)).queues;
    assert!(!is_refused(&inside, &beside(&squatter)));
}

#[test]
fn the_chain_that_came_first_goes_on_whatever_the_names() {
    for (mine, other) in [(URL, URL), (URL, GATEWAY), (GATEWAY, URL)] {
        for (first, second) in [("a", "b"), ("b", "a")] {
            let (first, second) = (pushing(first, mine), pushing(second, other));
            let mut observed = settled_by(&first);
            assert!(is_refused(&second, &beside(&observed.queues)));
            assert!(settle(&mut observed, &desired(&first)).is_empty());
        }
    }
}

/// Both have created their queues before they saw the other's.
#[test]
fn of_two_that_were_created_at_once_exactly_one_is_refused() {
    for (one, other) in [(URL, URL), (URL, GATEWAY), (GATEWAY, URL)] {
        for (a, b) in [("a", "b"), ("b", "a")] {
            let (a, b) = (pushing(a, one), pushing(b, other));
            let (mut of_a, mut of_b) = (settled_by(&a), settled_by(&b));
            let (queues_a, queues_b) = (of_a.queues.clone(), of_b.queues.clone());
            of_a.queues.extend(queues_b.values().cloned());
            of_b.queues.extend(queues_a.values().cloned());
            // Routes are seen in the whole cluster.
            for (observed, theirs) in [(&mut of_a, other), (&mut of_b, one)] {
                if theirs == GATEWAY {
                    let host = "fast.push.example.com".to_owned();
                    observed.taken_hosts.insert(host, "shop/other".into());
                }
            }
            let refused = [is_refused(&a, &of_a), is_refused(&b, &of_b)];
            let count = refused.iter().filter(|it| **it).count();
            assert_eq!(count, 1, "{a}{b}{refused:?}");
        }
    }
}

#[test]
fn of_two_new_chains_one_pauses_its_queues_before_its_workers_are_ready() {
    let (a, b) = (pushing("a", URL), pushing("b", URL));
    // No pod is ready yet, and neither has seen the other.
    let created = |yaml: &str| {
        let mut observed = Observed::default();
        let plan = plan(ChainView::new(&desired(yaml), &observed)).unwrap();
        apply(&mut observed, &plan);
        observed
    };
    let (mut of_a, mut of_b) = (created(&a), created(&b));
    let others = of_b.queues.clone();
    of_b.queues.extend(of_a.queues.values().cloned());
    let plan = planned(&b, &of_b).unwrap();
    insta::assert_snapshot!(plan.to_string(), @r"
    update queue b (to https://fast.push.example.com:443, executor-owner cluster-a/shop/b, executor-pause retain): the queue records why it is paused
    pause queue b: another chain has the stage's host
    update queue b-2 (to https://slow.push.example.com:443, executor-owner cluster-a/shop/b, executor-pause retain): the queue records why it is paused
    pause queue b-2: another chain has the stage's host
    ");
    // An operator that dies after the first step leaves the rest to the next one.
    apply_step(&mut of_b, &plan.steps[0].step);
    let rest = planned(&b, &of_b).unwrap();
    assert_eq!(rest.steps, plan.steps[1..]);
    apply(&mut of_b, &rest);
    assert!(is_refused(&b, &of_b));
    for id in ["b", "b-2"] {
        assert_eq!(
            state(&of_b, id),
            (QueueState::Paused, Some(PauseReason::Retain))
        );
    }
    // The other sees both as they were, and goes on.
    of_a.queues.extend(others.values().cloned());
    assert!(!is_refused(&a, &of_a));
    settle(&mut of_a, &desired(&a));
    assert_eq!(state(&of_a, "a"), (QueueState::Running, None));
    // It is served when the host is free.
    for id in ["a", "a-2", "orders-notifier"] {
        of_b.queues.remove(&queue_path(id));
    }
    settle(&mut of_b, &desired(&b));
    assert_eq!(state(&of_b, "b"), (QueueState::Running, None));
}

#[test]
fn a_chain_that_runs_is_never_paused_for_its_host() {
    let (a, b) = (pushing("a", URL), pushing("b", URL));
    let mut of_b = settled_by(&b);
    of_b.queues.extend(settled_by(&a).queues.values().cloned());
    assert!(is_refused(&b, &of_b));
}

#[test]
fn a_deleted_chain_and_a_removed_stage_give_their_hosts_back() {
    let mut first = settled(&pushing("first", URL));
    for (pause, refused) in [
        (Some("retain"), false),
        (Some("drained"), false),
        (Some("gate"), true),
        (Some("spec"), true),
        (None, true),
    ] {
        for id in ["first", "first-2"] {
            let queue = first.queues.get_mut(&queue_path(id)).unwrap();
            queue.state = QueueState::Paused;
            let headers = &mut queue.http_target.as_mut().unwrap().headers;
            headers.remove(PAUSE_HEADER);
            headers.extend(pause.map(|it| (PAUSE_HEADER.to_owned(), it.to_owned())));
        }
        let yaml = pushing("second", URL);
        assert_eq!(
            is_refused(&yaml, &beside(&first.queues)),
            refused,
            "{pause:?}"
        );
    }
}

#[test]
fn a_queue_of_no_chain_takes_no_host() {
    let mut first = settled(&pushing("first", URL));
    for id in ["first", "first-2"] {
        let queue = first.queues.get_mut(&queue_path(id)).unwrap();
        let target = queue.http_target.as_mut().unwrap();
        target.headers.remove(OWNER_HEADER);
    }
    assert!(!is_refused(&pushing("second", URL), &beside(&first.queues)));
}

#[test]
fn two_stages_with_one_host_are_refused() {
    let yaml = pushing("orders", "url: 'https://push.example.com'");
    let problem = Desired::new(&chain(&yaml), &settings()).unwrap_err();
    assert_eq!(problem.reason, Reason::InvalidSpec);
    let words = "spec.push.url gives the stages fast and slow the same host push.example.com";
    assert!(problem.message.starts_with(words), "{problem}");
}
