//! What the handler is sent, and what its answers become.

use bytes::Bytes;
use cloudtasks::{Method, NewTask, OidcToken};
use http::HeaderMap;
use serde_json::Value;
use testkit::{Receiver, Recorded};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::issuer::{AUDIENCE, EMAIL, ISSUER, Issuer, Key, claims};
use crate::pushes::{head, push, send};
use crate::testbed::{DOWNSTREAM, Testbed, queue};

const SECOND: [(&str, &str); 2] = [
    ("STAGE", "slow"),
    ("QUEUE", "projects/p/locations/l/queues/incoming-2"),
];

fn pairs(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    headers.iter().map(owned).collect()
}

fn cloud_tasks(headers: &HeaderMap) -> Vec<String> {
    let mut ours: Vec<String> = headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-cloudtasks-"))
        // It is the time.
        .filter(|(name, _)| *name != "x-cloudtasks-tasketa")
        .map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-cloudtasks-").unwrap();
            format!("{name}={}", value.to_str().unwrap())
        })
        .collect();
    ours.sort();
    ours
}

/// A task that fails on both stages of a chain whose handler is `handler`, and its end.
async fn over_two_stages(
    testbed: &Testbed,
    handler: &Receiver,
    more: &[(&str, &str)],
    task: &[(&str, &str)],
) -> Value {
    let first = [&[DOWNSTREAM, ("MAX_ATTEMPTS", "2")], more].concat();
    let second = [&SECOND, &[("MAX_ATTEMPTS", "2")][..], more].concat();
    let first = testbed.worker(handler, &first).await;
    let second = testbed.worker(handler, &second).await;
    testbed.queue("incoming", first.addr()).await;
    testbed.queue("incoming-2", second.addr()).await;
    testbed.send("order-1", Method::Post, task, b"{}").await;
    let end = testbed.end(&["incoming", "incoming-2"]).await;
    first.stop().await;
    second.stop().await;
    end
}

#[tokio::test]
async fn cloud_tasks_headers_name_the_first_task_and_count_all_attempts() {
    let testbed = Testbed::new().await;
    let handler = Receiver::answering(503);
    over_two_stages(&testbed, &handler, &[], &[]).await;
    let seen: Vec<Vec<String>> = handler
        .requests()
        .iter()
        .map(|run| cloud_tasks(&run.headers))
        .collect();
    let expected = |attempts: u32, more: &[&str]| {
        let mut all = vec![
            "queuename=incoming".to_owned(),
            format!("taskexecutioncount={attempts}"),
            "taskname=order-1".to_owned(),
            format!("taskretrycount={attempts}"),
        ];
        all.extend(more.iter().map(|it| (*it).to_owned()));
        all.sort();
        all
    };
    let retry = &["taskretryreason="][..];
    assert_eq!(
        seen,
        [
            expected(0, &[]),
            expected(1, retry),
            // The first dispatch of its stage.
            expected(2, &["taskpreviousresponse=503"]),
            expected(3, retry),
        ]
    );
    for run in handler.requests() {
        assert!(!run.header("x-cloudtasks-tasketa").is_empty());
        assert_eq!(run.header("user-agent"), "Google-Cloud-Tasks");
        assert_eq!(run.header("accept-encoding"), "identity");
    }
}

#[tokio::test]
async fn cloud_tasks_headers_can_be_left_out() {
    let testbed = Testbed::new().await;
    let handler = Receiver::answering(503);
    let more = [("HANDLER_CLOUD_TASKS_HEADERS", "Drop")];
    over_two_stages(&testbed, &handler, &more, &[]).await;
    for run in handler.requests() {
        let none: [String; 0] = [];
        assert_eq!(cloud_tasks(&run.headers), none);
        assert_eq!(run.header("x-cloudtasks-tasketa"), "");
    }
}

