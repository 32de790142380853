//! The page where scripts are off.

use browser::{Chromium, Look};
use testkit::eventually;

use crate::{SOON, serve};

#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn the_page_shows_all_and_reloads_itself() {
    let (source, url) = serve(60).await;
    let chromium = Chromium::start(Look {
        scripts: false,
        ..Look::WIDE
    })
    .await;
    chromium.open(&url).await;
    assert_eq!(chromium.count("article.chain").await, 50);
    let status = chromium.text("#status").await.unwrap();
    assert!(status.ends_with(" UTC"), "{status}");
    // Nothing has run that would say so.
    assert_eq!(chromium.count("#status[data-state=still]").await, 1);

    source.edit(|chains| chains.truncate(2));
    eventually("the page has reloaded itself", SOON, async || {
        let count = chromium.count("article.chain").await;
        (count == 2, count)
    })
    .await;
    chromium.end().await;
}
