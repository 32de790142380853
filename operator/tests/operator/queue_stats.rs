//! The live numbers of the stages' queues, as metrics: whatever Cloud Tasks answers, they are right or
//! missing, and nothing else of the operator depends on them.

use std::collections::BTreeMap;

use testkit::{Emulator, StatsAnswer, StatsProxy, eventually, task};

use crate::testbed::{ORDERS, Queues, SOON, Testbed, named, queue, served, without};

const QUICK: [&str; 2] = [
    "--queue-stats-interval=500ms",
    "--queue-poll-interval=500ms",
];
/// Each location is asked once.
const ONCE: [&str; 1] = ["--queue-stats-interval=1h"];

/// The orders, whose stage `middle` keeps its tasks.
fn orders() -> String {
    ORDERS.replace(
        "queue: incoming-2, maxAttempts: 2",
        "queue: incoming-2, maxAttempts: 2, paused: true",
    )
}

struct Numbers {
    testbed: Testbed,
    proxy: StatsProxy,
    queues: Queues,
    _emulator: Emulator,
}

impl Numbers {
    async fn with(prefix: &str, args: &[&str]) -> Self {
        let emulator = Emulator::start().await;
        let proxy = StatsProxy::start(emulator.addr()).await;
        Self {
            testbed: Testbed::at(prefix, proxy.addr(), args).await,
            proxy,
            queues: Queues::of(&emulator).await,
            _emulator: emulator,
        }
    }

    /// Of the orders, once their numbers are there.
    async fn of_orders(prefix: &str) -> Self {
        let numbers = Self::with(prefix, &QUICK).await;
        numbers.testbed.apply(&orders()).await;
        numbers.testbed.says("orders", "QueuesReady=True").await;
        numbers.are_known().await;
        numbers
    }

    async fn create(&self, id: &str) {
        let queue = queue("incoming-2");
        self.queues
            .create_task(&queue, &task(&queue, id, "x"))
            .await
            .unwrap();
    }

    async fn are_known(&self) {
        eventually("the numbers of three stages", SOON, async || {
            let tasks = self.stages("tasks").await;
            let unknown = series(&self.testbed, "stats_unknown").await;
            (
                tasks.len() == 3 && unknown.is_empty(),
                (tasks, unknown, self.testbed.operator.log_tail()),
            )
        })
        .await;
    }

    /// Waits until no stage has numbers, for this reason.
    async fn are_unknown(&self, reason: &str) {
        unknown(&self.testbed, reason).await;
        for name in ["tasks", "lag_seconds", "in_flight", "effective_rate"] {
            assert_eq!(self.stages(name).await, BTreeMap::new(), "{name}");
        }
    }

    /// The value of each stage of the orders.
    async fn stages(&self, name: &str) -> BTreeMap<String, f64> {
        stages(&self.testbed, "orders", name).await
    }

    async fn tasks_are(&self, count: f64) {
        eventually("so many tasks", SOON, async || {
            let tasks = self.stages("tasks").await;
            (tasks.get("middle") == Some(&count), tasks)
        })
        .await;
    }

    /// An edit reaches the queue, with the rate limit that there always is.
    async fn edits_work(&self, rate: u32) {
        let edited = orders().replace(
            "maxDispatchesPerSecond: 400",
            &format!("maxDispatchesPerSecond: {rate}"),
        );
        self.testbed.apply(&edited).await;
        self.queues.has_rate("incoming", f64::from(rate)).await;
        let calls = self.testbed.calls_per_second().await;
        assert!(
            (calls - 50.0).abs() < f64::EPSILON,
            "{calls} calls a second"
        );
    }
}

/// The series of a metric of queues: labels to value.
async fn series(testbed: &Testbed, name: &str) -> BTreeMap<String, f64> {
    let text = testbed.metrics_text().await;
    let start = format!("executor_operator_queue_{name}{{");
    let lines = text.lines().filter_map(|line| line.strip_prefix(&start));
    lines
        .map(|line| {
            let (labels, value) = line.split_once("} ").unwrap();
            (labels.to_owned(), value.parse().unwrap())
        })
        .collect()
}

async fn stages(testbed: &Testbed, chain: &str, name: &str) -> BTreeMap<String, f64> {
    let series = series(testbed, name).await.into_iter();
    let chain = format!(
        r#"chain_namespace="{}",chain="{chain}",stage=""#,
        testbed.namespace
    );
    series
        .filter_map(|(labels, value)| {
            let (stage, _) = labels.strip_prefix(&chain)?.split_once('"')?;
            Some((stage.to_owned(), value))
        })
        .collect()
}

