//! What is parked, listed for people who look. No reconcile reads it, so it is listed only when a person
//! asks, and all who ask share the lists and the calls.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cloudtasks::{Error, PageToken, QueuePath, TaskInfo, TaskPage};
use console::ParkedListing;
use execute::AdminClient;
use jiff::Timestamp;
use parking::ParkedTask;
use parking_lot::Mutex;
use tokio::sync::Mutex as Turn;
use tokio::time::Instant;

/// Calls that all looks may make in a minute. Cloud Tasks allows 600, which counts and lists of queues need.
const MOST_CALLS: usize = 30;
const MINUTE: Duration = Duration::from_mins(1);
/// Tasks that are listed of a queue: 20 pages, so that a first look needs no more than there are calls.
const MOST_TASKS: usize = 20_000;
/// Tasks that are kept of all queues, 200 bytes each: what the calls of a minute list.
const MOST_KEPT: usize = 30_000;
const MOST_QUEUES: usize = 8;
/// A list is new for so long.
const NEW_FOR: Duration = Duration::from_secs(10);
/// A person waits for a list. What takes longer is left out.
const PATIENCE: Duration = Duration::from_secs(8);

/// The lists, and the calls that were made for them.
pub struct ParkedListings {
    cloud: AdminClient,
    budget: Mutex<Budget>,
    kept: Mutex<HashMap<QueuePath, Kept>>,
}

/// What is kept of a queue.
struct Kept {
    /// Who lists has it: others wait, and then find a new list.
    turn: Arc<Turn<()>>,
    looked: Instant,
    listed: Option<Listed>,
}

/// A list.
#[derive(Clone)]
struct Listed {
    listing: Arc<ParkedListing>,
    ended: Instant,
    pages: usize,
}

/// What is known of a parking queue.
#[derive(Debug, Clone)]
pub struct Found {
    /// The last list.
    pub listing: Arc<ParkedListing>,
    /// Why there is no newer one: a sentence.
    pub stale: Option<String>,
}

/// Why nothing is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unknown {
    /// Cloud Tasks didn't list the queue.
    Cloud(Error),
    /// No call is left.
    NoCallLeft {
        /// When one is.
        wait: Duration,
    },
}

impl ParkedListings {
    /// Nothing is listed yet.
    pub fn new(cloud: AdminClient) -> Arc<Self> {
        Arc::new(Self {
            cloud,
            budget: Mutex::default(),
            kept: Mutex::default(),
        })
    }

    /// What is parked in this queue: a new list, or why there is none.
    pub async fn look(self: &Arc<Self>, queue: QueuePath) -> Result<Found, Unknown> {
        let listings = Arc::clone(self);
        // In a task of its own: if the first who asked leaves, the calls are not lost for the others.
        let look = tokio::spawn(async move {
            let pages = OfQueue {
                cloud: &listings.cloud,
                queue: &queue,
            };
            listings.look_at(&queue, &pages).await
        });
        look.await.expect("it doesn't panic, and isn't canceled")
    }

    async fn look_at(&self, queue: &QueuePath, pages: &impl Pages) -> Result<Found, Unknown> {
        let turn = self.turn(queue);
        let _turn = turn.lock().await;
        let last = self.last(queue);
        let now = Instant::now();
        if let Some(last) = &last
            && now.saturating_duration_since(last.ended) < NEW_FOR
        {
            return Ok(last.found(None));
        }
        // A list that ends half-way would be worse than the last one.
        let needed = last.as_ref().map_or(1, |last| last.pages);
        let wait = self.budget.lock().wait(needed, now);
        if let Some(wait) = wait {
            let last = last.ok_or(Unknown::NoCallLeft { wait })?;
            let stale = format!(
                "this list may be stale: the operator has used up its {MOST_CALLS} calls a minute for such lists. Try again in {} s",
                wait.as_secs() + 1
            );
            return Ok(last.found(Some(stale)));
        }
        match self.list(pages).await {
            Ok(listed) => {
                let found = listed.found(None);
                self.keep(queue, listed);
                Ok(found)
            }
            Err(error) => match last {
                Some(last) => Ok(last.found(Some(format!(
                    "this list may be stale, because a newer list call failed: {error}"
                )))),
                None => Err(Unknown::Cloud(error)),
            },
        }
    }

