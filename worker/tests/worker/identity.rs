//! Tokens of pushes: only the pusher's pushes are served, and a refused push costs its task nothing.

use cloudtasks::{CloudTasks, Method, OidcToken, QueueSettings};
use executor_worker::RunningWorker;
use serde_json::{Value, json};
use testkit::{Receiver, eventually, free_port};

use crate::issuer::{AUDIENCE, EMAIL, ISSUER, Issuer, Key, claims, header, unsigned};
use crate::pushes::{begin, get, head, push, status};
use crate::testbed::{SOON, Testbed, config, is_ready, queue, started};

/// A worker that takes tokens of an issuer with one key.
struct Guarded {
    key: Key,
    issuer: Issuer,
    worker: RunningWorker,
    handler: Receiver,
    _testbed: Testbed,
}

impl Guarded {
    async fn new() -> Self {
        let key = Key::new("first");
        let issuer = Issuer::publishing(&[&key]);
        let url = issuer.server.url("/keys");
        let (testbed, handler, worker) =
            started(Receiver::answering(200), &required_tokens(&url)).await;
        Self {
            key,
            issuer,
            worker,
            handler,
            _testbed: testbed,
        }
    }

    async fn push(&self, head: &[(String, String)]) -> u16 {
        push(self.worker.addr(), head).await
    }

    /// A valid token, but for these claims.
    fn token(&self, more: &Value) -> String {
        self.key.sign(&claims(more))
    }

    /// Stops the worker, after so many runs.
    async fn stop_after(self, runs: usize) {
        assert_eq!(self.handler.requests().len(), runs);
        self.worker.stop().await;
    }
}

/// The settings of a worker whose issuer is the emulator.
const BY_EMULATOR: [(&str, &str); 2] = [
    ("OIDC_AUDIENCES", AUDIENCE),
    ("OIDC_SERVICE_ACCOUNT_EMAILS", EMAIL),
];

fn required_tokens(keys: &str) -> Vec<(&str, &str)> {
    vec![
        ("OIDC_AUDIENCES", "other,orders"),
        ("OIDC_SERVICE_ACCOUNT_EMAILS", EMAIL),
        ("OIDC_ISSUERS", ISSUER),
        ("OIDC_JWKS_URL", keys),
    ]
}

/// A push with a token; a second one where there was an answer before.
fn with(token: &str, previous: Option<u16>) -> Vec<(String, String)> {
    let mut head = head("order-1", previous.map_or(0, |_| 1), 0, previous);
    head.push(("authorization".into(), format!("Bearer {token}")));
    head
}

/// Tokens that an attacker might try, and the reason for which each is refused.
fn attempts(key: &Key) -> Vec<(&'static str, String)> {
    // With the same id, as in a forged token.
    let forger = Key::new(&key.id);
    let stranger = Key::new("unheard-of");
    let says = |more: Value| key.sign(&claims(&more));
    let now = jsonwebtoken::get_current_timestamp();
    let right = says(json!({}));
    let parts: Vec<&str> = right.split('.').collect();
    let other = says(json!({"email": "admin@p.iam.gserviceaccount.com"}));
    let swapped = format!(
        "{}.{}.{}",
        parts[0],
        other.split('.').nth(1).unwrap(),
        parts[2]
    );
    vec![
        ("signature", forger.sign(&claims(&json!({})))),
        ("signature", swapped),
        ("signature", format!("{}.{}.", parts[0], parts[1])),
        ("unknown_key", stranger.sign(&claims(&json!({})))),
        ("algorithm", unsigned(key)),
        (
            "algorithm",
            key.sign_with_the_public_half(&claims(&json!({}))),
        ),
        (
            "expired",
            says(json!({"iat": now - 7200, "exp": now - 3600})),
        ),
        ("expired", says(json!({"exp": now - 31}))),
        ("expired", says(json!({"exp": null}))),
        ("expired", says(json!({"exp": "tomorrow"}))),
        ("not_yet_valid", says(json!({"nbf": now + 600}))),
        ("not_yet_valid", says(json!({"iat": now + 600}))),
        ("malformed", says(json!({"iat": "yesterday"}))),
        ("audience", says(json!({"aud": "another-chain"}))),
        ("audience", says(json!({"aud": ["another-chain"]}))),
        ("audience", says(json!({"aud": null}))),
        ("issuer", says(json!({"iss": "https://evil.example"}))),
        ("issuer", says(json!({"iss": null}))),
        ("email", says(json!({"email": "me@gmail.com"}))),
        ("email", says(json!({"email": format!("x{EMAIL}")}))),
        ("email", says(json!({"email": null}))),
        ("email", says(json!({"email": [EMAIL]}))),
        ("email_unverified", says(json!({"email_verified": false}))),
        ("email_unverified", says(json!({"email_verified": "true"}))),
        ("email_unverified", says(json!({"email_verified": null}))),
        ("malformed", "garbage".into()),
        ("malformed", "a.b.c".into()),
        ("malformed", "..".into()),
        ("malformed", String::new()),
        ("malformed", "x".repeat(9000)),
        ("malformed", format!("{right}.{}", parts[2])),
    ]
}