/// Waits until the numbers of three stages are unknown for this reason, and of no stage for another.
async fn unknown(testbed: &Testbed, reason: &str) {
    let labels = format!(r#"project="demo",queue_location="europe-west1",reason="{reason}""#);
    let wanted = BTreeMap::from([(labels, 3.0)]);
    eventually(reason, SOON, async || {
        let unknown = series(testbed, "stats_unknown").await;
        (unknown == wanted, (unknown, testbed.operator.log_tail()))
    })
    .await;
}

#[tokio::test]
async fn each_stage_has_its_numbers_until_it_is_gone() {
    let numbers = Numbers::of_orders("numbers").await;
    numbers.create("a").await;
    numbers.create("b").await;
    numbers.tasks_are(2.0).await;
    let rates = numbers.stages("effective_rate").await;
    assert_eq!(rates.get("fast"), Some(&400.0), "{rates:?}");
    assert_eq!(numbers.stages("in_flight").await.get("middle"), Some(&0.0));
    eventually("a lag that grows", SOON, async || {
        let lags = numbers.stages("lag_seconds").await;
        (lags["middle"] > 2.0 && lags["slow"] == 0.0, lags)
    })
    .await;

    numbers.testbed.apply(&without(&orders(), "slow")).await;
    eventually("the numbers of two stages", SOON, async || {
        let tasks = numbers.stages("tasks").await;
        (tasks.keys().eq(["fast", "middle"]), tasks)
    })
    .await;
    numbers.testbed.delete("orders").await;
    numbers.testbed.gone("orders").await;
    eventually("no numbers", SOON, async || {
        let text = numbers.testbed.metrics_text().await;
        let text: Vec<&str> = text
            .lines()
            .filter(|it| it.contains("queue_tasks{"))
            .collect();
        text.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_location_is_listed_once_for_all_of_its_chains() {
    let numbers = Numbers::with("numbers-once", &ONCE).await;
    let elsewhere = named("d", ORDERS).replace("europe-west1", "asia-east1");
    for (name, manifest) in [
        ("a", named("a", ORDERS)),
        ("b", named("b", ORDERS)),
        ("c", named("c", ORDERS)),
        ("d", elsewhere),
    ] {
        numbers.testbed.apply(&manifest).await;
        numbers.testbed.settle(name).await;
    }
    let lists = numbers.proxy.lists();
    let locations =
        ["europe-west1", "asia-east1"].map(|it| format!("projects/demo/locations/{it}"));
    assert_eq!(lists, locations);
}

#[tokio::test]
async fn numbers_come_back_after_what_passes_by_itself() {
    let numbers = Numbers::of_orders("numbers-away").await;
    let answers = [
        (StatsAnswer::ResourceExhausted, "quota", 390),
        (StatsAnswer::Silent, "stale", 380),
        (StatsAnswer::Absent, "absent", 370),
    ];
    for (answer, reason, rate) in answers {
        numbers.proxy.answer(answer);
        numbers.are_unknown(reason).await;
        numbers.edits_work(rate).await;
        numbers.proxy.answer(StatsAnswer::Current);
        numbers.are_known().await;
    }
}

#[tokio::test]
async fn a_refused_call_is_made_again_rarely() {
    let numbers = Numbers::of_orders("numbers-refused").await;
    let answers = [
        (StatsAnswer::PermissionDenied, "forbidden", 390),
        (StatsAnswer::Unimplemented, "unimplemented", 380),
    ];
    for (answer, reason, rate) in answers {
        numbers.proxy.answer(answer);
        numbers.are_unknown(reason).await;
        let lists = numbers.proxy.lists().len();
        numbers.edits_work(rate).await;
        // The other lists are as frequent as these were.
        numbers.testbed.lists_pass(6).await;
        assert!(numbers.proxy.lists().len() <= lists + 1);
        numbers.proxy.answer(StatsAnswer::Current);
        numbers.are_known().await;
    }
}

#[tokio::test]
async fn numbers_that_cloud_tasks_does_not_renew_look_like_others() {
    let numbers = Numbers::of_orders("numbers-old").await;
    numbers.create("a").await;
    numbers.tasks_are(1.0).await;
    numbers.proxy.answer(StatsAnswer::Frozen);
    numbers.create("b").await;
    let lists = numbers.proxy.lists().len();
    eventually("more lists", SOON, async || {
        numbers.proxy.lists().len() > lists + 3
    })
    .await;
    numbers.tasks_are(1.0).await;
    numbers.edits_work(390).await;
    numbers.proxy.answer(StatsAnswer::Current);
    numbers.tasks_are(2.0).await;
}

#[tokio::test]
async fn an_emulator_without_the_call_is_asked_once_and_chains_are_served() {
    let (testbed, _emulator, _queues) =
        served("numbers-none", &["--queue-poll-interval=500ms"], ORDERS).await;
    unknown(&testbed, "unimplemented").await;
    assert_eq!(stages(&testbed, "orders", "tasks").await, BTreeMap::new());
    testbed.lists_pass(6).await;
    let metrics = testbed.metrics().await;
    let calls =
        r#"executor_operator_cloud_tasks_calls_total{method="ListQueueStats",outcome="failed"}"#;
    assert_eq!(metrics.get(calls), Some(&1));
}

#[tokio::test]
async fn numbers_are_not_asked_for_if_they_are_turned_off() {
    let numbers = Numbers::with("numbers-off", &["--queue-stats-interval=0s"]).await;
    numbers.testbed.apply(ORDERS).await;
    numbers.testbed.settle("orders").await;
    numbers.testbed.lists_pass(2).await;
    let (_, live) = numbers.testbed.api("/api/v1/chains").await;
    let shown = &live["items"][0]["stages"][0]["queueNumbers"];
    assert_eq!(shown["unknown"], "turnedOff", "{live}");
    assert_eq!(numbers.proxy.lists(), [""; 0]);
    for name in ["tasks", "stats_unknown"] {
        assert_eq!(series(&numbers.testbed, name).await, BTreeMap::new());
    }
}
