//! A queue of a test is a number of pages.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloudtasks::Endpoint;
use execute::{Connection, Fence, Rate};

use super::*;

/// Listings that make no call by themselves.
fn listings() -> Arc<ParkedListings> {
    let nowhere = Endpoint::Emulator("127.0.0.1:1".to_owned());
    let connection = Connection::to(nowhere);
    let cloud = AdminClient::new(
        connection,
        Fence::unlimited(),
        Arc::new(()),
        Rate::default(),
    );
    ParkedListings::new(cloud)
}

fn queue(id: &str) -> QueuePath {
    let path = format!("projects/p/locations/l/queues/{id}");
    path.parse().unwrap()
}

/// A queue of so many pages, and the calls that were made for it.
struct Fake {
    pages: AtomicUsize,
    calls: AtomicUsize,
    /// How long Cloud Tasks takes for a page.
    takes: Duration,
    fails: Mutex<Option<Error>>,
}

impl Fake {
    fn of(pages: usize) -> Self {
        Self {
            pages: pages.into(),
            calls: AtomicUsize::default(),
            takes: Duration::from_millis(100),
            fails: Mutex::default(),
        }
    }

    fn calls(&self) -> usize {
        self.calls.swap(0, Ordering::Relaxed)
    }

    fn fail(&self, error: Option<Error>) {
        *self.fails.lock() = error;
    }
}

impl Pages for Fake {
    type Token = usize;

