//! Whatever Cloud Tasks can send reaches the rules.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cloudtasks::{Method, NewTask};
use executor_worker::RunningWorker;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use testkit::chain::{Stage, stages};
use testkit::{Receiver, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::pushes::head;
use crate::testbed::{DOWNSTREAM, ONE_ATTEMPT, SOON, Testbed, event, queue, started};

const STAGES: [Stage; 3] = stages([1; 3]);
/// What a task's headers may have, names and values.
const HEADER_BYTES: usize = 80_000;
/// The emulator drops a header that is longer.
const LONGEST_HEADER: usize = 8188;
/// What a ledger and the other headers may take of a task's 1 MiB.
const RESERVED: usize = 8 * 1024;
const MIB: usize = 1024 * 1024;
const HOST: &str = "http://producer.example";
const URL_LENGTH: usize = 2083;

type Runs = Arc<Mutex<Vec<Request<Bytes>>>>;

/// A handler that takes as many headers as Cloud Tasks can send.
struct Handler {
    addr: SocketAddr,
    runs: Runs,
}

impl Handler {
    async fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let runs = Runs::default();
        let kept = Arc::clone(&runs);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let runs = Arc::clone(&kept);
                let service = service_fn(move |request: Request<Incoming>| {
                    let runs = Arc::clone(&runs);
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let run = Request::from_parts(head, body);
                        runs.lock().unwrap().push(run);
                        let mut response = Response::new(Full::<Bytes>::default());
                        *response.status_mut() = StatusCode::from_u16(status).unwrap();
                        Ok::<_, Infallible>(response)
                    }
                });
                let mut server = http1::Builder::new();
                let server = server.max_headers(24_000);
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { addr, runs }
    }

    /// The runs since the last call.
    fn take(&self) -> Vec<Request<Bytes>> {
        std::mem::take(&mut self.runs.lock().unwrap())
    }
}

/// Three stages on which each task fails once.
struct Chain {
    testbed: Testbed,
    handler: Handler,
    workers: Vec<RunningWorker>,
}

impl Chain {
    async fn new() -> Self {
        let testbed = Testbed::new().await;
        let handler = Handler::answering(500).await;
        let mut workers = Vec::new();
        for stage in &STAGES {
            let next = STAGES.get(stage.index + 1);
            let next = next.map_or(String::new(), |next| next.queue().to_string());
            let vars = [
                ("STAGE", stage.name),
                ("QUEUE", &stage.queue().to_string()),
                ("DOWNSTREAM_QUEUE", &next),
                ("HANDLER_URL", &format!("http://{}", handler.addr)),
                ONE_ATTEMPT,
            ];
            let worker = testbed.worker(&testbed.client, &vars).await;
            let queue = stage.queue().id;
            testbed.queue(queue.as_str(), worker.addr()).await;
            workers.push(worker);
        }
        Self {
            testbed,
            handler,
            workers,
        }
    }

    /// Creates the task, and returns its runs and the data of its event.
    async fn follow(&self, id: &str, task: &Task) -> (Vec<Request<Bytes>>, serde_json::Value) {
        self.handler.take();
        let task = task.named(id);
        self.testbed
            .cloud
            .create_task(&queue("incoming"), &task)
            .await
            .unwrap();
        let event = eventually("the end of the task", SOON, async || {
            let events = self.testbed.client.requests();
            let mut events = events.iter().map(event);
            events.find(|event| event["subject"] == id)
        })
        .await;
        assert_eq!(event["type"], "dev.executor-chain.task.failed.v1");
        (self.handler.take(), event["data"].clone())
    }

    async fn stop(self) {
        for worker in self.workers {
            worker.stop().await;
        }
    }
}

