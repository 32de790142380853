//! The JSON, and what holds for every route.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use console::{ChainList, LiveChain, ParkedReply, Standby};
use console_serve::{MAX_RESPONSES, MAX_STREAMS};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::scripted::{INTERVAL, Scripted, chain};

const ROUTES: &[&str] = &[
    "/",
    "/chains/shop/orders",
    "/api/v1/chains",
    "/api/v1/chains/shop/orders",
    "/api/v1/events",
    "/api/v1/parked/shop/orders",
    "/events",
    "/page.css",
    "/page.js",
    "/icon.svg",
];

async fn send(source: &Arc<Scripted>, request: Request<Body>) -> Response {
    let routes = console_serve::routes(Arc::clone(source) as _);
    routes.oneshot(request).await.unwrap()
}

async fn get(source: &Arc<Scripted>, path: &str) -> Response {
    let request = Request::get(path).header(header::HOST, "127.0.0.1:9481");
    send(source, request.body(Body::empty()).unwrap()).await
}

async fn body(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn json_of<T: serde::de::DeserializeOwned>(response: Response) -> T {
    serde_json::from_str(&body(response).await).unwrap()
}

async fn next_event(response: &mut Response) -> Option<String> {
    let frame = response.body_mut().frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

/// The events until the next time of the numbers, which ends those of an interval.
async fn next_tick(response: &mut Response) -> Vec<String> {
    let mut events = Vec::new();
    loop {
        events.push(next_event(response).await.unwrap());
        if events.last().unwrap().starts_with("event: at\n") {
            return events;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_chains_are_listed_worst_first() {
    let source = Scripted::of(vec![chain("shop", "a"), chain("shop", "b").failing()]);
    let list: ChainList = json_of(get(&source, "/api/v1/chains").await).await;
    let names: Vec<_> = list.items.iter().map(|chain| &*chain.name).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(source.looks(), ["all"]);
}

#[tokio::test(start_paused = true)]
async fn one_chain_is_found_by_its_name() {
    let source = Scripted::of(vec![chain("shop", "orders"), chain("bank", "orders")]);
    let found: LiveChain = json_of(get(&source, "/api/v1/chains/bank/orders").await).await;
    assert_eq!(found, chain("bank", "orders").0);
    assert_eq!(source.looks(), ["bank/orders"]);

    let missing = get(&source, "/api/v1/chains/bank/ordres").await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    let missing: Value = json_of(missing).await;
    assert_eq!(
        missing,
        json!({"error": "the operator serves no chain bank/ordres"})
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_parked_is_asked_for_by_an_address() {
    let source = Scripted::of(vec![chain("shop", "orders")]);
    let path = "/api/v1/parked/shop/orders?by=reason,stage&where=reason=no-stock&since=2h&limit=7";
    let reply: ParkedReply = json_of(get(&source, path).await).await;
    assert_eq!(reply.by, ["reason", "stage"]);
    assert_eq!((&*reply.queue, reply.listed), ("orders-parked", 7));

    for (path, status, error) in [
        ("gone", StatusCode::NOT_FOUND, "there is no such chain"),
        (
            "broken",
            StatusCode::BAD_GATEWAY,
            "Cloud Tasks is unavailable",
        ),
        ("busy", StatusCode::TOO_MANY_REQUESTS, "try again in 20s"),
        (
            "orders?by=color",
            StatusCode::BAD_REQUEST,
            "\"color\" is not a key: write reason, cause, stage, status or hour",
        ),
    ] {
        let answer = get(&source, &format!("/api/v1/parked/shop/{path}")).await;
        assert_eq!(answer.status(), status, "{path}");
        let answer: Value = json_of(answer).await;
        assert_eq!(answer, json!({"error": error}), "{path}");
    }
    let leader = Some("executor-chain-7d".to_owned());
    source.become_standby(Standby { leader });
    let answer = get(&source, "/api/v1/parked/shop/orders").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let answer: Value = json_of(answer).await;
    assert_eq!(answer, json!({"leader": "executor-chain-7d"}));
}

#[tokio::test(start_paused = true)]
async fn namespaces_whose_chains_are_missing_are_named() {
    let source = Scripted::of(vec![chain("shop", "orders")]);
    let says = "the chains in namespace yard are missing: the operator can't list them";
    let all: Value = json_of(get(&source, "/api/v1/chains").await).await;
    assert_eq!(all.get("unlistedNamespaces"), None);
    assert!(!body(get(&source, "/").await).await.contains("missing"));

    source.miss(&["yard"]);
    let all: Value = json_of(get(&source, "/api/v1/chains").await).await;
    assert_eq!(all["unlistedNamespaces"], json!(["yard"]));
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    for (path, is_missing) in [
        ("/", true),
        ("/chains/yard/orders", true),
        ("/api/v1/chains/yard/orders", true),
        ("/chains/hall/orders", false),
        ("/api/v1/chains/hall/orders", false),
    ] {
        let text = body(get(&source, path).await).await;
        let text = text.replace("&#39;", "'");
        assert_eq!(text.contains(says), is_missing, "{path}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_standby_names_the_leader() {
    let source = Scripted::of(vec![chain("shop", "orders")]);
    let leader = Some("executor-chain-7d".to_owned());
    source.become_standby(Standby { leader });
    for path in &ROUTES[..2] {
        let answer = get(&source, path).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let answer = body(answer).await;
        assert!(
            answer.contains("<code>executor-chain-7d</code>"),
            "{answer}"
        );
    }
    for path in &ROUTES[2..4] {
        let answer = get(&source, path).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let answer: Value = json_of(answer).await;
        assert_eq!(answer, json!({"leader": "executor-chain-7d"}), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_reading_is_allowed() {
    let source = Scripted::of(vec![chain("shop", "orders")]);
    for path in ROUTES {
        for method in [
            "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW",
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = Request::builder().uri(*path).method(&method);
            let answer = send(&source, request.body(Body::empty()).unwrap()).await;
            assert_eq!(
                answer.status(),
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
        }
        let head = Request::head(*path).body(Body::empty()).unwrap();
        let head = send(&source, head).await;
        assert_eq!(head.status(), StatusCode::OK, "HEAD {path}");
        assert_eq!(
            get(&source, path).await.status(),
            StatusCode::OK,
            "GET {path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn other_paths_are_not_found() {
    let source = Scripted::of(vec![]);
    for path in [
        "/api/v1",
        "/api/v1/chains/",
        "/api/v1/chains/shop",
        "/chains/shop",
        "/page.css/x",
        "/chains",
        "/../Cargo.toml",
    ] {
        assert_eq!(
            get(&source, path).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_answer_keeps_other_sites_out() {
    let source = Scripted::of(vec![chain("shop", "orders")]);
    for path in ROUTES {
        let answer = get(&source, path).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-security-policy").starts_with("default-src 'self';"));
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");

        let rebound = Request::get(*path).header(header::HOST, "rebound.example.com:9481");
        let rebound = send(&source, rebound.body(Body::empty()).unwrap()).await;
        assert_eq!(rebound.status(), StatusCode::MISDIRECTED_REQUEST, "{path}");
        assert!(!body(rebound).await.contains("orders"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn events_follow_the_snapshots() {
    let source = Scripted::of(vec![chain("shop", "orders"), chain("shop", "mails")]);
    let mut events = get(&source, "/api/v1/events?namespace=shop&name=orders").await;
    let first = &next_tick(&mut events).await[0];
    let data = first.strip_prefix("event: chain\ndata: ").unwrap();
    let first: LiveChain = serde_json::from_str(data).unwrap();
    assert_eq!(first, chain("shop", "orders").0);

    let unchanged = next_tick(&mut events).await;
    assert!(unchanged[0].starts_with("event: at\n"), "{unchanged:?}");
    source.set(vec![chain("shop", "orders").failing()]);
    let failing = &next_tick(&mut events).await[0];
    assert!(failing.contains("HandlerFails"), "{failing}");
    source.set(vec![]);
    let gone = &next_tick(&mut events).await[0];
    assert!(gone.contains("serves no chain shop/orders"), "{gone}");
}

#[tokio::test(start_paused = true)]
async fn half_a_name_is_refused() {
    let source = Scripted::of(vec![]);
    let answer = get(&source, "/api/v1/events?name=orders").await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn streams_are_bounded_and_a_place_is_free_again_when_its_reader_leaves() {
    let source = Scripted::of(vec![chain("shop", "orders")]);
    let routes = console_serve::routes(Arc::clone(&source) as _);
    let open = async || {
        let request = Request::get("/api/v1/events").body(Body::empty()).unwrap();
        routes.clone().oneshot(request).await.unwrap()
    };
    let mut streams = Vec::new();
    for _ in 0..MAX_STREAMS {
        streams.push(open().await);
    }
    assert!(
        streams
            .iter()
            .all(|stream| stream.status() == StatusCode::OK)
    );
    says_to_retry(open().await).await;
    streams.pop();
    assert_eq!(open().await.status(), StatusCode::OK);
}

async fn says_to_retry(full: Response) {
    assert_eq!(full.status(), StatusCode::SERVICE_UNAVAILABLE);
    let after: u32 = full.headers()[header::RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(after > 0);
    let problem: Value = json_of(full).await;
    assert!(problem["error"].as_str().unwrap().starts_with("too many"));
}

/// What is read of a response before it has been sent: more than is on its way at once.
fn many_chains() -> Arc<Scripted> {
    let chains = (0..400).map(|number| chain("shop", &format!("orders-{number}")));
    Scripted::of(chains.collect())
}

#[tokio::test(start_paused = true)]
async fn responses_are_bounded_until_they_are_read() {
    let source = many_chains();
    let routes = console_serve::routes(Arc::clone(&source) as _);
    let open = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        routes.clone().oneshot(request).await.unwrap()
    };
    let mut unread = Vec::new();
    for _ in 0..MAX_RESPONSES {
        unread.push(open("/api/v1/chains").await);
    }
    assert!(unread.iter().all(|it| it.status() == StatusCode::OK));
    for path in &ROUTES[..4] {
        says_to_retry(open(path).await).await;
    }
    // Streams have places of their own.
    assert_eq!(open("/events").await.status(), StatusCode::OK);

    let list: ChainList = json_of(unread.pop().unwrap()).await;
    assert_eq!(list.items.len(), 400);
    let again = open("/api/v1/chains").await;
    assert_eq!(again.status(), StatusCode::OK);
    let length = again.headers()[header::CONTENT_LENGTH].to_str().unwrap();
    let length = length.parse::<usize>().unwrap();
    assert_eq!(body(again).await.len(), length);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_of_a_response_loses_its_place() {
    let source = many_chains();
    let routes = console_serve::routes(Arc::clone(&source) as _);
    let open = async || {
        let request = Request::get("/api/v1/chains").body(Body::empty()).unwrap();
        routes.clone().oneshot(request).await.unwrap()
    };
    let mut unread = Vec::new();
    for _ in 0..MAX_RESPONSES {
        unread.push(open().await);
    }
    says_to_retry(open().await).await;
    tokio::time::sleep(INTERVAL * 20).await;
    assert_eq!(open().await.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_dropped() {
    let source = Scripted::of(vec![chain("shop", "orders")]);
    let routes = console_serve::routes(Arc::clone(&source) as _);
    let open = async || {
        let request = Request::get("/api/v1/events").body(Body::empty()).unwrap();
        routes.clone().oneshot(request).await.unwrap()
    };
    let (mut slow, mut quick) = (open().await, open().await);
    for _ in 0..25 {
        source.set(vec![chain("shop", "orders")]);
        next_tick(&mut quick).await;
    }
    // What was on its way to it, and then the end.
    let mut left = 0;
    while next_event(&mut slow).await.is_some() {
        left += 1;
        assert!(left < 5, "it isn't dropped");
    }
    next_tick(&mut quick).await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_taken_once_for_all_viewers_and_not_at_all_without_viewers() {
    let source = Scripted::of(vec![chain("shop", "orders")]);
    let routes = console_serve::routes(Arc::clone(&source) as _);
    let mut streams = Vec::new();
    for _ in 0..50 {
        let request = Request::get("/api/v1/events").body(Body::empty()).unwrap();
        streams.push(routes.clone().oneshot(request).await.unwrap());
    }
    for stream in &mut streams {
        next_tick(stream).await;
    }
    source.looks();
    // All get the next tick, of which there is one.
    for stream in &mut streams {
        next_tick(stream).await;
    }
    assert_eq!(source.looks(), ["all"]);

    drop(streams);
    tokio::time::sleep(INTERVAL * 100).await;
    assert_eq!(source.looks(), <[&str; 0]>::default());
}
