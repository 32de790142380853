//! Chains in several locations: each is listed for itself, and for as long as it has a chain.

use std::time::Instant;

use testkit::{CallProxy, Emulator, eventually};

use crate::testbed::{ORDERS, Queues, RATE, SOON, Testbed};

const HERE: &str = "europe-west1";
const AWAY: &str = "asia-east1";
const QUICK: [&str; 2] = ["--queue-poll-interval", "500ms"];

/// A chain elsewhere, with queues of the same names.
fn parcels() -> String {
    ORDERS
        .replace("name: orders}", "name: parcels}")
        .replace(HERE, AWAY)
}

/// When pages of a location's queues were asked for.
fn listed(proxy: &CallProxy, location: &str) -> Vec<Instant> {
    proxy.lists().remove(location).unwrap_or_default()
}

async fn two() -> (Testbed, Emulator, CallProxy) {
    let emulator = Emulator::start().await;
    let proxy = CallProxy::start(emulator.addr()).await;
    let testbed = Testbed::at("locations", proxy.addr(), &QUICK).await;
    testbed.apply(ORDERS).await;
    testbed.apply(&parcels()).await;
    testbed.settle("orders").await;
    testbed.settle("parcels").await;
    (testbed, emulator, proxy)
}

#[tokio::test]
async fn a_location_that_does_not_answer_delays_no_other() {
    let (testbed, emulator, proxy) = two().await;
    proxy.keep(AWAY);
    testbed.not_ready("parcels", "CloudTasksAway").await;
    testbed
        .apply_with(RATE, "maxDispatchesPerSecond: 300")
        .await;
    let queues = Queues::of(&emulator).await;
    queues.has_rate("incoming", 300.0).await;
    testbed.settle("orders").await;

    // While one list hangs, the other location is listed again and again.
    let before = listed(&proxy, AWAY).len();
    let hung = eventually("two more lists that hang", SOON, async || {
        let lists = listed(&proxy, AWAY);
        (lists.len() >= before + 2).then(|| lists[before..before + 2].to_vec())
    })
    .await;
    let between = hung[0]..hung[1];
    let mut meanwhile = listed(&proxy, HERE);
    meanwhile.retain(|time| between.contains(time));
    // A list is two pages. One that waited for the other location would be made once.
    assert!(meanwhile.len() >= 6, "{meanwhile:?} in {between:?}");

    proxy.open();
    testbed.settle("parcels").await;
}

#[tokio::test]
async fn a_location_without_chains_is_no_longer_listed() {
    let (testbed, _emulator, proxy) = two().await;
    testbed.delete("parcels").await;
    // Each look takes some lists of the other location.
    eventually("a location that is left alone", SOON * 3, async || {
        let (here, away) = (listed(&proxy, HERE).len(), listed(&proxy, AWAY).len());
        let enough = async || listed(&proxy, HERE).len() >= here + 6;
        eventually("lists of the other one", SOON, enough).await;
        listed(&proxy, AWAY).len() == away
    })
    .await;
    // With its next chain it is listed again and again.
    let before = listed(&proxy, AWAY).len();
    testbed.apply(&parcels()).await;
    let again = async || listed(&proxy, AWAY).len() >= before + 6;
    eventually("lists of its next chain's queues", SOON, again).await;
}
