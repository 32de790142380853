//! What depends on the setting alone, computed once: the deliveries, parsed from the headers that
//! Cloud Tasks would send, and the ids, which are hashes, as small numbers.

use cloudtasks::{QueuePath, TaskId, TaskPath};
use decide::task::LEDGER_HEADER;
use decide::{Delivery, Ledger, Outcome, RedriveId, StagePolicy, headers};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::rules::Rules;
use crate::setting::{Setting, queue_path};
use crate::state::{NOTIFIER, PARKING, Push, TaskKey};

/// Hops that any path of a setting may take.
pub const HOPS: u8 = 6;

/// A queue, and an id on it as a bit.
pub type Name = (u8, u64);

#[derive(Debug)]
pub struct Tables {
    /// The queues by number.
    paths: Vec<QueuePath>,
    /// By release and queue.
    policies: Vec<Option<StagePolicy>>,
    /// By queue: the least and the most attempts that any worker allows.
    attempts: Vec<(u8, u8)>,
    /// By release, life, queue, hop, and how often the task was put off.
    rows: Vec<Option<Row>>,
    /// The lives that a task may have.
    lives: u8,
    /// How often a task may be put off.
    put_offs: u8,
    /// The previous response, as the rules read it on a task's first dispatch.
    first_previous: Option<u16>,
}

/// A task at a worker.
#[derive(Debug)]
pub struct Row {
    /// With counters as on the first dispatch.
    pub delivery: Delivery,
    /// Where the rules look for its end.
    pub ends: Vec<Name>,
    /// Where the rules look for the parked task.
    pub parked_ends: Vec<Name>,
    /// Where the worker could look at all.
    pub in_sight: Vec<Name>,
    /// The task's own id.
    pub own: u64,
    /// The next task's id, on each queue.
    next: Vec<u64>,
    /// The id of the same task, put off once more.
    pub later: u64,
    /// The parked task's id, if the worker parks.
    pub parked: u64,
    succeeded: u64,
    failed: u64,
}

impl Row {
    pub fn next(&self, to: u8) -> u64 {
        self.next[usize::from(to)]
    }

    pub fn notification(&self, outcome: Outcome) -> u64 {
        match outcome {
            Outcome::Succeeded => self.succeeded,
            Outcome::Failed => self.failed,
        }
    }
}

impl Tables {
    pub fn new(rules: &impl Rules, setting: &Setting) -> Self {
        let mut ids = Ids(Vec::new());
        let mut rows = Vec::new();
        let mut policies = Vec::new();
        for release in 0..u8::try_from(setting.releases.len()).unwrap() {
            policies.extend((0..NOTIFIER).map(|queue| setting.policy(release, queue).cloned()));
            for key in keys(setting) {
                rows.push(row(rules, setting, &mut ids, release, key));
            }
        }
        Self {
            paths: (0..=usize::from(PARKING)).map(queue_path).collect(),
            policies,
            attempts: (0..NOTIFIER).map(|queue| setting.attempts(queue)).collect(),
            rows,
            lives: setting.redrives + 1,
            put_offs: setting.put_offs,
            first_previous: rules.previous(&producers(setting)),
        }
    }

    /// The names on the first queue of all hand-overs that may follow.
    pub fn next_names(&self) -> u64 {
        let rows = self.rows.iter().flatten();
        rows.fold(0, |names, row| names | row.next(0))
    }

    /// The policy of this release's workers of a queue, if it has any.
    pub fn policy(&self, release: u8, queue: u8) -> Option<&StagePolicy> {
        self.policies[usize::from(release * NOTIFIER + queue)].as_ref()
    }

    pub fn least(&self, queue: u8) -> u8 {
        self.attempts[usize::from(queue)].0
    }

    pub fn most(&self, queue: u8) -> u8 {
        self.attempts[usize::from(queue)].1
    }

    pub fn path(&self, queue: u8) -> &QueuePath {
        &self.paths[usize::from(queue)]
    }

    /// P, as a worker reads it. Only a producer's own task has a producer's headers of this kind.
    pub fn previous(&self, push: &Push) -> Option<u16> {
        push.p.or(self
            .first_previous
            .filter(|_| (push.key.hop, push.key.later, push.r) == (0, 0, 0)))
    }

    /// The number of a queue.
    pub fn queue(&self, path: &QueuePath) -> u8 {
        let place = self.paths.iter().position(|known| known == path);
        u8::try_from(place.expect("one of the setting's queues")).unwrap()
    }

    /// The row of a task that this release's workers serve.
    pub fn row(&self, release: u8, key: TaskKey) -> &Row {
        let TaskKey {
            life,
            queue,
            hop,
            later,
        } = key;
        let sizes = [self.lives, NOTIFIER, HOPS + 1, self.put_offs + 1].map(usize::from);
        let places = [life, queue, hop, later].map(usize::from);
        let index = sizes
            .iter()
            .zip(places)
            .fold(usize::from(release), |index, (size, place)| {
                index * size + place
            });
        self.rows[index].as_ref().expect("a worker serves it")
    }
}

/// Every task that a path of the setting may lead to, in the order of [`Tables::row`].
fn keys(setting: &Setting) -> impl Iterator<Item = TaskKey> {
    let (lives, put_offs) = (0..=setting.redrives, 0..=setting.put_offs);
    let places = lives.flat_map(|life| (0..NOTIFIER).map(move |queue| (life, queue)));
    let hops = places.flat_map(|(life, queue)| (0..=HOPS).map(move |hop| (life, queue, hop)));
    hops.flat_map(move |(life, queue, hop)| {
        put_offs.clone().map(move |later| TaskKey {
            life,
            queue,
            hop,
            later,
        })
    })
}