#[tokio::test]
async fn a_push_without_a_valid_token_neither_runs_the_handler_nor_counts() {
    let guarded = Guarded::new().await;
    let metrics = guarded.worker.metrics();
    for (reason, token) in attempts(&guarded.key) {
        let so_far = metrics.refusals(reason);
        let answer = guarded.push(&with(&token, None)).await;
        assert_eq!(answer, 500, "{reason}");
        assert_eq!(metrics.refusals(reason), so_far + 1, "{reason}: {token}");
        // A0: what a push may not make the queue forget.
        for remembered in [596, 597] {
            let head = with(&token, Some(remembered));
            assert_eq!(guarded.push(&head).await, remembered, "{reason}");
        }
    }
    assert_eq!(guarded.handler.requests().len(), 0);
    assert_eq!(metrics.snapshot().runs_started, 0);
    // And the right one is served.
    let right = guarded.token(&json!({}));
    assert_eq!(guarded.push(&with(&right, None)).await, 200);
    guarded.stop_after(1).await;
}

#[tokio::test]
async fn a_previous_response_that_a_producer_wrote_skips_no_run_where_pushes_are_signed() {
    for written in ["596", "597"] {
        let handler = Receiver::answering(200);
        let (testbed, handler, worker) = started(handler, &BY_EMULATOR).await;
        testbed.queue("incoming", worker.addr()).await;
        sign(&testbed.cloud, "incoming", AUDIENCE).await;
        let headers = [("X-CloudTasks-TaskPreviousResponse", written)];
        testbed.send("order-1", Method::Post, &headers, b"{}").await;
        let event = testbed.end(&["incoming"]).await;
        assert_eq!(handler.requests().len(), 1, "{written}");
        assert_eq!(event["type"], "dev.executor-chain.task.succeeded.v1");
        worker.stop().await;
    }
}

#[tokio::test]
async fn an_unsigned_first_push_gets_500_whatever_a_producer_wrote() {
    let guarded = Guarded::new().await;
    let head = head("order-1", 0, 0, Some(597));
    assert_eq!(guarded.push(&head).await, 500);
    guarded.stop_after(0).await;
}

#[tokio::test]
async fn a_push_without_a_token_is_distinguished_from_a_request_that_is_no_push() {
    let guarded = Guarded::new().await;
    let metrics = guarded.worker.metrics();
    assert_eq!(guarded.push(&head("order-1", 0, 0, None)).await, 500);
    let basic = ("authorization".to_owned(), "Basic b3Blbg==".to_owned());
    let head = [head("order-1", 0, 0, None), vec![basic]].concat();
    assert_eq!(guarded.push(&head).await, 500);
    assert_eq!(metrics.refusals("missing"), 2);
    let right = guarded.token(&json!({}));
    let twice = [with(&right, None), with(&right, None)].concat();
    assert_eq!(guarded.push(&twice).await, 500);
    assert_eq!(metrics.refusals("malformed"), 1);
    // A load balancer's check, a scanner.
    assert_eq!(get(guarded.worker.addr(), "/.env").await.0, 500);
    assert_eq!(metrics.refusals("not_a_push"), 1);
    let (_, page) = get(guarded.worker.admin_addr(), "/metrics").await;
    let line = "executor_worker_pushes_refused_total{chain=\"orders\",stage=\"fast\",reason=\"missing\"} 2";
    assert!(page.contains(line), "{page}");
    guarded.stop_after(0).await;
}

#[tokio::test]
async fn a_refused_push_is_answered_before_its_body_is_read() {
    let guarded = Guarded::new().await;
    let head = head("order-1", 0, 0, None);
    // A body that never comes.
    let to = guarded.worker.addr();
    let mut stream = begin(to, &head, "content-length: 1000000").await;
    assert_eq!(status(&mut stream).await, 500);
    guarded.stop_after(0).await;
}

#[tokio::test]
async fn googles_tokens_are_accepted_within_the_clock_skew() {
    let guarded = Guarded::new().await;
    let now = jsonwebtoken::get_current_timestamp();
    let right = [
        json!({}),
        json!({"aud": "other"}),
        json!({"aud": ["another", "orders"]}),
        json!({"exp": now - 10}),
        json!({"iat": now + 10, "nbf": now + 10}),
        json!({"iat": null}),
    ];
    for more in &right {
        let head = with(&guarded.token(more), None);
        assert_eq!(guarded.push(&head).await, 200, "{more}");
    }
    for request in guarded.handler.requests() {
        assert_eq!(request.header("authorization"), "", "the token stays here");
    }
    guarded.stop_after(right.len()).await;
}

