//! Chains as they are now, for people who look at them: from what the leader keeps in memory. No call is
//! made for it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use cloudtasks::{LocationPath, QueueId, QueuePath};
use console::why::{Remembered, why};
use console::{
    EditState, Known, LiveChain, LiveNotifier, ParkedQuery, ParkedReply, PlanReply, PlanRequest,
    QueueNumbers, Snapshot, Standby, Trends, Unknown, WorkerNumbers,
};
use console_serve::{NotListed, Source, Unplanned};
use crds::ExecutorChain;
use crds::conditions::Reason;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;
use plan::location;
use tokio::sync::Semaphore;

use crate::chain::{Chain, NamespacedName, name_in, name_of};
use crate::context::Context;
use crate::leader::holder::Holder;
use crate::parked_tasks::parked_tasks;
use crate::planned_edits::planned_edit;
use crate::viewers::Viewers;

/// How often viewers are sent a new snapshot.
const INTERVAL: Duration = Duration::from_secs(2);
/// How old a snapshot may be that another viewer has asked for. An edit is seen after this and one interval
/// at the latest.
const MAX_AGE: Duration = Duration::from_millis(500);
/// How often chains are evaluated without viewers: since when something has been wrong is known to this
/// precision then.
const UNSEEN_INTERVAL: Duration = Duration::from_secs(15);

/// Edits that are planned at once.
const MAX_PLANS: usize = 2;

/// Chains as they are now.
pub struct LiveChains {
    viewers: Viewers,
    plans: Arc<Semaphore>,
    holder: Holder,
    term: Mutex<Option<Term>>,
}

/// A term as the leader.
struct Term {
    context: Weak<Context>,
    remembered: HashMap<NamespacedName, Remembered>,
    trends: Arc<Trends>,
    evaluated: Option<Instant>,
    /// While there are viewers.
    snapshot: Option<Arc<Snapshot>>,
}

impl LiveChains {
    /// None: nobody leads yet.
    pub fn new(viewers: Viewers, holder: Holder) -> Arc<Self> {
        Arc::new(Self {
            viewers,
            plans: Arc::new(Semaphore::new(MAX_PLANS)),
            holder,
            term: Mutex::default(),
        })
    }

    /// A term begins. What it knows ends with `context`.
    pub fn begin(self: &Arc<Self>, context: &Arc<Context>) {
        let context = Arc::downgrade(context);
        *self.term.lock() = Some(Term {
            context: Weak::clone(&context),
            remembered: HashMap::new(),
            trends: Arc::new(Trends::new(UNSEEN_INTERVAL)),
            evaluated: None,
            snapshot: None,
        });
        tokio::spawn(keep_evaluating(Arc::downgrade(self), context));
    }

    /// Another operator may lead.
    pub fn end(&self) {
        *self.term.lock() = None;
    }

    /// Evaluates if that is due though there are no viewers.
    fn evaluate_unseen(&self) {
        let now = Instant::now();
        if let Some(term) = &mut *self.term.lock() {
            let has_viewers = self.viewers.exist(now);
            if !term.is_younger_than(UNSEEN_INTERVAL * 9 / 10, now) {
                term.evaluate(now, Timestamp::now(), has_viewers);
            }
            if !has_viewers {
                term.snapshot = None;
            }
        }
    }
}

async fn keep_evaluating(chains: Weak<LiveChains>, context: Weak<Context>) {
    loop {
        tokio::time::sleep(UNSEEN_INTERVAL).await;
        let Some(chains) = chains.upgrade().filter(|_| context.strong_count() > 0) else {
            return;
        };
        chains.evaluate_unseen();
    }
}

impl Source for LiveChains {
    fn snapshot(&self) -> Result<Arc<Snapshot>, Standby> {
        let now = Instant::now();
        let mut term = self.term.lock();
        let Some(term) = term.as_mut() else {
            let leader = self.holder.pod();
            return Err(Standby { leader });
        };
        // A leader that hasn't listed the chains yet. To name itself would send viewers in a circle.
        term.snapshot(now).ok_or(Standby { leader: None })
    }

    fn looked_at(&self, chain: Option<(&str, &str)>) {
        self.viewers.looked_at(chain, Instant::now());
    }

