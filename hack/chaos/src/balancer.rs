//! The load balancer of a stage: passes pushes to one of its workers, and gets it wrong in all the
//! ways that such things do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::account::Account;
use crate::chance::Seed;
use crate::server::{Cut, Given, number, serve, status, text};
use crate::trace::Trace;

/// Longer than all that a worker's time limits add up to.
const PATIENCE: Duration = Duration::from_mins(1);

struct Balancer {
    stage: &'static str,
    workers: Vec<SocketAddr>,
    next: AtomicUsize,
    client: Client<HttpConnector, Full<Bytes>>,
    seed: Seed,
    account: Arc<Account>,
    trace: Arc<Trace>,
}

/// Starts one.
pub async fn start(
    stage: &'static str,
    workers: Vec<SocketAddr>,
    seed: Seed,
    account: Arc<Account>,
    trace: Arc<Trace>,
) -> std::io::Result<SocketAddr> {
    let balancer = Arc::new(Balancer {
        stage,
        workers,
        next: AtomicUsize::new(0),
        client: Client::builder(TokioExecutor::new()).build_http(),
        seed,
        account,
        trace,
    });
    serve(move |request| Arc::clone(&balancer).receive(request)).await
}

impl Balancer {
    async fn receive(self: Arc<Self>, request: Request<Incoming>) -> Given {
        self.account.pushes.add();
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let task = text(&head.headers, "x-cloudtasks-taskname").to_owned();
        let retries = number(&head.headers, "x-cloudtasks-taskretrycount");
        let draw = self.seed.of(self.stage, &task, retries);
        let (given, fault) = self.misbehave(&head, &body, draw).await;
        if !fault.is_empty() {
            self.account.foreign.add();
        }
        self.trace.push(self.stage, &head.headers, fault, &given);
        given
    }

    async fn misbehave(
        self: &Arc<Self>,
        head: &Parts,
        body: &Bytes,
        draw: Seed,
    ) -> (Given, &'static str) {
        match draw.of_1000() {
            0..10 => (status(404), "404 before"),
            10..20 => (status(408), "408 before"),
            20..30 => (status(502), "502 before"),
            30..40 => (Err(Cut), "cut before"),
            40..50 => self.then(head, body, status(404), "404 after").await,
            50..60 => self.then(head, body, status(408), "408 after").await,
            60..70 => self.then(head, body, status(502), "502 after").await,
            70..90 => self.then(head, body, Err(Cut), "cut after").await,
            90..110 => {
                // Too impatient: the worker's caller hangs up in the middle.
                let wait = draw.between(1, 300);
                match tokio::time::timeout(wait, self.forward(head, body)).await {
                    Ok(given) => (given, ""),
                    Err(_) => (status(502), "502 at its time-out"),
                }
            }
            110..150 => {
                self.account.duplicates.add();
                self.again(head, body, draw.between(0, 600));
                (self.forward(head, body).await, "")
            }
            _ => (self.forward(head, body).await, ""),
        }
    }

    async fn then(
        &self,
        head: &Parts,
        body: &Bytes,
        given: Given,
        fault: &'static str,
    ) -> (Given, &'static str) {
        let _ = self.forward(head, body).await;
        (given, fault)
    }

    /// The same push once more, whose answer nobody hears.
    fn again(self: &Arc<Self>, head: &Parts, body: &Bytes, after: Duration) {
        let (balancer, head, body) = (Arc::clone(self), head.clone(), body.clone());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let given = balancer.forward(&head, &body).await;
            balancer
                .trace
                .push(balancer.stage, &head.headers, "duplicate", &given);
        });
    }

    /// A worker's own answer, or a cut where it is dead or dies meanwhile.
    async fn forward(&self, head: &Parts, body: &Bytes) -> Given {
        let worker = self.workers[self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len()];
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = format!("http://{worker}{path}")
            .parse::<Uri>()
            .map_err(|_| Cut)?;
        *request.headers_mut() = head.headers.clone();
        let answered = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
        let response = answered.map_err(|_| Cut)?.map_err(|_| Cut)?;
        status(response.status().as_u16())
    }
}
