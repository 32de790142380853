//! `ListQueues` of `google.cloud.tasks.v2beta3` with live numbers, before an emulator that lacks it. The
//! numbers are those of the emulator's tasks. All other calls pass.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use cloudtasks::{CloudTasks, Endpoint, QueuePath, TaskInfo};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use prost::Message;
use prost_types::{FieldMask, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::calls::{Error, intercept};
use crate::grpc::{Body, message_of, refusal, response};

const LIST_QUEUES: &str = "/google.cloud.tasks.v2beta3.CloudTasks/ListQueues";
/// So few that a location has several pages.
const PAGE_SIZE: usize = 2;
/// More than a test creates.
const MOST_TASKS: usize = 10_000;

/// How the call is answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StatsAnswer {
    /// With the numbers of now.
    Current,
    /// With the numbers of the last answer: nothing in them shows it.
    Frozen,
    /// With the numbers of now, except that no queue may dispatch faster than this.
    Throttled(f64),
    /// Without numbers.
    Absent,
    /// Not at all.
    Silent,
    /// `UNIMPLEMENTED`.
    Unimplemented,
    /// `PERMISSION_DENIED`.
    PermissionDenied,
    /// `RESOURCE_EXHAUSTED`.
    ResourceExhausted,
}

/// A way to the emulator. Dropped, it closes. It works on the runtime that made it.
#[derive(Debug)]
pub struct StatsProxy {
    addr: SocketAddr,
    answer: watch::Sender<StatsAnswer>,
    lists: Arc<Mutex<Vec<String>>>,
    _accepting: JoinSet<()>,
}

