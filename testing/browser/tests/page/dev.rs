//! The page of a real `executor-chain dev`: real workers, an emulator of Cloud Tasks, a real handler.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use browser::{Chromium, Look};
use testkit::{Process, Receiver, binary, eventually, free_port};

const CHAIN: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {name: orders}
spec:
  project: demo
  location: europe-west1
  notifier: {queue: orders-notifier, url: 'https://api.example.com/task-events'}
  template: {spec: {containers: [{name: handler, image: 'shop:1'}]}}
  stages:
  - {name: fast, queue: incoming, maxAttempts: 3, rateLimits: {maxDispatchesPerSecond: 400}, backoff: {min: 10ms, max: 50ms}}
  - {name: slow, queue: incoming-2, maxAttempts: 2, rateLimits: {maxDispatchesPerSecond: 50}, backoff: {min: 10ms, max: 50ms}}
";

#[tokio::test]
#[ignore = "needs Chromium: make browser"]
async fn a_real_chain_at_work_shows_its_ladder_an_edit_and_a_fault() {
    let fails = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&fails);
    let handler = Receiver::start(move |_| {
        let status = if switch.load(Ordering::Relaxed) {
            500
        } else {
            200
        };
        async move { (status, vec![], vec![]) }
    });
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("chain.yaml");
    std::fs::write(&manifest, CHAIN).unwrap();
    let mut command = Command::new(binary("executor-chain"));
    command.arg("dev").arg(&manifest).args([
        &format!("--listen=127.0.0.1:{}", free_port()),
        "--admin=127.0.0.1:0",
        "--tasks-per-second=20",
        &format!("--handler={}", handler.url("/")),
    ]);
    let dev = Process::spawn(&command);
    let url = eventually("the page's address", Duration::from_secs(30), async || {
        let log = dev.log();
        let url = log.lines().find_map(|line| line.strip_prefix("page: "));
        url.map(str::to_owned).ok_or(log)
    })
    .await;

    let chromium = Chromium::start(Look::WIDE).await;
    chromium.open(&url).await;
    eventually(
        "tasks from producers",
        Duration::from_secs(15),
        async || {
            let arrow = chromium.text(".arrow").await.unwrap_or_default();
            let has_some = arrow.contains("/s from producers") && !arrow.contains("0/s from");
            (has_some || arrow.contains("20/s"), arrow)
        },
    )
    .await;
    let summary = chromium.text("#found").await.unwrap();
    assert_eq!(summary, "1 chain: nothing is wrong");

    std::fs::write(&manifest, CHAIN.replace("400", "321")).unwrap();
    eventually("the new rate", Duration::from_secs(3), async || {
        let rate = chromium.text(".stage .number dd").await.unwrap_or_default();
        (rate.contains("of 321/s"), rate)
    })
    .await;

    fails.store(true, Ordering::Relaxed);
    eventually(
        "the fault as the first line",
        Duration::from_secs(15),
        async || {
            // With one status, or, once no success is left in the window, altogether.
            let first = chromium.text("main .finding").await.unwrap_or_default();
            (
                first.contains("default/orders fast") && first.contains("fail"),
                first,
            )
        },
    )
    .await;
    assert_eq!(chromium.complaints().await, Vec::<String>::new());
    chromium.end().await;
}
