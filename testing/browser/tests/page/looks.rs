//! What each page looks like, and what it asks for.

use browser::{Chromium, Look};
use serde_json::json;
use testkit::eventually;

use crate::{SOON, serve};

/// Elements that reach beyond the window, such as a word that can't be broken.
const TOO_WIDE: &str = "
    const width = document.documentElement.clientWidth;
    return [...document.querySelectorAll('body *')]
        .filter((it) => it.getBoundingClientRect().right > width + 0.5)
        .map((it) => it.outerHTML.slice(0, 200));";

/// Texts that are hard to read on their ground: less than 4.5 to 1, as WCAG's AA has it.
const PALE: &str = r#"
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (color) => {
        const [r, g, b] = color.map((it) => it / 255)
            .map((it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (it) => {
        for (; it; it = it.parentElement) {
            const color = rgba(getComputedStyle(it).backgroundColor);
            if (color[3] === 255) return color;
        }
        return [255, 255, 255, 255];
    };
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const text = texts.currentNode;
        const it = text.parentElement;
        if (!text.data.trim() || !it.checkVisibility() || it.closest("svg, noscript")) continue;
        const pair = [luminance(rgba(getComputedStyle(it).color)), luminance(ground(it))];
        const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        if (contrast < 4.5) found.push(`${contrast.toFixed(2)}: ${text.data.trim()}`);
    }
    return found;"#;

/// Pictures without a text, and headings that skip a level.
const UNNAMED: &str = r#"
    const found = [...document.querySelectorAll("svg")]
        .filter((it) => it.getAttribute("aria-hidden") !== "true" && !it.getAttribute("aria-label"))
        .map((it) => it.outerHTML.slice(0, 200));
    let level = 0;
    for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
        const own = Number(heading.tagName[1]);
        if (own > level + 1) found.push(`h${level}, then ${heading.outerHTML}`);
        level = own;
    }
    const ids = [...document.querySelectorAll("[id]")].map((it) => it.id);
    found.push(...ids.filter((id, index) => ids.indexOf(id) !== index));
    return found;"#;

#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn each_page_is_readable_and_asks_no_other_site() {
    let (source, url) = serve(60).await;
    source.edit(|chains| {
        // As long as Kubernetes and Cloud Tasks allow.
        chains[0].stages[0].queue = "q".repeat(100);
        chains[0].stages[1].name = "s".repeat(63);
        chains[1].namespace = "n".repeat(63);
        chains[1].name = "c".repeat(200);
    });
    let chromium = Chromium::start(Look::WIDE).await;
    for width in [320, 640, 1000, 1280, 1920] {
        for dark in [false, true] {
            chromium
                .look(Look {
                    width,
                    dark,
                    ..Look::WIDE
                })
                .await;
            for path in [
                "",
                "?page=2",
                "?q=orders",
                "?q=nothing",
                "chains/shop/orders",
                "chains/no/chain",
            ] {
                chromium.open(&format!("{url}{path}")).await;
                let at = format!("/{path} at {width}, dark: {dark}");
                assert_eq!(chromium.run(TOO_WIDE).await, json!([]), "{at}");
                assert_eq!(chromium.run(PALE).await, json!([]), "{at}");
                assert_eq!(chromium.run(UNNAMED).await, json!([]), "{at}");
                let complaints = chromium.complaints().await;
                // The browser itself notes the status of a page that doesn't exist.
                let is_expected = |it: &String| path == "chains/no/chain" && it.contains("404");
                let complaints: Vec<_> = complaints.iter().filter(|it| !is_expected(it)).collect();
                assert!(complaints.is_empty(), "{at}: {complaints:?}");
            }
        }
    }
    let requests = chromium.requests().await;
    assert!(
        requests.iter().any(|request| request.contains("events")),
        "{requests:?}"
    );
    let others: Vec<_> = requests
        .iter()
        .filter(|request| !request.starts_with(&url))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    chromium.end().await;
}

/// Each of the probes above must be able to fail.
#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn what_would_be_wrong_with_a_page_is_noticed() {
    let (_source, url) = serve(5).await;
    let chromium = Chromium::start(Look::NARROW).await;
    chromium.open(&url).await;
    chromium.complaints().await;
    let spoil = r#"
        content.insertAdjacentHTML("beforeend", "<h4>wide</h4><svg></svg>");
        const added = content.lastElementChild.previousElementSibling;
        added.style.width = "500px";
        added.style.color = "rgb(150, 150, 150)";
        content.insertAdjacentHTML("beforeend", "<p style='color: red'>inline</p>");
        fetch("http://localhost:1/elsewhere").catch(() => null);
        "#;
    chromium.run(spoil).await;
    for probe in [TOO_WIDE, PALE, UNNAMED] {
        assert_ne!(chromium.run(probe).await, json!([]), "{probe}");
    }
    eventually("the complaints", SOON, async || {
        let complaints = chromium.complaints().await.concat();
        let both = complaints.contains("style") && complaints.contains("elsewhere");
        (both, complaints)
    })
    .await;
    chromium.end().await;
}

#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn a_thousand_chains_are_read_fifty_at_a_time() {
    let (_source, url) = serve(1_000).await;
    let chromium = Chromium::start(Look::WIDE).await;
    chromium.open(&url).await;
    assert_eq!(chromium.count("article.chain").await, 50);
    let first = chromium.text("article.chain h3").await.unwrap();
    assert_eq!(first, "billing/refunds");
    chromium.click(".pages a:last-child").await;
    eventually("the last page", SOON, async || {
        let shown = chromium.text("#chains").await.unwrap_or_default();
        (shown == "Chains 951 to 1000 of 1000, worst first", shown)
    })
    .await;
    assert_eq!(chromium.count("article.chain").await, 50);
    chromium.end().await;
}

/// A click returns before the page that it leads to is there.
async fn shows(chromium: &Chromium, chains: usize) {
    eventually("a page with these chains", SOON, async || {
        let shown = chromium.count("article.chain").await;
        (shown == chains, shown)
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn a_chain_is_found_by_a_part_of_its_name() {
    let (_source, url) = serve(60).await;
    let chromium = Chromium::start(Look::NARROW).await;
    chromium.open(&url).await;
    chromium
        .run("document.querySelector('input[name=q]').value = 'shop/ord'")
        .await;
    chromium.click("form button").await;
    shows(&chromium, 1).await;
    chromium.click("article.chain h3 a").await;
    eventually("the chain's page", SOON, async || {
        let title = chromium.text("h1").await.unwrap_or_default();
        (title.ends_with("shop/orders"), title)
    })
    .await;
    chromium.click("h1 a").await;
    shows(&chromium, 50).await;
    chromium.end().await;
}

#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn what_a_chain_says_is_text_and_never_markup() {
    let (source, url) = serve(1).await;
    source.edit(|chains| {
        let evil = "<img src=x onerror=alert(1)><script>alert(2)</script>\n\ndata: x";
        chains[0].findings[0].message = evil.into();
        chains[0].findings[0].command = evil.into();
        chains[0].draining = vec![evil.into()];
        chains[0].drift = Some(evil.into());
    });
    let chromium = Chromium::start(Look::WIDE).await;
    for path in ["", "chains/shop/orders"] {
        chromium.open(&format!("{url}{path}")).await;
        assert_eq!(chromium.count("img, main script").await, 0, "/{path}");
        let finding = chromium.text(".finding").await.unwrap();
        assert!(finding.contains("<script>alert(2)</script>"), "{finding}");
        assert_eq!(chromium.complaints().await, Vec::<String>::new(), "/{path}");
    }
    chromium.end().await;
}
