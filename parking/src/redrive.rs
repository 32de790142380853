//! What a redrive is told to do, which tasks it means, and how far it has come.

use std::time::Duration;

use cloudtasks::{Method, NewTask, QueuePath, TaskInfo, WholeTask};
use decide::task::LEDGER_HEADER;
use decide::{Ledger, LedgerError, RedriveId, RootId};
use http::HeaderValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::as_text;
use crate::canary::{Canary, CanaryCounts};
use crate::filter::Filter;
use crate::task::{ParkedTask, header};

/// All headers of this project begin with this.
const OWN_HEADERS: &str = "executor-";

/// What the mover is told to do. The operator writes it, as JSON, into the mover's variable `REDRIVE`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedriveOrder {
    /// The chain, as `NAMESPACE/NAME`, for logs and metrics.
    pub chain: String,
    /// The parking queue.
    #[serde(with = "as_text")]
    pub parked: QueuePath,
    /// Which tasks are meant.
    pub selection: Selection,
    /// Tasks a second, above 0.
    pub rate: f64,
    /// What is done with them.
    pub action: Action,
}

/// Why a text is no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrder {
    /// It has another form.
    #[error("it is not a redrive's order: {0}")]
    Form(String),
    /// Nothing would ever be moved, or all of it at once.
    #[error("the rate is {0}: write a number of tasks a second above 0")]
    Rate(String),
    /// No canary could ever do well or badly.
    #[error(
        "the canary has {tasks} tasks, of which {percent}% must succeed: write at least 1 task, and 1 to 100"
    )]
    Canary {
        /// Its tasks.
        tasks: u32,
        /// How many of a hundred must succeed.
        percent: u8,
    },
}

impl RedriveOrder {
    /// Reads the value of the variable `REDRIVE`.
    pub fn read(text: &str) -> Result<Self, InvalidOrder> {
        let order: Self =
            serde_json::from_str(text).map_err(|error| InvalidOrder::Form(error.to_string()))?;
        if !(order.rate.is_finite() && order.rate > 0.0) {
            return Err(InvalidOrder::Rate(order.rate.to_string()));
        }
        if let Some(canary) = order.canary()
            && (canary.tasks == 0 || !(1..=100).contains(&canary.at_least_percent))
        {
            return Err(InvalidOrder::Canary {
                tasks: canary.tasks,
                percent: canary.at_least_percent,
            });
        }
        Ok(order)
    }

    /// The canary, if it tries a few tasks first.
    pub fn canary(&self) -> Option<&Canary> {
        match &self.action {
            Action::Move(to) => to.canary.as_ref(),
            Action::Discard => None,
        }
    }
}

/// What is done with the tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Each begins a new life on a stage.
    Move(Move),
    /// Each is deleted.
    Discard,
}

/// Where the new lives begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// The queue of the stage.
    #[serde(with = "as_text")]
    pub to: QueuePath,
    /// How long Cloud Tasks waits for the stage's answers, in milliseconds.
    pub dispatch_deadline_ms: u64,
    /// How long each task waits before its first attempt, in milliseconds.
    pub delay_ms: u64,
    /// The queues of all stages, where a canary's tasks may be.
    #[serde(with = "as_text::list")]
    pub stages: Vec<QueuePath>,
    /// Try a few first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub canary: Option<Canary>,
}

/// Which parked tasks a redrive means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// The redrive. A task whose present life it began is never moved by it again.
    pub redrive: RedriveId,
    /// When the redrive was asked for: what Cloud Tasks created later isn't meant, or it would have no end
    /// while tasks fail.
    pub asked: Timestamp,
    /// What else the tasks must have.
    pub filter: Filter,
}

/// How far a redrive has come, as the mover tells the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedriveProgress {
    /// Which redrive this is of.
    pub redrive: RedriveId,
    /// What it does now.
    pub phase: RedrivePhase,
    /// Tasks that match and are still parked. None before the first count.
    pub remaining: Option<u64>,
    /// Whether there may be more than that: the count isn't complete.
    pub at_least: bool,
    /// Tasks that this mover has moved or deleted since it began.
    pub moved: u64,
    /// Tasks that match and can't be moved: their ledger can't be read, or Cloud Tasks refuses them. They stay
    /// parked, and are not among the remaining.
    pub skipped: u64,
    /// Tasks that failed again in the life that this redrive began, and are parked again.
    pub failed_again: u64,
    /// What has become of the canary.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub canary: Option<CanaryCounts>,
    /// What keeps it from going on now, such as a queue that doesn't exist.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
}

/// What a redrive does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RedrivePhase {
    /// It counts the tasks that match.
    Counting,
    /// It has moved the canary, and waits for what becomes of it.
    Canary,
    /// It moves tasks.
    Moving,
    /// No task matches any more.
    Done,
    /// The canary has not done well. The other tasks are still parked.
    CanaryFailed,
    /// The parking queue doesn't exist.
    ParkingGone,
}

