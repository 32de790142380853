//! A chain takes over a queue that others have made, with a path, a query, and a method of its own.

use serde_json::json;
use testkit::http_get::exchange;
use testkit::{Receiver, Recorded, eventually};

use crate::program::{Dev, ORDERS, SOON};

/// The requests of a task that fails on the first stage and goes to the adopted queue.
async fn requests(mode: &str) -> Vec<Recorded> {
    let handler = Receiver::answering(409);
    let (without, last) = ORDERS.split_at(ORDERS.find("  - {name: slow").unwrap());
    let dev = Dev::start(without, &["--handler", &handler.url("")]).await;
    let queue = json!({
        "name": "projects/demo/locations/europe-west1/queues/incoming-2",
        "httpTarget": {
            "httpMethod": "PUT",
            "uriOverride": {
                "host": "old.example.com",
                "pathOverride": {"path": "/old"},
                "queryOverride": {"queryParams": "of=old"},
                "uriOverrideEnforceMode": mode,
            },
        },
    })
    .to_string();
    let listen = dev.listen.parse().unwrap();
    let call = format!(
        "POST /v2/projects/demo/locations/europe-west1/queues HTTP/1.0\r\nHost: {listen}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{queue}",
        queue.len()
    );
    let answer = exchange(listen, &call).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    dev.edit(&format!("{without}{last}"));
    dev.says("edit applied").await;
    dev.send(&[]).await;
    eventually("all attempts", SOON, async || {
        let requests = handler.requests();
        if requests.len() == 5 {
            Ok(requests)
        } else {
            Err(requests.len())
        }
    })
    .await
}

fn lines(requests: &[Recorded]) -> Vec<String> {
    let line = |request: &Recorded| format!("{} {}", request.method, request.uri);
    requests.iter().map(line).collect()
}

#[tokio::test]
async fn an_adopted_queues_own_path_query_and_method_replace_those_of_each_task() {
    let (own, old) = ("POST /tasks", "PUT /old?of=old");
    assert_eq!(lines(&requests("ALWAYS").await), [own, own, own, old, old]);
}

#[tokio::test]
async fn a_path_that_an_adopted_queue_only_suggests_is_dropped() {
    let (own, put) = ("POST /tasks", "PUT /tasks");
    assert_eq!(
        lines(&requests("IF_NOT_EXISTS").await),
        [own, own, own, put, put]
    );
}
