//! What happens while a page is open.

use std::time::Duration;

use browser::{Chromium, Look, Scripted, fault, samples};
use testkit::eventually;

use crate::{SOON, serve};

#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn a_fault_becomes_the_first_line() {
    let (source, url) = serve(30).await;
    source.edit(|chains| chains.retain(|it| it.findings.is_empty() && !it.is_unseen()));
    let chromium = Chromium::start(Look::WIDE).await;
    chromium.open(&url).await;
    let summary = chromium.text("#found").await.unwrap();
    assert!(summary.ends_with("nothing is wrong"), "{summary}");

    let mut name = String::new();
    source.edit(|chains| {
        fault(&mut chains[20]);
        name = format!("{}/{}", chains[20].namespace, chains[20].name);
    });
    eventually("the fault as the first line", SOON, async || {
        let first = chromium.text("main .finding").await.unwrap_or_default();
        (
            first.contains("HandlerFails") || first.contains("the handler fails"),
            first,
        )
    })
    .await;
    assert_eq!(chromium.text("article h3").await.unwrap(), name);
    chromium.end().await;
}

#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn an_edit_of_a_rate_shows_within_three_seconds() {
    let (source, url) = serve(5).await;
    let chromium = Chromium::start(Look::WIDE).await;
    chromium.open(&format!("{url}chains/shop/orders")).await;
    let rate = ".stage .number dd";
    let before = chromium.text(rate).await.unwrap();
    assert!(before.contains("of 500/s"), "{before}");
    source.edit(|chains| {
        let orders = chains
            .iter_mut()
            .find(|chain| chain.name == "orders")
            .unwrap();
        orders.stages[0].settings.max_dispatches_per_second = Some(321.0);
    });
    eventually("the new rate", Duration::from_secs(3), async || {
        let now = chromium.text(rate).await.unwrap_or_default();
        (now.contains("of 321/s"), now)
    })
    .await;
    chromium.end().await;
}

#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn what_is_selected_stays_until_it_is_let_go() {
    let (source, url) = serve(5).await;
    let chromium = Chromium::start(Look::WIDE).await;
    chromium.open(&url).await;
    chromium.click(".command code").await;
    let selected = "return document.getSelection().toString()";
    let command = chromium.run(selected).await;
    assert!(
        command.as_str().unwrap().starts_with("gcloud tasks"),
        "{command}"
    );

    source.edit(|chains| chains.truncate(1));
    eventually("the page says that it holds", SOON, async || {
        let status = chromium.text("#status").await.unwrap_or_default();
        (status.contains("held"), status)
    })
    .await;
    assert_eq!(chromium.run(selected).await, command);
    assert!(chromium.count("article.chain").await > 1);

    chromium
        .run("document.getSelection().removeAllRanges()")
        .await;
    eventually("the chain that is left", SOON, async || {
        let count = chromium.count("article.chain").await;
        (count == 1, count)
    })
    .await;
    chromium.end().await;
}

#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn the_focus_stays_where_it_is() {
    let (source, url) = serve(30).await;
    let chromium = Chromium::start(Look::WIDE).await;
    chromium.open(&url).await;
    chromium
        .run("document.querySelector('article h3 a[href=\"chains/crm/mail\"]').focus()")
        .await;
    source.edit(|chains| fault(&mut chains[20]));
    eventually("the new fault", SOON, async || {
        let page = chromium.text("main").await.unwrap_or_default();
        (page.contains("the handler fails"), page)
    })
    .await;
    let focused = chromium
        .run("return document.activeElement.textContent")
        .await;
    assert_eq!(focused, "crm/mail");
    chromium.end().await;
}

#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn a_lost_connection_is_said_and_found_again() {
    let (chains, trends) = samples(5);
    let source = Scripted::new(chains, trends);
    let address = testkit::free_addr().to_string();
    let serving = source.serve_until_dropped(&address).await;
    let chromium = Chromium::start(Look::WIDE).await;
    chromium.open(&format!("http://{address}/")).await;
    let state = async |expected: &str| {
        eventually(expected, SOON * 2, async || {
            let state = chromium
                .run("return document.getElementById('status').dataset.state")
                .await;
            (state == expected, state)
        })
        .await;
    };
    state("live").await;
    drop(serving);
    state("lost").await;
    let status = chromium.text("#status").await.unwrap();
    assert!(status.starts_with("connection lost: as of "), "{status}");
    let _serving = source.serve_until_dropped(&address).await;
    state("live").await;
    chromium.end().await;
}

#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn a_standby_names_the_leader_and_a_new_leader_shows_its_chains() {
    let (source, url) = serve(5).await;
    let chromium = Chromium::start(Look::NARROW).await;
    chromium.open(&url).await;
    source.become_standby(Some("executor-chain-7d9f"));
    eventually("the name of the leader", SOON, async || {
        let page = chromium.text("main").await.unwrap_or_default();
        (page.contains("executor-chain-7d9f"), page)
    })
    .await;
    source.become_leader(samples(5));
    eventually("the chains", SOON, async || {
        chromium.count("article.chain").await == 5
    })
    .await;
    chromium.end().await;
}