    async fn page(&self, from: Option<usize>) -> Page<usize> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.takes).await;
        if let Some(error) = &*self.fails.lock() {
            return Err(error.clone());
        }
        let page = from.unwrap_or(0);
        let task = |number: usize| TaskInfo {
            path: queue("parked").task(format!("{page}-{number}").parse().unwrap()),
            created: Timestamp::UNIX_EPOCH,
            scheduled: Timestamp::UNIX_EPOCH,
            first_dispatched: None,
            dispatch_count: 0,
            response_count: 0,
            dispatch_deadline: None,
            url: "http://x/".into(),
            method: None,
            // No worker has parked it: it counts all the same.
            headers: BTreeMap::new(),
        };
        let next = page + 1;
        let has_more = next < self.pages.load(Ordering::Relaxed);
        Ok(((0..1_000).map(task).collect(), has_more.then_some(next)))
    }
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn many_who_look_at_once_share_a_list_and_its_calls() {
    let (listings, fake, parked) = (listings(), Fake::of(3), queue("parked"));
    let looks = (0..50).map(|_| listings.look_at(&parked, &fake));
    for found in futures::future::join_all(looks).await {
        let found = found.unwrap();
        assert_eq!((found.listing.tasks(), found.stale), (3_000, None));
    }
    assert_eq!(fake.calls(), 3);
    pass(9).await;
    listings.look_at(&parked, &fake).await.unwrap();
    assert_eq!(fake.calls(), 0, "a list is new for 10 s");
    pass(1).await;
    listings.look_at(&parked, &fake).await.unwrap();
    assert_eq!(fake.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_first_look_lists_20_000_tasks_and_says_that_there_are_more() {
    let (listings, fake, parked) = (listings(), Fake::of(100), queue("parked"));
    let found = listings.look_at(&parked, &fake).await.unwrap();
    assert_eq!((found.listing.tasks(), fake.calls()), (20_000, 20));
    let incomplete = found.listing.incomplete.as_deref();
    assert_eq!(
        incomplete,
        Some("there may be more: at most 20,000 tasks are listed")
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_than_30_calls_are_made_in_any_minute() {
    let (listings, fake, parked) = (listings(), Fake::of(20), queue("parked"));
    let (other, others) = (queue("other"), Fake::of(1));
    let begun = Instant::now();
    let mut calls: Vec<(Duration, usize)> = Vec::new();
    for _ in 0..240 {
        pass(1).await;
        let found = listings.look_at(&parked, &fake).await.unwrap();
        assert_eq!(found.listing.tasks(), 20_000, "never half of it");
        listings.look_at(&other, &others).await.unwrap();
        calls.push((begun.elapsed(), fake.calls() + others.calls()));
    }
    let mut most = 0;
    for (index, (from, _)) in calls.iter().enumerate() {
        let minute = calls[index..].iter();
        let minute = minute.take_while(|(at, _)| at.saturating_sub(*from) < MINUTE);
        most = most.max(minute.map(|(_, calls)| calls).sum());
    }
    assert!((20..=MOST_CALLS).contains(&most), "{most}");
}

#[tokio::test(start_paused = true)]
async fn without_a_call_left_the_last_list_is_shown_or_when_to_try_again() {
    let (listings, fake, parked) = (listings(), Fake::of(20), queue("parked"));
    listings.look_at(&parked, &fake).await.unwrap();
    let (other, others) = (queue("other"), Fake::of(10));
    let found = listings.look_at(&other, &others).await.unwrap();
    assert_eq!(found.listing.incomplete, None);
    let (third, none) = (queue("third"), Fake::of(1));
    let unknown = listings.look_at(&third, &none).await.unwrap_err();
    let Unknown::NoCallLeft { wait } = unknown else {
        panic!("{unknown:?}");
    };
    assert!(wait > Duration::from_secs(55) && wait < MINUTE, "{wait:?}");

    pass(20).await;
    let found = listings.look_at(&parked, &fake).await.unwrap();
    assert_eq!(found.listing.tasks(), 20_000);
    let stale = found.stale.unwrap();
    assert!(stale.contains("30 calls a minute"), "{stale}");
    pass(40).await;
    let found = listings.look_at(&parked, &fake).await.unwrap();
    assert_eq!(found.stale, None);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_uses_up_the_calls_or_the_time_is_said_to_be_incomplete() {
    let (listings, fake, parked) = (listings(), Fake::of(15), queue("parked"));
    listings.look_at(&queue("other"), &fake).await.unwrap();
    let rest = Fake::of(20);
    let found = listings.look_at(&parked, &rest).await.unwrap();
    assert_eq!((found.listing.tasks(), rest.calls()), (15_000, 15));
    let incomplete = found.listing.incomplete.clone().unwrap();
    assert!(incomplete.contains("30 calls a minute"), "{incomplete}");

    pass(120).await;
    let slow = Fake {
        takes: Duration::from_secs(3),
        ..Fake::of(20)
    };
    let found = listings.look_at(&parked, &slow).await.unwrap();
    assert_eq!(found.listing.tasks(), 3_000);
    let incomplete = found.listing.incomplete.clone().unwrap();
    assert!(incomplete.contains("within 8 s"), "{incomplete}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_shows_the_last_list_with_what_failed() {
    let (listings, fake, parked) = (listings(), Fake::of(1), queue("parked"));
    let missing = Error::Missing {
        resource: parked.to_string(),
        message: "no".into(),
    };
    fake.fail(Some(missing.clone()));
    let unknown = listings.look_at(&parked, &fake).await.unwrap_err();
    assert_eq!(unknown, Unknown::Cloud(missing.clone()));
    fake.fail(None);
    listings.look_at(&parked, &fake).await.unwrap();
    pass(10).await;
    fake.fail(Some(missing));
    let found = listings.look_at(&parked, &fake).await.unwrap();
    assert_eq!(found.listing.tasks(), 1_000);
    assert!(found.stale.unwrap().contains("does not exist"));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_looks_at_is_forgotten_when_there_is_too_much() {
    let listings = listings();
    for number in 0..3 * MOST_QUEUES {
        pass(10).await;
        let found = listings
            .look_at(&queue(&number.to_string()), &Fake::of(1))
            .await;
        found.unwrap();
    }
    assert_eq!(listings.kept.lock().len(), MOST_QUEUES);
    for number in 0..3 {
        pass(120).await;
        let found = listings
            .look_at(&queue(&format!("large-{number}")), &Fake::of(20))
            .await;
        found.unwrap();
    }
    let kept = listings.kept.lock();
    let tasks = kept.values().filter_map(|it| it.listed.as_ref());
    let tasks: usize = tasks.map(|listed| listed.listing.tasks()).sum();
    assert_eq!((kept.len(), tasks), (1, MOST_TASKS));
}