    fn plan(&self, request: PlanRequest) -> BoxFuture<'static, Result<PlanReply, Unplanned>> {
        let term = self.term.lock();
        let context = term.as_ref().and_then(|term| term.context.upgrade());
        let leader = self.holder.pod();
        let places = Arc::clone(&self.plans);
        async move {
            // It computes: edits must not wait for those who only ask.
            let Ok(_place) = places.try_acquire() else {
                let busy = format!("{MAX_PLANS} edits are being planned: try again");
                return Err(Unplanned::NoPlan(busy));
            };
            match context {
                Some(context) => {
                    let name = (request.namespace.clone(), request.chain.clone());
                    let known = context.caches.served_chains.get(&name);
                    let live = known.map(|chain| readable(&chain, &context, Instant::now()));
                    Box::pin(planned_edit(&context, request, live)).await
                }
                None => Err(Unplanned::Standby(Standby { leader })),
            }
        }
        .boxed()
    }

    fn parked(
        &self,
        chain: NamespacedName,
        query: ParkedQuery,
    ) -> BoxFuture<'static, Result<ParkedReply, NotListed>> {
        let term = self.term.lock();
        let context = term.as_ref().and_then(|term| term.context.upgrade());
        let leader = self.holder.pod();
        async move {
            match context {
                Some(context) => parked_tasks(&context, chain, query).await,
                None => Err(NotListed::Standby(Standby { leader })),
            }
        }
        .boxed()
    }
}

impl Term {
    fn is_younger_than(&self, age: Duration, now: Instant) -> bool {
        self.evaluated
            .is_some_and(|then| now.saturating_duration_since(then) < age)
    }

    /// `None` before the first list of chains.
    fn snapshot(&mut self, now: Instant) -> Option<Arc<Snapshot>> {
        let is_new = self.is_younger_than(MAX_AGE, now);
        if !is_new || self.snapshot.is_none() {
            self.evaluate(now, Timestamp::now(), true);
        }
        self.snapshot.clone()
    }

    /// Evaluates the chains, and keeps them while there are viewers.
    fn evaluate(&mut self, now: Instant, at: Timestamp, has_viewers: bool) {
        self.evaluated = Some(now);
        self.snapshot = None;
        let Some(context) = self.context.upgrade() else {
            return;
        };
        let Some(chains) = context.caches.served_chains.listed() else {
            return;
        };
        let mut former = std::mem::take(&mut self.remembered);
        let chains = chains.iter().map(|chain| {
            let mut live = live(chain, &context, now);
            let name = name_of(&**chain);
            let mut remembered = former.remove(&name).unwrap_or_default();
            remembered.stamp(&mut live, at);
            self.remembered.insert(name, remembered);
            live
        });
        if !has_viewers {
            // Each is dropped before the next one: thousands at once take as much memory as the chains.
            if self.trends.is_due(at) {
                Arc::make_mut(&mut self.trends).record(chains, at);
            } else {
                chains.for_each(drop);
            }
            return;
        }
        let chains: Vec<Arc<LiveChain>> = chains.map(Arc::new).collect();
        if self.trends.is_due(at) {
            let trends = Arc::make_mut(&mut self.trends);
            trends.record(chains.iter().map(AsRef::as_ref), at);
        }
        self.snapshot = Some(Arc::new(Snapshot {
            at,
            interval: INTERVAL,
            chains,
            unlisted: context.caches.served_chains.unlisted(),
            trends: Arc::clone(&self.trends),
        }));
    }
}

fn live(chain: &Chain, context: &Context, now: Instant) -> LiveChain {
    match chain.parsed() {
        Ok(chain) => readable(&chain, context, now),
        Err(invalid) => unreadable(name_in(&invalid.metadata), &invalid.error),
    }
}

fn readable(chain: &ExecutorChain, context: &Context, now: Instant) -> LiveChain {
    let name = name_of(chain);
    let spec = &chain.spec;
    let (project, place) = (spec.project.as_deref(), spec.location.as_deref());
    let parent = location(project, place, &context.settings).ok();
    let path = |queue: &str| queue_path(parent.as_ref()?, queue);
    let queues = |queue: &str| -> Known<QueueNumbers> {
        let path = path(queue);
        path.map_or(Unknown::Pending.into(), |path| {
            context.caches.locations.queue_numbers(&path)
        })
    };
    let workers = |stage: &str| -> Known<WorkerNumbers> {
        let stage = spec.stages.iter().find(|it| it.name == stage);
        let path = stage.and_then(|stage| path(&stage.queue));
        path.map_or(Unknown::Pending.into(), |path| {
            context.caches.workers.numbers(&name, &path, now)
        })
    };
    console::live::live(chain, &queues, &workers)
}

fn queue_path(parent: &LocationPath, queue: &str) -> Option<QueuePath> {
    let id: QueueId = queue.parse().ok()?;
    Some(parent.queue(id))
}

/// The schema accepts what can't be parsed. Of such a chain only this is known.
fn unreadable((namespace, name): NamespacedName, error: &str) -> LiveChain {
    let mut live = LiveChain {
        namespace,
        name,
        edit: EditState::Waits {
            reason: Reason::InvalidSpec.as_str().to_owned(),
            message: format!("the chain can't be parsed: {error}. Correct that field"),
            since: None,
        },
        drift: None,
        unreachable: None,
        stages: Vec::new(),
        draining: Vec::new(),
        notifier: LiveNotifier {
            queue: String::new(),
            paused: false,
            queue_numbers: Unknown::Pending.into(),
        },
        parking: None,
        findings: Vec::new(),
    };
    live.findings = why(&live);
    live
}