impl RedrivePhase {
    /// Whether the mover has nothing left to do.
    pub fn is_over(self) -> bool {
        match self {
            Self::Counting | Self::Canary | Self::Moving => false,
            Self::Done | Self::CanaryFailed | Self::ParkingGone => true,
        }
    }
}

impl Selection {
    /// Whether the redrive means this task.
    pub fn means(&self, task: &ParkedTask) -> bool {
        task.created < self.asked && !self.has_begun(task) && self.filter.matches(task)
    }

    /// Whether the redrive began the life that ended here.
    pub fn has_begun(&self, task: &ParkedTask) -> bool {
        let life = task.record.life.as_ref();
        life.is_some_and(|life| life.redrive == self.redrive)
    }
}

/// The first task of the life that a redrive begins.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLife {
    /// The task to create, before the parked one is deleted.
    pub task: NewTask,
    /// Its ledger, to follow what becomes of it.
    pub ledger: Ledger,
}

/// Why no new life can begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoNewLife {
    /// There is no ledger.
    #[error("it has no ledger, so no worker has parked it")]
    NoLedger,
    /// The ledger can't be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// It is no HTTP task.
    #[error("it is not an HTTP task")]
    NoMethod,
}

/// The root of the life that this redrive begins of a parked task, by which it can be followed.
pub fn next_root(parked: &TaskInfo, redrive: &RedriveId) -> Result<RootId, NoNewLife> {
    Ok(ledger(parked)?.redriven(redrive.clone()).root)
}

fn ledger(parked: &TaskInfo) -> Result<Ledger, NoNewLife> {
    let ledger = header(parked, LEDGER_HEADER).ok_or(NoNewLife::NoLedger)?;
    let ledger = HeaderValue::from_str(ledger).map_err(|_| NoNewLife::NoLedger)?;
    Ok(Ledger::read_parked(&ledger, &parked.path.id)?)
}

impl Move {
    /// The first task of the next life of a parked task.
    pub fn new_life(
        &self,
        parked: &WholeTask,
        redrive: &RedriveId,
        now: Timestamp,
    ) -> Result<NewLife, NoNewLife> {
        let WholeTask { info, body } = parked;
        let ledger = ledger(info)?.redriven(redrive.clone());
        let method: Method = info.method.ok_or(NoNewLife::NoMethod)?;
        let own = |name: &str| {
            let begin = name.get(..OWN_HEADERS.len());
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(OWN_HEADERS))
        };
        let mut headers: std::collections::BTreeMap<String, String> = info
            .headers
            .iter()
            .filter(|(name, _)| !own(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        headers.insert(LEDGER_HEADER.to_owned(), ledger.encode());
        let delay = Duration::from_millis(self.delay_ms);
        let due = now.saturating_add(delay).unwrap_or(now);
        let task = NewTask {
            path: Some(self.to.task(ledger.own_task())),
            url: info.url.clone(),
            method,
            headers,
            body: body.clone(),
            dispatch_deadline: Some(Duration::from_millis(self.dispatch_deadline_ms)),
            schedule_time: (!delay.is_zero()).then_some(due),
            oidc_token: None,
        };
        Ok(NewLife { task, ledger })
    }
}

#[cfg(test)]
mod tests {
    use decide::{Life, RootId};
    use jiff::ToSpan as _;

    use super::*;
    use crate::task::tests::{listed, parked};

    const ASKED: &str = "2026-11-30T12:00:00Z";

    fn selection(filter: Filter) -> Selection {
        Selection {
            redrive: "one".parse().unwrap(),
            asked: ASKED.parse().unwrap(),
            filter,
        }
    }

    #[test]
    fn a_redrive_means_what_was_parked_before_it_and_moves_nothing_twice() {
        let all = selection(Filter::default());
        let mut task = parked("order-1", "no-stock", Some(409), "2026-11-30T10:00:00Z");
        assert!(all.means(&task));
        let other = selection(Filter::default().with("reason=timeout").unwrap());
        assert!(!other.means(&task));

        let first = RootId::of(&"projects/p/locations/l/queues/q/tasks/t".parse().unwrap());
        let life = |redrive: &str| Some(Life::second(first.clone(), redrive.parse().unwrap()));
        task.record.life = life("another");
        assert!(all.means(&task), "its second life has ended before");
        task.record.life = life("one");
        assert!(!all.means(&task) && all.has_begun(&task));

        task.record.life = None;
        task.created = all.asked;
        assert!(
            !all.means(&task),
            "it ended after the redrive was asked for"
        );
    }

