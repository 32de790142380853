//! The client of Cloud Tasks' admin API. Every call waits for the rate limiter and is reported to a
//! [`CallObserver`]; every write also needs the [`Fence`].

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cloudtasks::{
    CloudTasks, LocationPath, PageToken, Queue, QueuePath, QueueSettings, QueueStats, TaskPage,
};
use plan::Observed;
use plan::objects::queue_settings::keeps_whole_seconds;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::error::Error;
use crate::fence::Fence;
use crate::rate_limiter::{Priority, Rate, RateLimiter, Ticket, TokenBucket};

/// `ListTasks` has a quota of its own, 600 a minute in a region, which `ListQueues` shares.
const COUNTS_PER_SECOND: f64 = 5.0;
/// How many queues may be counted at once after a pause.
const COUNT_BURST: f64 = 50.0;

/// A list takes well under a second. Two failures are an outage, which statuses must soon report, also
/// where nothing answers.
const LIST_TIMEOUT: Duration = Duration::from_secs(3);

/// The live numbers of each queue; `None` where Cloud Tasks returns none.
pub type ListedStats = Vec<(QueuePath, Option<QueueStats>)>;

/// Learns of each call, for metrics.
pub trait CallObserver: Send + Sync {
    /// A call has ended.
    fn called(&self, method: &'static str, error: Option<&cloudtasks::Error>);
    /// The rate limit is now so many calls a second.
    fn rate_limited_to(&self, calls_per_second: f64);
}

/// Observes nothing.
impl CallObserver for () {
    fn called(&self, _method: &'static str, _error: Option<&cloudtasks::Error>) {}
    fn rate_limited_to(&self, _calls_per_second: f64) {}
}

/// Cloud Tasks' admin API. Clones share the rate limit and the fence.
#[derive(Clone)]
pub struct AdminClient {
    connection: Connection,
    fence: Fence,
    observer: Arc<dyn CallObserver>,
    limits: Arc<Limits>,
    whole_seconds: Arc<AtomicBool>,
}

struct Limits {
    calls: Mutex<RateLimiter>,
    counts: Mutex<TokenBucket>,
    /// A call has started or was canceled, so others have moved up.
    moved: Notify,
}

impl AdminClient {
    /// At most `rate` calls a second; writes while `fence` grants them.
    pub fn new(
        connection: Connection,
        fence: Fence,
        observer: Arc<dyn CallObserver>,
        rate: Rate,
    ) -> Self {
        let now = Instant::now();
        let calls = RateLimiter::new(rate, now);
        observer.rate_limited_to(calls.rate());
        let limits = Arc::new(Limits {
            calls: Mutex::new(calls),
            counts: Mutex::new(TokenBucket::full(COUNTS_PER_SECOND, COUNT_BURST, now)),
            moved: Notify::new(),
        });
        Self {
            connection,
            fence,
            observer,
            limits,
            whole_seconds: Arc::default(),
        }
    }

    /// `ListQueues`, all pages. Limited as one call: a page holds 1000 queues, a project's default
    /// maximum. Urgent, since each edit is planned from one; rare, since a location has one at a time.
    pub async fn list_queues(
        &self,
        parent: &LocationPath,
    ) -> Result<Vec<Queue>, cloudtasks::Error> {
        self.acquire(Priority::Urgent).await;
        let list = async { self.cloud().await?.list_queues(parent).await };
        self.observed("ListQueues", timely(parent, list)).await
    }

    /// The live numbers of each queue of a location; `None` if calls that matter more need the rate. It
    /// never waits, and a quota that it exhausts slows no other call: that has a quota of its own, or will
    /// learn of it.
    pub async fn list_queue_stats(
        &self,
        parent: &LocationPath,
    ) -> Result<Option<ListedStats>, cloudtasks::Error> {
        if !self.limits.calls().take_spare(Instant::now()) {
            return Ok(None);
        }
        let list = async { self.cloud().await?.list_queue_stats(parent).await };
        let listed = timely(parent, list).await;
        let error = listed.as_ref().err();
        self.observer.called("ListQueueStats", error);
        listed.map(Some)
    }

    /// `GetQueue`.
    pub async fn get_queue(&self, path: &QueuePath) -> Result<Queue, cloudtasks::Error> {
        self.acquire(Priority::Normal).await;
        let call = async { self.cloud().await?.get_queue(path).await };
        self.observed("GetQueue", call).await
    }