#[derive(Debug, Clone)]
struct Task {
    method: Method,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Task {
    fn post(headers: BTreeMap<String, String>) -> Self {
        Self {
            method: Method::Post,
            path: "/orders?id=7".into(),
            headers,
            body: b"{}".to_vec(),
        }
    }

    fn named(&self, id: &str) -> NewTask {
        NewTask {
            path: Some(queue("incoming").task(id.parse().unwrap())),
            url: format!("{HOST}{}", self.path),
            method: self.method,
            headers: self.headers.clone(),
            body: self.body.clone(),
            dispatch_deadline: None,
            schedule_time: None,
            oidc_token: None,
        }
    }
}

/// `count` headers with the shortest names there are, and values such that all have `bytes`, if that is
/// possible.
fn headers(count: usize, bytes: usize) -> BTreeMap<String, String> {
    const TOKEN: &[u8] =
        b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut headers = BTreeMap::new();
    let mut left = bytes;
    for index in 0..count {
        let (mut name, mut rest) = (String::new(), index + 1);
        while rest > 0 {
            rest -= 1;
            name.push(TOKEN[rest % TOKEN.len()].into());
            rest /= TOKEN.len();
        }
        // Names of the hop, and ours.
        if ["te", "via"].contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        let share = (left / (count - index)).min(LONGEST_HEADER);
        let length = share.saturating_sub(name.len()).max(1);
        left = left.saturating_sub(name.len() + length);
        let text = ('!'..='~').cycle().skip(index % 94);
        headers.insert(name, text.take(length).collect());
    }
    headers
}

/// The values of each name, in lower case, as the handler gets them.
fn values<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, Vec<String>> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        values.entry(name).or_default().push(value.to_owned());
    }
    // Two spellings of a name come in any order, and joined behind the first stage.
    for values in values.values_mut() {
        let mut all: Vec<_> = values.iter().flat_map(|it| it.split(", ")).collect();
        all.sort_unstable();
        *values = all.into_iter().map(str::to_owned).collect();
    }
    values
}

fn assert_runs_carry(runs: &[Request<Bytes>], task: &Task) {
    let stages: Vec<_> = runs
        .iter()
        .map(|run| &run.headers()["executor-stage"])
        .collect();
    assert_eq!(stages, ["fast", "slow", "last"]);
    let sent = values(task.headers.iter().map(|(name, value)| (&**name, &**value)));
    for run in runs {
        assert_eq!(run.method().as_str(), task.method.as_str());
        let got = values(
            run.headers()
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap())),
        );
        let missing: Vec<_> = sent
            .iter()
            .filter(|(name, all)| got.get(*name) != Some(all))
            .collect();
        assert!(
            missing.is_empty(),
            "{} of {}: {:.200?}",
            missing.len(),
            sent.len(),
            missing
        );
        assert!(run.body() == &task.body, "{} bytes", run.body().len());
    }
}

#[tokio::test]
async fn a_task_with_as_many_headers_as_cloud_tasks_takes_runs_on_every_stage_and_ends() {
    let chain = Chain::new().await;
    // Beyond 22,000 of the shortest, 80 KB are full.
    for (id, count, bytes) in [
        ("few", 10, HEADER_BYTES),
        ("some", 95, 95 * 20),
        ("hundreds", 500, HEADER_BYTES),
        ("most", 22_000, HEADER_BYTES),
    ] {
        let task = Task::post(headers(count, bytes));
        let (runs, data) = chain.follow(id, &task).await;
        assert_runs_carry(&runs, &task);
        assert_eq!(data["reason"], "status");
        assert_eq!(
            data["attempts"],
            serde_json::json!({"fast": 1, "slow": 1, "last": 1})
        );
    }
    chain.stop().await;
}