    async fn list(&self, of: &impl Pages) -> Result<Listed, Error> {
        let begun = Instant::now();
        let mut listing = ParkedListing::empty(Timestamp::now());
        let (mut from, mut pages) = (None, 0);
        loop {
            if !self.budget.lock().take(Instant::now()) {
                listing.incomplete = Some(format!(
                    "there may be more: the operator has used up its {MOST_CALLS} calls a minute for such lists, each of at most 1,000 tasks"
                ));
                break;
            }
            let (tasks, next) = of.page(from).await?;
            pages += 1;
            for task in &tasks {
                listing.add(ParkedTask::read(task));
            }
            from = next;
            if from.is_none() {
                break;
            }
            if listing.tasks() >= MOST_TASKS {
                listing.incomplete =
                    Some("there may be more: at most 20,000 tasks are listed".to_owned());
                break;
            }
            if begun.elapsed() > PATIENCE {
                listing.incomplete = Some(format!(
                    "there may be more: Cloud Tasks has not listed all within {} s",
                    PATIENCE.as_secs()
                ));
                break;
            }
        }
        listing.at = Timestamp::now();
        listing.rows.sort();
        Ok(Listed {
            listing: Arc::new(listing),
            ended: Instant::now(),
            pages,
        })
    }

    fn turn(&self, queue: &QueuePath) -> Arc<Turn<()>> {
        let now = Instant::now();
        let mut kept = self.kept.lock();
        let of_queue = kept.entry(queue.clone()).or_insert_with(|| Kept {
            turn: Arc::default(),
            looked: now,
            listed: None,
        });
        of_queue.looked = now;
        let turn = Arc::clone(&of_queue.turn);
        forget(&mut kept, queue);
        turn
    }

    fn last(&self, queue: &QueuePath) -> Option<Listed> {
        self.kept.lock().get(queue)?.listed.clone()
    }

    fn keep(&self, queue: &QueuePath, listed: Listed) {
        let mut kept = self.kept.lock();
        if let Some(of_queue) = kept.get_mut(queue) {
            of_queue.listed = Some(listed);
        }
        forget(&mut kept, queue);
    }
}

/// If too much is kept: forgets what nobody has looked at for the longest time, but not this queue.
fn forget(kept: &mut HashMap<QueuePath, Kept>, queue: &QueuePath) {
    let tasks = |of_queue: &Kept| {
        let listed = of_queue.listed.as_ref();
        listed.map_or(0, |listed| listed.listing.tasks())
    };
    while kept.len() > MOST_QUEUES || kept.values().map(tasks).sum::<usize>() > MOST_KEPT {
        let others = kept.iter().filter(|(other, _)| *other != queue);
        let oldest = others.min_by_key(|(_, of_queue)| of_queue.looked);
        let Some((oldest, _)) = oldest else {
            return;
        };
        let oldest = oldest.clone();
        kept.remove(&oldest);
    }
}

/// The pages of a list, one after another.
trait Pages: Sync {
    /// Where a page begins.
    type Token: Send;

    fn page(&self, from: Option<Self::Token>) -> impl Future<Output = Page<Self::Token>> + Send;
}

/// Tasks, and where the next page begins.
type Page<T> = Result<(Vec<TaskInfo>, Option<T>), Error>;

struct OfQueue<'a> {
    cloud: &'a AdminClient,
    queue: &'a QueuePath,
}

impl Pages for OfQueue<'_> {
    type Token = PageToken;

    async fn page(&self, from: Option<PageToken>) -> Page<PageToken> {
        let page = self.cloud.list_tasks_page(self.queue, from.as_ref());
        let TaskPage { tasks, next } = page.await?;
        Ok((tasks, next))
    }
}

impl Listed {
    fn found(&self, stale: Option<String>) -> Found {
        Found {
            listing: Arc::clone(&self.listing),
            stale,
        }
    }
}

/// When calls were made in the last minute, the first first.
#[derive(Debug, Default)]
struct Budget(VecDeque<Instant>);

impl Budget {
    /// Takes a call if one is left.
    fn take(&mut self, now: Instant) -> bool {
        let has = self.wait(1, now).is_none();
        if has {
            self.0.push_back(now);
        }
        has
    }

    /// How long it takes until so many calls are left; `None` if they are.
    fn wait(&mut self, needed: usize, now: Instant) -> Option<Duration> {
        let age = |then: &Instant| now.saturating_duration_since(*then);
        while self.0.front().is_some_and(|first| age(first) >= MINUTE) {
            self.0.pop_front();
        }
        let left = MOST_CALLS - self.0.len();
        let missing = needed.min(MOST_CALLS).checked_sub(left + 1)?;
        let last = self.0.get(missing)?;
        Some(MINUTE.saturating_sub(age(last)))
    }
}

#[cfg(test)]
mod tests;
