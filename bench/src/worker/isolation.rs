//! What a stage that isolates adds to a push: its category, and two questions to the stage's health.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use decide::health::MAX_CATEGORIES;
use decide::{Admission, Delivery, Sign, StageHealth};
use http::{HeaderMap, HeaderValue};

use crate::figure::Figure;
use crate::rounds::Rounds;

const PUSHES: usize = 200_000;
const ROUNDS: usize = 5;

/// The time that one push takes more, while as many categories come as a pod keeps in mind.
pub fn figure() -> anyhow::Result<Figure> {
    let config = executor_worker::Config::from_vars(&|name| {
        let value = match name {
            "CHAIN" => "bench/orders",
            "STAGE" => "fast",
            "QUEUE" => "projects/p/locations/l/queues/incoming",
            "MAX_ATTEMPTS" => "3",
            "NOTIFY_ON" => "None",
            "HANDLER_URL" => "http://127.0.0.1:9",
            "ISOLATE" => {
                r#"[{"header": "X-Tenant", "to": "projects/p/locations/l/queues/slow",
                    "maxShare": 25, "failures": {"of": 16, "atLeast": 12}}]"#
            }
            _ => return None,
        };
        Some(value.to_owned())
    })?;
    let isolating = config.policy;
    let mut plain = isolating.clone();
    plain.isolation = decide::IsolationRules::default();

    let pushes: Vec<HeaderMap> = (0..MAX_CATEGORIES.get()).map(push).collect();
    let health = StageHealth::new(&isolating, 100).context("the stage isolates")?;
    let health = Mutex::new(health);
    let mut added = Vec::new();
    for _ in 0..ROUNDS {
        let without = timed(&pushes, |headers| {
            black_box(Delivery::parse(headers, &plain, jiff::Timestamp::UNIX_EPOCH).is_ok());
        });
        let with = timed(&pushes, |headers| {
            let delivery = Delivery::parse(headers, &isolating, jiff::Timestamp::UNIX_EPOCH);
            let Ok(delivery) = black_box(delivery) else {
                return;
            };
            let lock = || health.lock().unwrap_or_else(PoisonError::into_inner);
            let (task, categories) = (&delivery.ledger.root, &delivery.categories);
            let admission = lock().admit(task, categories, 10, Duration::ZERO);
            if let Admission::Run(ticket) = admission {
                lock().end(&ticket, Some(Sign::Well), Duration::ZERO, 0.5);
            }
        });
        added.push(with.saturating_sub(without).as_secs_f64() * 1e6);
    }
    let added: Rounds = added.into_iter().collect();
    let name = format!("isolation of {MAX_CATEGORIES} categories: time of a push, added");
    Ok(Figure::of(name, &added, "µs").at_most(1.0))
}

fn push(tenant: usize) -> HeaderMap {
    let headers = [
        ("x-cloudtasks-queuename", "incoming".to_owned()),
        ("x-cloudtasks-taskname", format!("task-{tenant}")),
        ("x-cloudtasks-taskretrycount", "0".to_owned()),
        ("x-cloudtasks-taskexecutioncount", "0".to_owned()),
        ("x-tenant", format!("tenant-{tenant}")),
    ];
    let value = |text: String| HeaderValue::try_from(text).expect("it is plain ASCII");
    headers
        .into_iter()
        .map(|(name, text)| (http::HeaderName::from_static(name), value(text)))
        .collect()
}

/// The time of each.
fn timed(pushes: &[HeaderMap], mut act: impl FnMut(&HeaderMap)) -> Duration {
    let begin = Instant::now();
    for number in 0..PUSHES {
        // In another order than the one in which they came first.
        act(&pushes[number * 2_654_435_761 % pushes.len()]);
    }
    begin.elapsed() / u32::try_from(PUSHES).unwrap_or(u32::MAX)
}