#[tokio::test]
async fn a_rotated_key_works_without_a_restart_and_a_withdrawn_key_stops_working() {
    let guarded = Guarded::new().await;
    let new = Key::new("new");
    let token = |key: &Key| with(&key.sign(&claims(&json!({}))), None);
    assert_eq!(guarded.push(&token(&guarded.key)).await, 200);
    guarded.issuer.publish(&[&new]);
    assert_eq!(guarded.push(&token(&new)).await, 200);
    assert_eq!(guarded.issuer.fetches(), 2);
    assert_eq!(guarded.push(&token(&guarded.key)).await, 500);
    guarded.stop_after(2).await;
}

#[tokio::test]
async fn a_thousand_unknown_keys_cause_a_handful_of_fetches() {
    let guarded = Guarded::new().await;
    let begin = std::time::Instant::now();
    let token = Key::new("forged").sign(&claims(&json!({})));
    let (_, signed) = token.split_once('.').unwrap();
    for number in 0..1000 {
        let token = format!("{}.{signed}", header(&format!("key-{number}")));
        assert_eq!(guarded.push(&with(&token, None)).await, 500);
    }
    // The first one, three in a row, and one more each 30 s.
    let later = usize::try_from(begin.elapsed().as_secs() / 30).unwrap();
    let fetches = guarded.issuer.fetches();
    assert!(fetches <= 4 + later, "{fetches}");
    assert_eq!(guarded.worker.metrics().refusals("unknown_key"), 1000);
    guarded.stop_after(0).await;
}

#[tokio::test]
async fn a_worker_waits_for_keys_at_its_start_and_keeps_them_while_the_issuer_is_down() {
    let testbed = Testbed::new().await;
    let key = Key::new("first");
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/keys");
    let handler = Receiver::answering(200);
    let (emulator, to) = (testbed.emulator.addr().to_string(), handler.url(""));
    let vars = [
        vec![
            ("CLOUD_TASKS_EMULATOR_HOST", emulator.as_str()),
            ("HANDLER_URL", to.as_str()),
        ],
        required_tokens(&url),
    ];
    let worker = executor_worker::start(config(&vars.concat()))
        .await
        .unwrap();
    eventually("a connection to Cloud Tasks", SOON, async || {
        let (status, text) = get(worker.admin_addr(), "/readyz").await;
        status == 503 && text.contains("no keys")
    })
    .await;
    assert!(!worker.is_ready());
    let right = with(&key.sign(&claims(&json!({}))), None);
    assert_eq!(push(worker.addr(), &right).await, 500);

    // A page that is no key set is none either.
    let wrong = Receiver::start_on(port, |_| async { (200, Vec::new(), b"<html>".to_vec()) });
    eventually("a second fetch", SOON, async || {
        !wrong.requests().is_empty()
    })
    .await;
    assert!(!worker.is_ready());
    drop(wrong);

    let issuer = Issuer::publishing_on(port, &[&key]);
    is_ready(&worker).await;
    assert_eq!(push(worker.addr(), &right).await, 200);

    drop(issuer);
    // One that causes a fetch, which fails.
    let stranger = Key::new("unheard-of").sign(&claims(&json!({})));
    assert_eq!(push(worker.addr(), &with(&stranger, None)).await, 500);
    assert_eq!(push(worker.addr(), &right).await, 200);
    assert!(worker.is_ready());
    worker.stop().await;
}

async fn sign(cloud: &CloudTasks, id: &str, audience: &str) {
    let found = cloud.get_queue(&queue(id)).await.unwrap();
    let mut target = found.http_target.unwrap();
    target.token = Some(OidcToken {
        service_account_email: EMAIL.into(),
        audience: audience.into(),
    });
    let settings = QueueSettings {
        http_target: Some(target),
        ..QueueSettings::default()
    };
    cloud.update_queue(&queue(id), &settings).await.unwrap();
}

#[tokio::test]
async fn pushes_that_were_refused_cost_their_task_no_attempt() {
    // The emulator is its own issuer, and the worker's default issuer if it uses the emulator.
    let handler = Receiver::answering(500);
    let (testbed, handler, worker) = started(handler, &BY_EMULATOR).await;
    testbed.eager_queue("incoming", worker.addr()).await;
    testbed.send("order-1", Method::Post, &[], b"{}").await;
    let metrics = worker.metrics();
    eventually("pushes without a token", SOON, async || {
        metrics.refusals("missing") >= 10
    })
    .await;
    sign(&testbed.cloud, "incoming", "another-chain").await;
    eventually("pushes for another audience", SOON, async || {
        metrics.refusals("audience") >= 10
    })
    .await;
    assert_eq!(handler.requests().len(), 0);

    sign(&testbed.cloud, "incoming", AUDIENCE).await;
    let event = testbed.end(&["incoming"]).await;
    let runs = handler.requests();
    let attempts: Vec<&str> = runs
        .iter()
        .map(|run| run.header("executor-attempt"))
        .collect();
    assert_eq!(attempts, ["1", "2", "3"], "E is what it was");
    assert_eq!(event["data"]["attempts"]["fast"], 3);
    let text = event.to_string();
    assert!(!text.to_lowercase().contains("bearer"), "{text}");
    worker.stop().await;
}