fn row(
    rules: &impl Rules,
    setting: &Setting,
    ids: &mut Ids,
    release: u8,
    key: TaskKey,
) -> Option<Row> {
    let TaskKey {
        life,
        queue,
        hop,
        later,
    } = key;
    let policy = setting.policy(release, queue)?;
    // Hop 0 is the producer's task, which it puts on the first queue. A life after the first begins at hop 1.
    if hop == 0 && (queue, life) != (0, 0) {
        return None;
    }
    let first = queue_path(0).task("order-1".parse().unwrap());
    let start = Timestamp::UNIX_EPOCH;
    // What came before is another for each path, see `World::delivery`.
    let ledger = |redriven: &dyn Fn(Ledger, RedriveId) -> Ledger| {
        let parked = Ledger::first(&first, start);
        let began = (0..life).fold(parked, |l, _| redriven(l, "a".parse().unwrap()));
        let climbed = (u8::from(life > 0)..hop).fold(began, |l, _| l.next_hop());
        (0..later).fold(climbed, |l, _| l.put_off(0, 0, start))
    };
    let climbed = ledger(&Ledger::redriven);
    let created = hop > 0 || later > 0;
    let headers = if created {
        climbers(setting, &policy.queue, &climbed)
    } else {
        producers(setting)
    };
    let now = start + setting.stayed(later);
    let mut delivery = Delivery::parse(&headers, policy, now).unwrap();
    if created && !policy.is_handed(&climbed) {
        return None;
    }
    assert_eq!(delivery.ledger, climbed);
    assert_eq!(
        delivery.awaits_newer_worker(),
        setting.newer_ledgers && created
    );
    assert_eq!(
        delivery.previous_response,
        headers::previous_response(&headers)
    );

    // A mutant's workers would read what its mover wrote.
    delivery.ledger = ledger(&|parked, redrive| rules.redriven(parked, redrive));

    let mut names = |paths: Vec<TaskPath>| paths.into_iter().map(|path| ids.name(&path)).collect();
    let ends = names(rules.successor_tasks(policy, &delivery.ledger));
    let parked_ends = names(rules.parked_tasks(policy, &delivery.ledger));
    let mut in_sight: Vec<Name> = names(policy.successor_tasks(&delivery.ledger));
    in_sight.extend(names(policy.parked_tasks(&delivery.ledger)));
    let own = if created {
        ids.bit(&own_id(&delivery.ledger))
    } else {
        0
    };
    let parks = policy.parking.is_some();
    Some(Row {
        own,
        parked: if parks {
            ids.bit(&rules.parked(policy, &delivery.ledger))
        } else {
            0
        },
        next: (0..NOTIFIER)
            .map(|to| {
                let to = queue_path(usize::from(to));
                ids.bit(&rules.next_task(&delivery.ledger, &to))
            })
            .collect(),
        later: ids.bit(&rules.later_task(&delivery.ledger)),
        succeeded: ids.bit(&rules.notification(&delivery.ledger, Outcome::Succeeded)),
        failed: ids.bit(&rules.notification(&delivery.ledger, Outcome::Failed)),
        delivery,
        ends,
        parked_ends,
        in_sight,
    })
}

/// The headers of a producer's task when it is dispatched for the first time.
fn producers(setting: &Setting) -> HeaderMap {
    let first = queue_path(0).task("order-1".parse().unwrap());
    let mut headers: HeaderMap = setting.headers.iter().map(header).collect();
    headers.extend(counted(&first));
    headers
}

/// The same after a hand-over, or put off, which keeps no header of Cloud Tasks.
fn climbers(setting: &Setting, queue: &QueuePath, ledger: &Ledger) -> HeaderMap {
    let pushed: HeaderMap = setting.headers.iter().map(header).collect();
    let pushed = headers::PushHeaders {
        all: &pushed,
        keep: &[],
        token: headers::TokenOrigin::Producer,
        pass_token: false,
    };
    let mut headers = pushed.of_task();
    headers.extend(counted(&queue.task(own_id(ledger))));
    let mut text = ledger.encode();
    if setting.newer_ledgers {
        let fields = text.split_once(',').unwrap().1;
        text = format!(r#"{{"v":4,"new":true,{fields}"#);
    }
    headers.insert(LEDGER_HEADER, text.parse().unwrap());
    headers
}

/// The id of a task that a worker or a mover has created.
fn own_id(ledger: &Ledger) -> TaskId {
    match &ledger.stay {
        Some(stay) => ledger.root.later(ledger.hop, stay.later),
        None => ledger.root.task(ledger.hop),
    }
}

/// What Cloud Tasks sends with the first dispatch, in place of what a producer wrote there.
fn counted(task: &TaskPath) -> HeaderMap {
    let pairs = [
        (headers::QUEUE_NAME, task.queue.id.as_str()),
        (headers::TASK_NAME, task.id.as_str()),
        (headers::RETRY_COUNT, "0"),
        (headers::EXECUTION_COUNT, "0"),
    ];
    pairs.iter().map(header).collect()
}

fn header((name, value): &(&str, &str)) -> (HeaderName, HeaderValue) {
    (name.parse().unwrap(), value.parse().unwrap())
}

/// The ids met so far. An id's place is its number.
struct Ids(Vec<TaskId>);

impl Ids {
    fn bit(&mut self, id: &TaskId) -> u64 {
        let known = self.0.iter().position(|known| known == id);
        let place = known.unwrap_or_else(|| {
            self.0.push(id.clone());
            self.0.len() - 1
        });
        1_u64.checked_shl(u32::try_from(place).unwrap()).unwrap()
    }

    fn name(&mut self, path: &TaskPath) -> Name {
        let queue = (0..=PARKING)
            .find(|queue| queue_path(usize::from(*queue)) == path.queue)
            .unwrap();
        (queue, self.bit(&path.id))
    }
}
