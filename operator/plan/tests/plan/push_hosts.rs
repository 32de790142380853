//! A push host of another chain is refused to a chain that doesn't push there yet.

use cloudtasks::QueueState;
use crds::conditions::Reason;
use plan::model::queue_headers::{OWNER_HEADER, PAUSE_HEADER, PauseReason};
use plan::{Desired, LocationQueues, Observed};

use crate::phases::{round, set_ready, state};
use crate::world::{
    ORDERS, chain, desired, planned, queue_mut, queue_path, settings, settle, settled,
    with_gateways,
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

/// Two chains that push to one host, whichever came first: what the first one sees.
fn sharing(mine: &str, other: &str) -> Observed {
    let mut observed = settled_by(mine);
    observed
        .queues
        .extend(settled_by(other).queues.values().cloned());
    // Routes are seen in the whole cluster.
    if other.contains(GATEWAY) {
        for host in ["fast.push.example.com", "slow.push.example.com"] {
            let other = "shop/other".into();
            observed.taken_hosts.insert(host.to_owned(), other);
        }
    }
    observed
}

/// One ingress host may lead to several chains, by paths.
#[test]
fn a_chain_that_pushes_to_its_host_can_be_edited_whoever_else_does() {
    for (mine, other) in [(URL, URL), (URL, GATEWAY), (GATEWAY, URL)] {
        for (me, them) in [("a", "b"), ("b", "a")] {
            let yaml = pushing(me, mine);
            let mut observed = sharing(&yaml, &pushing(them, other));
            assert!(settle(&mut observed, &desired(&yaml)).is_empty());
            let paused = yaml.replace("maxAttempts: 2", "maxAttempts: 2\n    paused: true");
            let slower = paused.replace(": 500,", ": 5,");
            settle(&mut observed, &desired(&slower));
            let slow = format!("{me}-2");
            let spec = (QueueState::Paused, Some(PauseReason::Spec));
            assert_eq!(state(&observed, &slow), spec);
            let fast = observed.queues.get(&queue_path(me)).unwrap();
            assert!((fast.max_dispatches_per_second - 5.0).abs() < f64::EPSILON);
            settle(&mut observed, &desired(&yaml));
            assert_eq!(state(&observed, &slow), (QueueState::Running, None));
        }
    }
}

#[test]
fn a_chain_may_give_its_host_to_another_of_its_queues() {
    let single = |name: &str| {
        let yaml = pushing(name, "url: 'https://push.example.com'");
        yaml.split("  - name: slow").next().unwrap().to_owned()
    };
    let (a, b) = (single("a"), single("b"));
    let mut observed = sharing(&b, &a);
    let renamed = b.replace("name: fast", "name: first");
    let renamed = renamed.replace("queue: b\n", "queue: b-first\n");
    settle(&mut observed, &desired(&renamed));
    assert_eq!(state(&observed, "b-first"), (QueueState::Running, None));
}

#[test]
fn a_chain_keeps_its_host_when_its_queue_is_changed_outside() {
    let yaml = pushing("b", URL);
    let mut observed = sharing(&yaml, &pushing("a", URL));
    // As gcloud's --clear-http-uri-override leaves it.
    let queue = queue_mut(&mut observed, "b");
    queue.http_target.as_mut().unwrap().address = None;
    assert!(is_refused(&yaml, &observed));
    observed.was_in_force = true;
    settle(&mut observed, &desired(&yaml));
    let address = queue_mut(&mut observed, "b").address().unwrap();
    assert_eq!(address.host, "fast.push.example.com");
}

#[test]
fn a_shared_host_changes_no_pause() {
    let yaml = pushing("b", URL);
    let mut observed = sharing(&yaml, &pushing("a", URL));
    let running = (QueueState::Running, None);
    let gated = (QueueState::Paused, Some(PauseReason::Gate));
    // A node is drained: for a moment, and for longer.
    for (ready, seconds, wanted) in [(0, 0, running), (0, 30, gated), (1, 1, running)] {
        set_ready(&mut observed, "b-fast", ready);
        round(&mut observed, &yaml, seconds, 0);
        assert_eq!(state(&observed, "b"), wanted);
    }
}

#[test]
fn a_chain_begins_with_its_finalizer_beside_a_chain_with_its_host() {
    let yaml = pushing("b", URL);
    let mut observed = sharing(&yaml, &pushing("a", URL));
    observed.has_finalizer = false;
    observed.deployments.clear();
    let plan = planned(&yaml, &observed).unwrap();
    assert!(plan.begins_with_finalizer(), "{plan}");
}

#[test]
fn a_chain_that_moves_to_a_host_of_another_is_refused_until_it_is_moved_back() {
    let taken = settled(&pushing("first", URL)).queues;
    let own = "url: 'https://{stage}.{chain}.push.example.com'";
    let mut observed = settled_by(&pushing("second", own));
    observed.queues.extend(taken.values().cloned());
    for push in [URL, GATEWAY] {
        assert!(is_refused(&pushing("second", push), &observed));
    }
    let yaml = pushing("second", own);
    assert!(settle(&mut observed, &desired(&yaml)).is_empty());
}

/// The Gateway API gives the requests to the oldest route.
#[test]
fn of_two_routes_with_one_host_the_older_one_keeps_it() {
    let yaml = pushing("b", GATEWAY);
    assert!(is_refused(&yaml, &sharing(&yaml, &pushing("a", GATEWAY))));
    let mut observed = sharing(&yaml, &pushing("a", GATEWAY));
    observed.taken_hosts.clear();
    assert!(settle(&mut observed, &desired(&yaml)).is_empty());
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