impl StatsProxy {
    /// Opens a way to `emulator`, on a free port, with current numbers.
    pub async fn start(emulator: SocketAddr) -> Self {
        let (answer, turned) = watch::channel(StatsAnswer::Current);
        let lists = Arc::new(Mutex::new(Vec::new()));
        let stats = Arc::new(Stats {
            cloud: CloudTasks::connect(&Endpoint::Emulator(emulator.to_string()))
                .await
                .unwrap_or_else(|error| panic!("a client for the emulator: {error}")),
            turned,
            lists: Arc::clone(&lists),
            last: Mutex::default(),
        });
        let (addr, accepting) = intercept(emulator, move |mut emulator, call| {
            let stats = Arc::clone(&stats);
            async move {
                if call.uri().path() == LIST_QUEUES {
                    return stats.answer(call).await;
                }
                let response = emulator.send_request(call).await?;
                Ok(response.map(|body| body.map_err(Error::from).boxed_unsync()))
            }
        })
        .await;
        Self {
            addr,
            answer,
            lists,
            _accepting: accepting,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on the call is answered so.
    pub fn answer(&self, answer: StatsAnswer) {
        self.answer.send_replace(answer);
    }

    /// The parent of each list that has begun, oldest first. Its pages count as one.
    pub fn lists(&self) -> Vec<String> {
        let lists = self.lists.lock();
        lists.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Stats {
    cloud: CloudTasks,
    turned: watch::Receiver<StatsAnswer>,
    lists: Arc<Mutex<Vec<String>>>,
    last: Mutex<Vec<Queue>>,
}

impl Stats {
    async fn answer(&self, call: Request<Incoming>) -> Result<Response<Body>, Error> {
        let body = call.into_body().collect().await?.to_bytes();
        let request: ListQueuesRequest = message_of(&body)?;
        if request.page_token.is_empty() {
            let lists = self.lists.lock();
            let mut lists = lists.unwrap_or_else(PoisonError::into_inner);
            lists.push(request.parent.clone());
        }
        let answer = *self.turned.borrow();
        let mut queues = match answer {
            StatsAnswer::Current | StatsAnswer::Throttled(_) | StatsAnswer::Absent => {
                self.queues(&request.parent).await?
            }
            StatsAnswer::Frozen => self.last().clone(),
            StatsAnswer::Silent => {
                // Its other end lives as long as the proxy.
                let _ = self.turned.clone().wait_for(|now| *now != answer).await;
                return Ok(refusal(14, "the network is back"));
            }
            StatsAnswer::Unimplemented => return Ok(refusal(12, "no such call")),
            StatsAnswer::PermissionDenied => return Ok(refusal(7, "cloudtasks.queues.list")),
            StatsAnswer::ResourceExhausted => return Ok(refusal(8, "list calls per minute")),
        };
        let mask = request.read_mask.unwrap_or_default();
        let names = |field: &str| mask.paths.iter().any(|path| path == field);
        for queue in &mut queues {
            if !names("name") && !mask.paths.is_empty() {
                queue.name.clear();
            }
            if let (StatsAnswer::Throttled(rate), Some(stats)) = (answer, &mut queue.stats) {
                stats.effective_execution_rate = stats.effective_execution_rate.min(rate);
            }
            if !names("stats") || answer == StatsAnswer::Absent {
                queue.stats = None;
            }
        }
        Ok(response(&page(&queues, &request.page_token)?))
    }

    /// The queues of a location, with the numbers of now.
    async fn queues(&self, parent: &str) -> Result<Vec<Queue>, Error> {
        let any: QueuePath = format!("{parent}/queues/any").parse()?;
        let mut queues = Vec::new();
        for queue in self.cloud.list_queues(&any.parent).await? {
            let tasks = self.cloud.list_tasks(&queue.path, MOST_TASKS).await?;
            queues.push(Queue {
                name: queue.path.to_string(),
                stats: Some(stats(&tasks, queue.max_dispatches_per_second)),
            });
        }
        self.last().clone_from(&queues);
        Ok(queues)
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Vec<Queue>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As far as tasks show them: a dispatch that got no response counts as in flight.
fn stats(tasks: &[TaskInfo], rate: f64) -> QueueStats {
    let in_flight = tasks
        .iter()
        .filter(|it| it.dispatch_count > it.response_count);
    let oldest = tasks.iter().map(|it| it.scheduled).min();
    QueueStats {
        tasks_count: count(tasks.len()),
        oldest_estimated_arrival_time: oldest.map(|time| Timestamp {
            seconds: time.as_second(),
            nanos: time.subsec_nanosecond(),
        }),
        executed_last_minute_count: 0,
        concurrent_dispatches_count: count(in_flight.count()),
        effective_execution_rate: rate,
    }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A page of the queues. The token is the number of the first.
fn page(queues: &[Queue], token: &str) -> Result<ListQueuesResponse, Error> {
    let first: usize = if token.is_empty() { 0 } else { token.parse()? };
    let next = first + PAGE_SIZE;
    let queues_of_page = queues.iter().skip(first).take(PAGE_SIZE);
    Ok(ListQueuesResponse {
        queues: queues_of_page.cloned().collect(),
        next_page_token: if next < queues.len() {
            next.to_string()
        } else {
            String::new()
        },
    })
}

#[derive(Clone, PartialEq, Message)]
struct ListQueuesRequest {
    #[prost(string, tag = "1")]
    parent: String,
    #[prost(string, tag = "4")]
    page_token: String,
    #[prost(message, optional, tag = "5")]
    read_mask: Option<FieldMask>,
}

#[derive(Clone, PartialEq, Message)]
struct ListQueuesResponse {
    #[prost(message, repeated, tag = "1")]
    queues: Vec<Queue>,
    #[prost(string, tag = "2")]
    next_page_token: String,
}

#[derive(Clone, PartialEq, Message)]
struct Queue {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "12")]
    stats: Option<QueueStats>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct QueueStats {
    #[prost(int64, tag = "1")]
    tasks_count: i64,
    #[prost(message, optional, tag = "2")]
    oldest_estimated_arrival_time: Option<Timestamp>,
    #[prost(int64, tag = "3")]
    executed_last_minute_count: i64,
    #[prost(int64, tag = "4")]
    concurrent_dispatches_count: i64,
    #[prost(double, tag = "5")]
    effective_execution_rate: f64,
}