#[tokio::test]
async fn a_producers_headers_reach_every_stage_and_the_event() {
    let testbed = Testbed::new().await;
    let handler = Receiver::answering(500);
    let task = [
        ("X-CloudTasks-Secret", "s3cret"),
        ("x-cloudtasks-projectname", "shop"),
        ("X-Forwarded-Host", "shop.example"),
        ("X-Envoy-Attempt-Count", "1"),
        ("Accept", "application/json"),
        ("Cookie", "a=1; b=2"),
    ];
    let keep = [("KEEP_HEADERS", "x-forwarded-host")];
    let event = over_two_stages(&testbed, &handler, &keep, &task).await;
    let left_behind = "x-envoy-attempt-count";
    for (index, run) in handler.requests().iter().enumerate() {
        for (name, value) in task {
            let name = name.to_lowercase();
            let wanted = (name != left_behind || index < 2).then_some(value.as_bytes());
            let got = run.headers.get(&name).map(http::HeaderValue::as_bytes);
            assert_eq!(got, wanted, "{name} of run {index}");
        }
    }
    let headers = &event["data"]["request"]["headers"];
    for (name, value) in task {
        let name = name.to_lowercase();
        let wanted = if name == left_behind {
            Value::Null
        } else {
            value.into()
        };
        assert_eq!(headers[&name], wanted, "{name}");
    }
}

