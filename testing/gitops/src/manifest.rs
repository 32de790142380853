//! The chains, as they are in Git.

use serde_json::{Value, json};

/// What Git says of every stage.
pub const RATE: f64 = 100.0;
/// See [`RATE`].
pub const CONCURRENCY: i32 = 50;
/// An annotation that Git has, and its value there.
pub const ANNOTATION: (&str, &str) = ("example.com/team", "shop");

/// The chain of this name.
pub fn chain(name: &str) -> Value {
    let stage = |stage: &str, attempts: i32| {
        json!({
            "name": stage, "queue": format!("{name}-{stage}"), "maxAttempts": attempts, "replicas": 1,
            "rateLimits": {
                "maxDispatchesPerSecond": RATE, "maxConcurrentDispatches": CONCURRENCY,
            },
        })
    };
    json!({
        "apiVersion": "executor-chain.dev/v1alpha1",
        "kind": "ExecutorChain",
        "metadata": {"name": name, "annotations": {ANNOTATION.0: ANNOTATION.1}},
        "spec": {
            "project": "demo",
            "location": "europe-west1",
            "driftPolicy": "Enforce",
            "notifier": {"queue": format!("{name}-ends"), "url": "https://api.example.com/ends"},
            "template": {"spec": {"containers": [{"name": "handler", "image": "shop:1"}]}},
            "stages": [stage("fast", 3), stage("slow", 2)],
        },
    })
}