    /// Asks for each queue that wasn't listed, and records whether it exists.
    pub async fn look_up(
        &self,
        unlisted: BTreeSet<QueuePath>,
        observed: &mut Observed,
    ) -> Result<(), cloudtasks::Error> {
        for queue in unlisted {
            match self.get_queue(&queue).await {
                Ok(found) => observed.queues.insert(found),
                Err(cloudtasks::Error::Missing { .. }) => {
                    observed.absent_queues.insert(queue);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// `ListTasks`: how many tasks the queue has, at most `limit`; `None` over the rate limit. It never
    /// waits: an edit is worth more than a count.
    pub async fn count_tasks(
        &self,
        queue: &QueuePath,
        limit: usize,
    ) -> Result<Option<usize>, cloudtasks::Error> {
        if !self.limits.counts().take(Instant::now()) {
            return Ok(None);
        }
        let call = async { self.cloud().await?.list_tasks(queue, limit).await };
        let counted = self.observed("ListTasks", call).await;
        counted.map(|tasks| Some(tasks.len()))
    }

    /// `ListTasks`, one page without bodies, for people who look. The caller keeps to a rate. A quota that it
    /// exhausts slows no other call.
    pub async fn list_tasks_page(
        &self,
        queue: &QueuePath,
        from: Option<&PageToken>,
    ) -> Result<TaskPage, cloudtasks::Error> {
        let list = async { self.cloud().await?.list_tasks_page(queue, from).await };
        let listed = list.await;
        self.observer.called("ListTasks", listed.as_ref().err());
        listed
    }

    /// `CreateQueue`.
    pub async fn create_queue(
        &self,
        path: &QueuePath,
        settings: &QueueSettings,
    ) -> Result<Queue, Error> {
        let call = async { self.cloud().await?.create_queue(path, settings).await };
        self.write("CreateQueue", Priority::Normal, call).await
    }

    /// `UpdateQueue`.
    pub async fn update_queue(
        &self,
        path: &QueuePath,
        settings: &QueueSettings,
    ) -> Result<Queue, Error> {
        let call = async { self.cloud().await?.update_queue(path, settings).await };
        let updated = self.write("UpdateQueue", Priority::Urgent, call).await?;
        if keeps_whole_seconds(settings, &updated) {
            self.whole_seconds.store(true, Ordering::Relaxed);
        }
        Ok(updated)
    }

    /// Whether an answer has shown that Cloud Tasks keeps whole seconds of a backoff: a plan that insists on
    /// the rest would update the queue for ever.
    pub fn keeps_whole_seconds(&self) -> bool {
        self.whole_seconds.load(Ordering::Relaxed)
    }

    /// `PauseQueue`.
    pub async fn pause_queue(&self, path: &QueuePath) -> Result<(), Error> {
        let call = async { self.cloud().await?.pause_queue(path).await };
        self.write("PauseQueue", Priority::Urgent, call).await
    }

    /// `ResumeQueue`.
    pub async fn resume_queue(&self, path: &QueuePath) -> Result<(), Error> {
        let call = async { self.cloud().await?.resume_queue(path).await };
        self.write("ResumeQueue", Priority::Urgent, call).await
    }

    /// `DeleteQueue`, with its tasks.
    pub async fn delete_queue(&self, path: &QueuePath) -> Result<(), Error> {
        let call = async { self.cloud().await?.delete_queue(path).await };
        self.write("DeleteQueue", Priority::Normal, call).await
    }

    async fn cloud(&self) -> Result<&CloudTasks, cloudtasks::Error> {
        self.connection.get().await
    }

    fn write<T>(
        &self,
        method: &'static str,
        priority: Priority,
        call: impl Future<Output = Result<T, cloudtasks::Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        let call = self.observed(method, call);
        async move {
            self.acquire(priority).await;
            // Only now: the call may have waited long.
            let call = async { call.await.map_err(Error::from) };
            self.fence.guard(call).await
        }
    }

    /// Makes the call, and learns from its answer.
    fn observed<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T, cloudtasks::Error>>,
    ) -> impl Future<Output = Result<T, cloudtasks::Error>> {
        let call = Box::pin(call);
        async move {
            let answer = call.await;
            self.observer.called(method, answer.as_ref().err());
            if let Err(cloudtasks::Error::Quota { .. }) = &answer {
                self.limits.calls().quota_exhausted(Instant::now());
                let rate = self.limits.calls().rate();
                self.observer.rate_limited_to(rate);
                tracing::warn!(
                    method,
                    rate,
                    "a quota of Cloud Tasks is exhausted: the rate limit is lowered"
                );
            }
            answer
        }
    }

    /// Waits until the call may start.
    async fn acquire(&self, priority: Priority) {
        let waiting = Waiting {
            ticket: self.limits.calls().enqueue(priority),
            limits: &self.limits,
        };
        loop {
            // Before the limiter is asked, or a move in between would be missed.
            let moved = self.limits.moved.notified();
            let wait = {
                let mut calls = self.limits.calls();
                let wait = calls.try_acquire(waiting.ticket, Instant::now());
                self.observer.rate_limited_to(calls.rate());
                wait
            };
            let Some(wait) = wait else {
                return;
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = moved => {}
            }
        }
    }
}

/// The list, if it ends in time.
async fn timely<T>(
    parent: &LocationPath,
    list: impl Future<Output = Result<T, cloudtasks::Error>>,
) -> Result<T, cloudtasks::Error> {
    let listed = timeout(LIST_TIMEOUT, list).await;
    listed.unwrap_or_else(|_| {
        Err(cloudtasks::Error::TimedOut {
            resource: parent.to_string(),
            after: LIST_TIMEOUT,
        })
    })
}

impl Limits {
    fn counts(&self) -> MutexGuard<'_, TokenBucket> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, RateLimiter> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A waiting call, which leaves the queue also when its reconcile is canceled.
struct Waiting<'a> {
    ticket: Ticket,
    limits: &'a Limits,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.limits.calls().cancel(self.ticket);
        self.limits.moved.notify_waiters();
    }
}