    #[test]
    fn a_new_life_is_the_same_task_with_a_fresh_ledger() {
        let first = "projects/p/locations/l/queues/orders/tasks/order-1"
            .parse()
            .unwrap();
        let ended = Ledger::first(&first, Timestamp::UNIX_EPOCH);
        let row = parked("order-1", "no-stock", Some(409), "2026-11-30T10:00:00Z");
        let mut info = listed(&row);
        info.path = row.path.queue.task(ended.root.parked());
        info.url = "http://x/orders?id=1".into();
        info.method = Some(Method::Put);
        info.headers
            .insert("Executor-Ledger".into(), ended.encode());
        info.headers
            .insert("content-type".into(), "text/plain".into());
        let whole = WholeTask {
            info,
            body: b"{}".to_vec(),
        };
        let slow: QueuePath = "projects/p/locations/l/queues/slow".parse().unwrap();
        let to = Move {
            to: slow.clone(),
            dispatch_deadline_ms: 60_000,
            delay_ms: 1_000,
            stages: vec![slow.clone()],
            canary: None,
        };
        let redrive: RedriveId = "one".parse().unwrap();
        let now: Timestamp = ASKED.parse().unwrap();
        let NewLife { task, ledger } = to.new_life(&whole, &redrive, now).unwrap();
        assert_eq!(ledger, ended.clone().redriven(redrive.clone()));
        assert_eq!(next_root(&whole.info, &redrive), Ok(ledger.root.clone()));
        assert_eq!(
            task,
            NewTask {
                path: Some(slow.task(ledger.root.task(1))),
                url: "http://x/orders?id=1".into(),
                method: Method::Put,
                headers: [
                    ("content-type".to_owned(), "text/plain".to_owned()),
                    (LEDGER_HEADER.to_owned(), ledger.encode()),
                ]
                .into(),
                body: b"{}".to_vec(),
                dispatch_deadline: Some(Duration::from_mins(1)),
                schedule_time: Some(now + 1.second()),
                oidc_token: None,
            }
        );

        let mut foreign = whole.clone();
        foreign.info.headers.remove("Executor-Ledger");
        let error = to.new_life(&foreign, &redrive, now);
        assert_eq!(error, Err(NoNewLife::NoLedger));
        let mut renamed = whole;
        renamed.info.path = row.path;
        let error = to.new_life(&renamed, &redrive, now);
        assert_eq!(
            error,
            Err(NoNewLife::Ledger(LedgerError::OtherTask(
                ended.root.parked()
            )))
        );
    }

    #[test]
    fn an_order_travels_as_json() {
        let order = RedriveOrder {
            chain: "shop/orders".into(),
            parked: "projects/p/locations/l/queues/parked".parse().unwrap(),
            selection: selection(Filter::default().with("reason=no-stock").unwrap()),
            rate: 20.0,
            action: Action::Discard,
        };
        let json = serde_json::to_string(&order).unwrap();
        assert_eq!(
            json,
            r#"{"chain":"shop/orders","parked":"projects/p/locations/l/queues/parked","selection":{"redrive":"one","asked":"2026-11-30T12:00:00Z","filter":{"reason":"no-stock"}},"rate":20.0,"action":"discard"}"#
        );
        assert_eq!(RedriveOrder::read(&json), Ok(order.clone()));

        let to = |canary| {
            let slow: QueuePath = "projects/p/locations/l/queues/slow".parse().unwrap();
            let action = Action::Move(Move {
                to: slow.clone(),
                dispatch_deadline_ms: 60_000,
                delay_ms: 0,
                stages: vec![slow],
                canary: Some(canary),
            });
            RedriveOrder {
                action,
                ..order.clone()
            }
        };
        let canary = |tasks, at_least_percent| Canary {
            tasks,
            within_seconds: 60,
            at_least_percent,
        };
        let read = |order: &RedriveOrder| {
            let json = serde_json::to_string(order).unwrap();
            RedriveOrder::read(&json)
        };
        let whole = to(canary(20, 90));
        assert_eq!(read(&whole), Ok(whole));
        for (order, message) in [
            (
                RedriveOrder {
                    rate: 0.0,
                    ..order.clone()
                },
                "the rate is 0: write a number of tasks a second above 0",
            ),
            (
                to(canary(0, 90)),
                "the canary has 0 tasks, of which 90% must succeed: write at least 1 task, and 1 to 100",
            ),
            (
                to(canary(20, 101)),
                "the canary has 20 tasks, of which 101% must succeed: write at least 1 task, and 1 to 100",
            ),
        ] {
            assert_eq!(read(&order).unwrap_err().to_string(), message);
        }
        let error = RedriveOrder::read("{}").unwrap_err().to_string();
        assert!(
            error.starts_with("it is not a redrive's order: missing field"),
            "{error}"
        );
    }
}
