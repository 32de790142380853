//! Chains in several locations: each is listed for itself, and for as long as it has a chain.

use std::time::Instant;

use testkit::{CallProxy, Emulator, eventually};

use crate::place::{ORDERS, Place, SOON, queue};

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

async fn two() -> (Place, Emulator, CallProxy) {
    let emulator = Emulator::start().await;
    let proxy = CallProxy::start(emulator.addr()).await;
    let place = Place::at("locations", &proxy.addr().to_string(), &QUICK).await;
    place.apply(ORDERS).await;
    place.apply(&parcels()).await;
    place.settle("orders").await;
    place.settle("parcels").await;
    (place, emulator, proxy)
}

#[tokio::test]
async fn a_location_that_does_not_answer_delays_no_other() {
    let (place, emulator, proxy) = two().await;
    proxy.keep(AWAY);
    place.not_ready("parcels", "CloudTasksAway").await;
    place
        .apply(&ORDERS.replace("maxDispatchesPerSecond: 400", "maxDispatchesPerSecond: 300"))
        .await;
    let queues = emulator.cloud_tasks().await;
    eventually("an edit that is in force", SOON, async || {
        let found = queues.get_queue(&queue("incoming")).await.ok()?;
        ((found.max_dispatches_per_second - 300.0).abs() < f64::EPSILON).then_some(())
    })
    .await;
    place.settle("orders").await;

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
    place.settle("parcels").await;
}

#[tokio::test]
async fn a_location_without_chains_is_no_longer_listed() {
    let (place, _emulator, proxy) = two().await;
    place
        .kubectl(&["delete", "chain", "parcels", "--timeout=20s"])
        .await
        .expect_ok();
    eventually("a location that is left alone", SOON, async || {
        let (here, away) = (listed(&proxy, HERE).len(), listed(&proxy, AWAY).len());
        let enough = async || (listed(&proxy, HERE).len() >= here + 6).then_some(());
        eventually("lists of the other one", SOON, enough).await;
        (listed(&proxy, AWAY).len() == away).then_some(())
    })
    .await;
    // With its next chain it is listed again and again.
    let before = listed(&proxy, AWAY).len();
    place.apply(&parcels()).await;
    let again = async || (listed(&proxy, AWAY).len() >= before + 6).then_some(());
    eventually("lists of its next chain's queues", SOON, again).await;
}