/// A path with a query, of one kind of parts, and as long as a URL may be.
fn any_path() -> impl Strategy<Value = String> {
    let plain =
        "(/[A-Za-z0-9_~!$&'()*+,;=:@-]{1,20}){1,5}(\\?[A-Za-z0-9._~!$&()*+,;=:@/?-]{0,40})?";
    let encoded = "/(%[013-9A-F][0-9A-F]|[a-z]){0,60}(\\?(%[0-9A-F]{2}|&|=){0,60})?";
    // The pusher encodes what a URL can't have.
    let other = "/[ \"<>^`{|}\u{e4}\u{2014}\u{1f600}a-z]{0,40}\\?[ \"'<>^`{|}\u{e4}\u{2014}\u{1f600}a-z]{0,40}";
    let path = prop_oneof![plain, encoded, other, Just("/".to_owned())];
    (path, any::<bool>()).prop_map(|(path, fill)| {
        let mut path = path;
        if fill {
            path.push_str(if path.contains('?') { "&" } else { "?" });
            path.extend(std::iter::repeat_n(
                'x',
                URL_LENGTH - HOST.len() - path.len(),
            ));
        }
        path
    })
}

fn any_task() -> impl Strategy<Value = Task> {
    let method = prop::sample::select(vec![
        Method::Post,
        Method::Get,
        Method::Head,
        Method::Put,
        Method::Delete,
        Method::Patch,
        Method::Options,
    ]);
    let counts = prop_oneof![0..20_usize, 90..130_usize, 1000..4000_usize];
    let bytes = prop_oneof![Just(0), 0..HEADER_BYTES, Just(HEADER_BYTES)];
    let body = prop_oneof![Just(0), Just(1), 0..MIB, Just(MIB)];
    (method, any_path(), counts, bytes, body).prop_map(|(method, path, count, bytes, body)| {
        let headers = headers(count, bytes);
        // In the form of the API each header takes some bytes more than its name and value.
        let taken: usize = headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 12)
            .sum();
        let body = match method {
            Method::Post | Method::Put | Method::Patch => body.min(MIB - RESERVED - taken),
            Method::Get | Method::Head | Method::Delete | Method::Options => 0,
        };
        let body = (0..=u8::MAX).cycle().take(body).collect();
        Task {
            method,
            path,
            headers,
            body,
        }
    })
}

#[test]
fn every_task_at_the_limits_of_the_api_runs_on_every_stage_and_ends() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let chain = runtime.block_on(Chain::new());
    let mut runner = TestRunner::new(Config {
        cases: 16,
        max_shrink_iters: 4,
        failure_persistence: None,
        ..Config::default()
    });
    let number = std::cell::Cell::new(0);
    let followed = runner.run(&any_task(), |task| {
        number.set(number.get() + 1);
        let id = format!("task-{}", number.get());
        let (runs, data) = runtime.block_on(chain.follow(&id, &task));
        assert_runs_carry(&runs, &task);
        let paths: Vec<_> = runs.iter().map(|run| run.uri().to_string()).collect();
        prop_assert_eq!(
            &paths[1..],
            &paths[..2],
            "every stage gets the path of the first"
        );
        let plain = |it: char| it.is_ascii_alphanumeric() || "/?%_~!$&()*+,;=:@.-".contains(it);
        if task.path.chars().all(plain) {
            prop_assert_eq!(&paths[0], &task.path);
        }
        prop_assert_eq!(&data["request"]["path"], &paths[2]);
        prop_assert_eq!(&data["request"]["bodyBytes"], task.body.len());
        Ok(())
    });
    if let Err(error) = followed {
        // A task has up to 1 MiB.
        panic!("{:.2000}", error.to_string());
    }
    runtime.block_on(chain.stop());
}

