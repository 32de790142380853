//! Serves sample chains, to look at the page while it is changed: `cargo run -p browser --example preview`.

#![allow(clippy::print_stdout, reason = "its output is the address")]

use browser::{Scripted, samples};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let count = std::env::args()
        .nth(1)
        .map_or(Ok(5), |count| count.parse())?;
    let (chains, trends) = samples(count);
    let address = Scripted::new(chains, trends)
        .serve("127.0.0.1:9490")
        .await?;
    println!("http://{address}/");
    std::future::pending().await
}
