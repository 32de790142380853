//! The way from a balancer to the workers of its stage.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use testkit::server::{Cut, Given, status};

use crate::chain::{Stage, first_task, task_number};
use crate::handler_processes::Generations;
use crate::tracker::Tracker;

/// Longer than all that a worker's time limits add up to.
const PATIENCE: Duration = Duration::from_mins(1);
/// A push whose caller has hung up goes on to its run, and the run to its end, within this. The
/// report is made later than that.
const UNHEARD: Duration = Duration::from_secs(4);

/// The workers of a stage, by turns.
#[derive(Clone)]
pub struct Workers {
    stage: &'static Stage,
    backends: Vec<Backend>,
    next: Arc<AtomicUsize>,
    client: Client<HttpConnector, Full<Bytes>>,
    tracker: Arc<Tracker>,
    generations: Arc<Generations>,
}

#[derive(Debug, Clone, Copy)]
pub struct Backend {
    pub worker: SocketAddr,
    pub slot: usize,
}

/// A worker, and the generation of its handler when it was chosen.
#[derive(Debug, Clone, Copy)]
struct Chosen {
    backend: Backend,
    generation: u64,
}

impl Workers {
    pub fn new(
        stage: &'static Stage,
        backends: Vec<Backend>,
        tracker: Arc<Tracker>,
        generations: Arc<Generations>,
    ) -> Self {
        Self {
            stage,
            backends,
            next: Arc::default(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            tracker,
            generations,
        }
    }

    pub fn stage(&self) -> &'static Stage {
        self.stage
    }

    /// The next worker's own answer, or a cut where it is dead or dies meanwhile.
    pub async fn forward(&self, head: &Parts, body: &Bytes) -> Given {
        self.send(self.choose(), head, body).await
    }

    /// As [`Self::forward`], but for the caller's patience. The worker does not stop with it.
    pub async fn forward_within(
        &self,
        wait: Duration,
        head: &Parts,
        body: &Bytes,
    ) -> Option<Given> {
        let chosen = self.choose();
        let given = tokio::time::timeout(wait, self.send(chosen, head, body)).await;
        if given.is_err() {
            let (workers, head) = (self.clone(), head.clone());
            tokio::spawn(async move {
                tokio::time::sleep(UNHEARD).await;
                workers.look_for_death(chosen, &head);
            });
        }
        given.ok()
    }

    fn choose(&self) -> Chosen {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let backend = self.backends[next % self.backends.len()];
        Chosen {
            backend,
            generation: self.generations.current(backend.slot),
        }
    }

    async fn send(&self, chosen: Chosen, head: &Parts, body: &Bytes) -> Given {
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = format!("http://{}{path}", chosen.backend.worker)
            .parse::<Uri>()
            .map_err(|_| Cut)?;
        *request.headers_mut() = head.headers.clone();
        let answered = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
        self.look_for_death(chosen, head);
        let response = answered.map_err(|_| Cut)?.map_err(|_| Cut)?;
        status(response.status().as_u16())
    }

    /// The handler may have died with the request before it had read it. The worker can't know
    /// that and counts an attempt, rightly, of which no handler has told.
    fn look_for_death(&self, chosen: Chosen, head: &Parts) {
        if self
            .generations
            .died_since(chosen.backend.slot, chosen.generation)
            && let Some(task) = task_number(&first_task(&head.headers))
        {
            self.tracker.hit(task, self.stage);
        }
    }
}
