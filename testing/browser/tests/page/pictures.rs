//! Pictures for the documentation: `make browser PICTURES=docs/images` writes them.

use std::path::PathBuf;

use browser::{Chromium, Look};

use crate::serve;

#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn pictures_are_written_on_demand() {
    let Some(folder) = std::env::var_os("PICTURES").filter(|it| !it.is_empty()) else {
        return;
    };
    let folder = PathBuf::from(folder);
    let (_source, url) = serve(5).await;
    let chromium = Chromium::start(Look::WIDE).await;
    for (name, path, look, height) in [
        ("chains", "", Look::WIDE, 1100),
        (
            "chains-dark",
            "",
            Look {
                dark: true,
                ..Look::WIDE
            },
            1100,
        ),
        ("chain", "chains/shop/orders", Look::WIDE, 1000),
        ("chains-narrow", "", Look::NARROW, 1400),
    ] {
        chromium.look(look).await;
        chromium.open(&format!("{url}{path}")).await;
        let picture = chromium.picture(look.width, height).await;
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }
    chromium.end().await;
}
