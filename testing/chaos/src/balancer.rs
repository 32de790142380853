//! The load balancer of a stage: passes pushes to one of its workers, and gets it wrong in all the
//! ways that such things do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::request::Parts;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use testkit::server::{Cut, Given, number, serve, status, text};

use crate::chain::{Stage, first_task, isolated_on, task_number};
use crate::forward::Workers;
use crate::seed::Seed;
use crate::trace::Trace;
use crate::tracker::Tracker;

struct Balancer {
    stage: &'static Stage,
    workers: Workers,
    seed: Seed,
    tracker: Arc<Tracker>,
    trace: Arc<Trace>,
}

pub async fn start(
    workers: Workers,
    seed: Seed,
    tracker: Arc<Tracker>,
    trace: Arc<Trace>,
) -> std::io::Result<SocketAddr> {
    let balancer = Arc::new(Balancer {
        stage: workers.stage(),
        workers,
        seed,
        tracker,
        trace,
    });
    serve(move |request| Arc::clone(&balancer).receive(request)).await
}

impl Balancer {
    async fn receive(self: Arc<Self>, request: Request<Incoming>) -> Given {
        self.tracker.pushes.add();
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        for stage in isolated_on(&head.headers) {
            if let Some(task) = task_number(&first_task(&head.headers)) {
                self.tracker.isolated(task, stage);
            }
        }
        let task = text(&head.headers, "x-cloudtasks-taskname").to_owned();
        let retries = number(&head.headers, "x-cloudtasks-taskretrycount");
        let draw = self.seed.of(self.stage.name, &task, retries);
        let (given, fault) = self.misbehave(&head, &body, draw).await;
        if !fault.is_empty() {
            self.tracker.foreign.add();
        }
        // Cloud Tasks counts it as any answer, whether or not there was a run.
        if fault.starts_with("40") {
            self.excuse(&head, 1);
        }
        self.trace
            .push(self.stage.name, &head.headers, fault, &given);
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
                if let Some(given) = self.workers.forward_within(wait, head, body).await {
                    return (given, "");
                }
                self.overlaps(head);
                // A worker that nobody hears counts dispatches in place of attempts.
                self.excuse(head, self.stage.attempts);
                (status(502), "502 at its time-out")
            }
            110..150 => {
                self.tracker.duplicates.add();
                self.overlaps(head);
                self.again(head, body, draw.between(0, 1200));
                (self.workers.forward(head, body).await, "")
            }
            _ => (self.workers.forward(head, body).await, ""),
        }
    }

    async fn then(
        &self,
        head: &Parts,
        body: &Bytes,
        given: Given,
        fault: &'static str,
    ) -> (Given, &'static str) {
        let _ = self.workers.forward(head, body).await;
        (given, fault)
    }

    /// The same push once more, whose answer nobody hears.
    fn again(self: &Arc<Self>, head: &Parts, body: &Bytes, after: Duration) {
        let (balancer, head, body) = (Arc::clone(self), head.clone(), body.clone());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let given = balancer.workers.forward(&head, &body).await;
            balancer
                .trace
                .push(balancer.stage.name, &head.headers, "duplicate", &given);
        });
    }

    /// The next push of the task may come while a worker is still at this one.
    fn overlaps(&self, head: &Parts) {
        if let Some(task) = task_number(&first_task(&head.headers)) {
            self.tracker.overlapped(task);
        }
    }

    /// Cloud Tasks may count attempts of the task without a run.
    fn excuse(&self, head: &Parts, attempts: u8) {
        if let Some(task) = task_number(&first_task(&head.headers)) {
            self.tracker.excuse(task, self.stage, attempts);
        }
    }
}