/// What clients other than the emulator's may send for a task that Cloud Tasks takes.
#[tokio::test]
async fn pushes_in_other_forms_reach_the_handler() {
    let testbed = Testbed::new().await;
    let handler = Handler::answering(200).await;
    let url = format!("http://{}", handler.addr);
    let worker = testbed
        .worker(&testbed.client, &[("HANDLER_URL", &url)])
        .await;
    let to = worker.addr();
    // A URL of 2,083 characters, each of which became twelve.
    let long = format!("/{}", "%F0%9F%98%80".repeat(URL_LENGTH));
    for (id, target, version, more) in [
        (
            "not-ascii",
            "/bestellung/\u{fc}\u{2014}?\u{fc}=\u{2014}",
            "HTTP/1.1",
            "",
        ),
        ("quoted", "/{\"id\":[7]}?q={a|b}^`", "HTTP/1.1", ""),
        ("long", &long, "HTTP/1.1", ""),
        (
            "absolute",
            "http://worker.example/orders?id=7",
            "HTTP/1.1",
            "",
        ),
        ("old", "/", "HTTP/1.0", ""),
        ("expects", "/", "HTTP/1.1", "expect: 100-continue\r\n"),
        ("not-text", "/", "HTTP/1.1", "x-name: \u{fc}\u{2014}\t!\r\n"),
        (
            "upgrade",
            "/",
            "HTTP/1.1",
            "connection: upgrade\r\nupgrade: h2c\r\n",
        ),
    ] {
        let request = raw(target, version, &head(id, 0, 0, None), more);
        assert_eq!(answer(to, request.as_bytes()).await, 200, "{id}");
        let runs = handler.take();
        assert_eq!(runs.len(), 1, "{id}");
        let path = target.trim_start_matches("http://worker.example");
        assert_eq!(runs[0].uri(), path, "{id}");
    }

    let mut many = head("http2", 0, 0, None);
    many.extend(headers(1500, HEADER_BYTES));
    let mut request = Request::post(format!("http://{to}/")).version(Version::HTTP_2);
    for (name, value) in &many {
        request = request.header(name, value);
    }
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let request = request.body(Full::<Bytes>::default()).unwrap();
    assert_eq!(client.request(request).await.unwrap().status(), 200);
    assert_eq!(handler.take().len(), 1);

    // More than any task can have. The first head that has many gets no answer, since 431 would count.
    let mut most = head("too-many", 0, 0, None);
    most.extend(headers(24_100, 0));
    let request = raw("/", "HTTP/1.1", &most, "");
    assert_eq!(try_answer(to, request.as_bytes()).await.ok(), None);
    assert_eq!(answer(to, request.as_bytes()).await, 431);
    worker.stop().await;
}

/// The HTTP layer refuses these, and no task is like that: Cloud Tasks keeps neither such a value nor
/// such a URL, and no client or proxy sends such a name.
#[tokio::test]
async fn what_is_not_http_is_refused() {
    let testbed = Testbed::new().await;
    let worker = testbed.worker(&testbed.client, &[]).await;
    for (target, version, more, refused) in [
        ("/", "HTTP/1.1", "x(y): 1\r\n", 400),
        ("/", "HTTP/1.1", "x y: 1\r\n", 400),
        ("/", "HTTP/1.1", "x: a\u{1}b\r\n", 400),
        ("/", "HTTP/1.1", "x: a\r\n b\r\n", 400),
        ("/", "HTTP/1.1", "transfer-encoding: gzip\r\n", 400),
        ("/<>", "HTTP/1.1", "", 400),
        ("/a b", "HTTP/1.1", "", 400),
        ("/", "HTTP/3.0", "", 400),
        (&*format!("/{}", "x".repeat(70_000)), "HTTP/1.1", "", 414),
    ] {
        let request = raw(target, version, &head("a", 0, 0, None), more);
        let got = answer(worker.addr(), request.as_bytes()).await;
        assert_eq!(got, refused, "{target:.20} {version} {more:.40}");
    }

    let handler = Handler::answering(200).await;
    testbed.queue("incoming", handler.addr).await;
    let mut task = Task::post(BTreeMap::new());
    for (name, value) in [
        ("x", "a\u{1}b"),
        ("y", "\u{fc}"),
        ("transfer-encoding", "gzip"),
        ("z", "kept"),
    ] {
        task.headers.insert(name.into(), value.into());
    }
    task.path = "/ <>".into();
    testbed
        .cloud
        .create_task(&queue("incoming"), &task.named("order-1"))
        .await
        .unwrap();
    let run = eventually("the push", SOON, async || handler.take().pop()).await;
    let own: Vec<_> = run
        .headers()
        .keys()
        .filter(|it| it.as_str().len() == 1)
        .collect();
    assert_eq!(own, ["z"]);
    assert_eq!(run.uri(), "/%20%3C%3E");
    worker.stop().await;
}

