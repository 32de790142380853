//! Outages of Cloud Tasks, as the workers see it.

use std::net::SocketAddr;
use std::sync::Arc;

use testkit::{Proxy, Way};

use crate::seed::Seed;
use crate::tracker::Tracker;

/// Opens a way to `emulator`, which is closed for a while now and then.
pub async fn start(emulator: SocketAddr, seed: Seed, tracker: Arc<Tracker>) -> SocketAddr {
    let proxy = Proxy::start(emulator).await;
    let addr = proxy.addr();
    tokio::spawn(async move {
        for outage in 0.. {
            let draw = seed.of("spell", "", outage);
            tokio::time::sleep(draw.between(1500, 5000)).await;
            let without_answers = draw.of_1000() < 400;
            proxy.turn(if without_answers {
                Way::Mute
            } else {
                Way::Refused
            });
            tracker.outages.add();
            tokio::time::sleep(draw.of("length", "", 0).between(200, 2000)).await;
            proxy.turn(Way::Open);
        }
    });
    addr
}