#[tokio::test]
async fn what_a_load_balancer_adds_reaches_the_handler_alone() {
    let testbed = Testbed::new().await;
    testbed.paused_queue("incoming-2").await;
    let handler = Receiver::answering(500);
    let worker = testbed
        .worker(&handler, &[DOWNSTREAM, ("MAX_ATTEMPTS", "1")])
        .await;
    let added = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "10.0.0.1"),
        ("forwarded", "proto=https"),
        ("via", "1.1 google"),
    ];
    let pushed = [head("order-1", 0, 0, None), pairs(&added)].concat();
    assert_eq!(push(worker.addr(), &pushed).await, 200);
    let run = &handler.requests()[0];
    for (name, value) in added {
        assert_eq!(run.header(name), value);
    }
    let next = &testbed
        .cloud
        .list_tasks(&queue("incoming-2"), 10)
        .await
        .unwrap();
    assert_eq!(next.len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_request_without_a_body_says_so() {
    let testbed = Testbed::new().await;
    let handler = Receiver::answering(200);
    let worker = testbed.worker(&handler, &[]).await;
    let task = head("order-1", 0, 0, None);
    for (method, length) in [
        ("POST", "0"),
        ("PUT", "0"),
        ("PATCH", "0"),
        ("GET", ""),
        ("HEAD", ""),
        ("DELETE", ""),
        ("OPTIONS", ""),
    ] {
        send(worker.addr(), method, "/", &task, Bytes::new()).await;
        let runs = handler.requests();
        let run = runs.last().unwrap();
        assert_eq!(run.method, method);
        assert_eq!(run.header("content-length"), length, "{method}");
        assert!(!run.headers.contains_key("transfer-encoding"), "{method}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn the_manifest_sets_the_host_and_further_headers() {
    let testbed = Testbed::new().await;
    let handler = Receiver::answering(200);
    let more = [
        ("HANDLER_HOST", "orders.example.com"),
        (
            "HANDLER_HEADERS",
            r#"[{"name": "X-Tenant", "value": "acme"}, {"name": "x-mode", "value": "$(HOME)"}]"#,
        ),
    ];
    let worker = testbed.worker(&handler, &more).await;
    let task = [head("order-1", 0, 0, None), pairs(&[("x-tenant", "evil")])].concat();
    assert_eq!(push(worker.addr(), &task).await, 200);
    let run = &handler.requests()[0];
    assert_eq!(run.header("host"), "orders.example.com");
    let tenants: Vec<_> = run.headers.get_all("x-tenant").iter().collect();
    assert_eq!(tenants, ["acme"]);
    assert_eq!(run.header("x-mode"), "$(HOME)");
    worker.stop().await;
}

/// A handler that redirects each path to the location that its query names.
fn redirecting(status: u16) -> Receiver {
    Receiver::start(move |request: Recorded| async move {
        match request.uri.query() {
            Some(to) => {
                let location = ("location".to_owned(), to.to_owned());
                (status, vec![location], Vec::new())
            }
            None => (200, Vec::new(), Vec::new()),
        }
    })
}

#[tokio::test]
async fn a_redirect_on_the_same_origin_is_followed() {
    let testbed = Testbed::new().await;
    for (status, method, then, body) in [
        (301, "POST", "GET", ""),
        (302, "POST", "GET", ""),
        (303, "POST", "GET", ""),
        (307, "POST", "POST", "{}"),
        (308, "PUT", "PUT", "{}"),
        (302, "GET", "GET", ""),
    ] {
        let handler = redirecting(status);
        let worker = testbed.worker(&handler, &[]).await;
        let sent = if method == "GET" { "" } else { "{}" };
        let task = head("order-1", 0, 0, None);
        let sent = Bytes::from_static(sent.as_bytes());
        let (answer, _) = send(worker.addr(), method, "/tasks?/tasks/", &task, sent).await;
        assert_eq!(answer, 200, "{status}");
        let runs = handler.requests();
        assert_eq!(runs.len(), 2, "{status}");
        assert_eq!(runs[1].uri, "/tasks/");
        assert_eq!(runs[1].method, then, "{status}");
        assert_eq!(runs[1].body, body, "{status}");
        assert_eq!(runs[1].header("executor-attempt"), "1");
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_redirect_that_leads_elsewhere_or_in_circles_is_a_failed_attempt() {
    for (to, runs) in [("http://elsewhere.invalid/", 1), ("/tasks?/tasks", 6)] {
        let testbed = Testbed::new().await;
        let handler = Receiver::start(move |_| async move {
            let location = ("location".to_owned(), to.to_owned());
            (307, vec![location], Vec::new())
        });
        let worker = testbed.worker(&handler, &[("MAX_ATTEMPTS", "1")]).await;
        testbed.queue("incoming", worker.addr()).await;
        testbed.send("order-1", Method::Post, &[], b"{}").await;
        let event = testbed.end(&["incoming"]).await;
        assert_eq!(event["type"], "dev.executor-chain.task.failed.v1");
        assert_eq!(event["data"]["reason"], "redirect");
        assert_eq!(event["data"]["lastAnswer"]["status"], 307);
        assert_eq!(event["data"]["lastAnswer"]["location"], to);
        assert_eq!(handler.requests().len(), runs, "{to}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_handler_that_redirects_and_is_gone_has_used_an_attempt() {
    let testbed = Testbed::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let worker = testbed
        .worker(&testbed.client, &[("HANDLER_URL", &url)])
        .await;
    tokio::spawn(async move {
        // Until one brings a request: the worker's check of readiness brings none.
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            if stream.read(&mut [0; 4096]).await.unwrap() > 0 {
                drop(listener);
                let answer = "HTTP/1.1 303 See Other\r\nlocation: /done\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer.as_bytes()).await.unwrap();
                return;
            }
        }
    });
    assert_eq!(push(worker.addr(), &head("order-1", 0, 0, None)).await, 477);
    worker.stop().await;
}

#[tokio::test]
async fn the_event_says_how_an_answer_is_encoded() {
    let testbed = Testbed::new().await;
    let handler = Receiver::start(|_| async {
        let headers = pairs(&[
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ]);
        (422, headers, b"\x1f\x8b\x08".to_vec())
    });
    let worker = testbed.worker(&handler, &[("MAX_ATTEMPTS", "1")]).await;
    testbed.queue("incoming", worker.addr()).await;
    testbed.send("order-1", Method::Post, &[], b"{}").await;
    let event = testbed.end(&["incoming"]).await;
    let answer = &event["data"]["lastAnswer"];
    assert_eq!(answer["contentType"], "application/json");
    assert_eq!(answer["contentEncoding"], "gzip");
    assert_eq!(answer["bodyBase64"], "H4sI");
    worker.stop().await;
}

/// A handler that answers each connection with `answer`, as it stands.
async fn answering_literally(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn unusual_answers_mean_what_http_says() {
    let testbed = Testbed::new().await;
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200),
        (
            "HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n",
            200,
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", 200),
        // Informational ones come before the answer.
        (
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            200,
        ),
        ("HTTP/1.1 304 Not Modified\r\n\r\n", 477),
        (
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            477,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 477),
        ("not HTTP at all\r\n\r\n", 477),
    ] {
        let url = answering_literally(answer).await;
        let more = [("HANDLER_URL", url.as_str()), ("HANDLER_TIMEOUT", "500ms")];
        let worker = testbed.worker(&testbed.client, &more).await;
        let got = push(worker.addr(), &head("order-1", 0, 0, None)).await;
        assert_eq!(got, expected, "{answer:?}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_tasks_own_token_stays_on_the_first_stage_and_a_producers_does_not() {
    for own in [true, false] {
        let testbed = Testbed::new().await;
        let handler = Receiver::answering(500);
        let first = testbed
            .worker(&handler, &[DOWNSTREAM, ("MAX_ATTEMPTS", "1")])
            .await;
        let second = [&SECOND[..], &[("MAX_ATTEMPTS", "1")]].concat();
        let second = testbed.worker(&handler, &second).await;
        testbed.queue("incoming", first.addr()).await;
        testbed.queue("incoming-2", second.addr()).await;
        // Signed by an account that is not the pusher.
        let producers = format!(
            "Bearer {}",
            Key::new("k").sign(&claims(&serde_json::json!({})))
        );
        let mut headers = std::collections::BTreeMap::new();
        if !own {
            headers.insert("Authorization".to_owned(), producers);
        }
        let task = NewTask {
            path: Some(queue("incoming").task("order-1".parse().unwrap())),
            url: "http://producer.example/".into(),
            method: Method::Post,
            headers,
            body: b"{}".to_vec(),
            dispatch_deadline: None,
            schedule_time: None,
            oidc_token: own.then(|| OidcToken {
                service_account_email: EMAIL.into(),
                audience: AUDIENCE.into(),
            }),
        };
        testbed
            .cloud
            .create_task(&queue("incoming"), &task)
            .await
            .unwrap();
        let event = testbed.end(&["incoming", "incoming-2"]).await;
        let runs = handler.requests();
        let tokens = |index: usize| runs[index].header("authorization").starts_with("Bearer ey");
        assert_eq!((tokens(0), tokens(1)), (true, !own));
        let headers = event["data"]["request"]["headers"].as_object().unwrap();
        assert_eq!(headers.contains_key("authorization"), !own);
        first.stop().await;
        second.stop().await;
    }
}

#[tokio::test]
async fn a_verified_token_reaches_the_handler_if_the_manifest_says_so() {
    let testbed = Testbed::new().await;
    let key = Key::new("first");
    let issuer = Issuer::publishing(&[&key]);
    let handler = Receiver::answering(200);
    let url = issuer.server.url("/keys");
    let token = format!("Bearer {}", key.sign(&claims(&serde_json::json!({}))));
    for (pass, expected) in [("Pass", token.as_str()), ("Drop", ""), ("", "")] {
        let more = [
            ("OIDC_AUDIENCES", AUDIENCE),
            ("OIDC_SERVICE_ACCOUNT_EMAILS", EMAIL),
            ("OIDC_ISSUERS", ISSUER),
            ("OIDC_JWKS_URL", &url),
            ("HANDLER_TOKEN", pass),
        ];
        let worker = testbed.worker(&handler, &more).await;
        let task = [
            head("order-1", 0, 0, None),
            pairs(&[("authorization", &token)]),
        ];
        assert_eq!(push(worker.addr(), &task.concat()).await, 200);
        let runs = handler.requests();
        let run = runs.last().unwrap();
        assert_eq!(run.header("authorization"), expected, "{pass:?}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn notifications_carry_a_token_if_the_receiver_demands_one() {
    let testbed = Testbed::new().await;
    let handler = Receiver::answering(200);
    let more = [
        ("NOTIFIER_OIDC_SERVICE_ACCOUNT_EMAIL", EMAIL),
        ("NOTIFIER_OIDC_AUDIENCE", "https://api.example.com"),
    ];
    let worker = testbed.worker(&handler, &more).await;
    testbed.queue("incoming", worker.addr()).await;
    testbed.send("order-1", Method::Post, &[], b"{}").await;
    testbed.end(&["incoming"]).await;
    let token = testbed.client.requests()[0]
        .header("authorization")
        .to_owned();
    assert!(token.starts_with("Bearer ey"), "{token}");
    worker.stop().await;
}