fn raw(target: &str, version: &str, headers: &[(String, String)], more: &str) -> String {
    use std::fmt::Write;

    let mut text =
        format!("POST {target} {version}\r\nhost: worker.example\r\ncontent-length: 0\r\n{more}");
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    text + "\r\n"
}

/// The status of the answer.
async fn answer(to: SocketAddr, request: &[u8]) -> u16 {
    try_answer(to, request).await.unwrap()
}

/// The status; an error if the connection is closed without one.
async fn try_answer(to: SocketAddr, request: &[u8]) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(request).await?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    let status = String::from_utf8_lossy(&start[9..]).parse();
    status.map_err(std::io::Error::other)
}

/// How a full task leaves the first stage.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    Unpassable,
    WithoutRecords,
    Whole,
}

#[tokio::test]
async fn a_full_task_with_80_kb_of_headers_goes_on_without_its_records_or_ends_as_unpassable() {
    let testbed = Testbed::new().await;
    let (handler, second) = (Handler::answering(500).await, Handler::answering(200).await);
    let vars = [
        ("HANDLER_URL", &*format!("http://{}", handler.addr)),
        DOWNSTREAM,
        ONE_ATTEMPT,
    ];
    let worker = testbed.worker(&testbed.client, &vars).await;
    testbed.queue("incoming", worker.addr()).await;
    testbed.queue("incoming-2", second.addr).await;
    let mut task = Task::post(headers(26, HEADER_BYTES));
    let mut seen = Vec::new();
    let mut size = MIB - HEADER_BYTES - 300;
    while seen.last() != Some(&Left::Whole) {
        task.body = vec![0; size];
        size -= 60;
        let id = format!("task-{size}");
        if testbed
            .cloud
            .create_task(&queue("incoming"), &task.named(&id))
            .await
            .is_err()
        {
            // Not even the first queue takes it.
            continue;
        }
        seen.push(
            eventually("the way of the task", SOON, async || {
                if let Some(run) = second.take().pop() {
                    assert!(run.body() == &task.body);
                    let ledger: serde_json::Value =
                        serde_json::from_slice(run.headers()["executor-ledger"].as_bytes())
                            .unwrap();
                    return Some(if ledger["left_out"] == 1 {
                        Left::WithoutRecords
                    } else {
                        Left::Whole
                    });
                }
                let events = testbed.client.requests();
                let event = events
                    .iter()
                    .map(event)
                    .find(|event| event["subject"] == *id)?;
                assert_eq!(event["data"]["reason"], "unpassable");
                assert_eq!(event["data"]["request"]["bodyBytes"], task.body.len());
                Some(Left::Unpassable)
            })
            .await,
        );
    }
    assert!(seen.is_sorted(), "{seen:?}");
    seen.dedup();
    assert_eq!(seen, [Left::Unpassable, Left::WithoutRecords, Left::Whole]);
    worker.stop().await;
}

#[tokio::test]
async fn a_handlers_answer_may_have_hundreds_of_headers() {
    let many: Vec<_> = headers(240, HEADER_BYTES).into_iter().collect();
    let handler = Receiver::start(move |_| std::future::ready((200, many.clone(), Vec::new())));
    let (testbed, _handler, worker) = started(handler, &[]).await;
    let event = testbed.run(worker.addr(), &[]).await;
    assert_eq!(event["type"], "dev.executor-chain.task.succeeded.v1");
    worker.stop().await;
}
