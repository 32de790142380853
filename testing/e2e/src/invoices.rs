//! The invoices, some of which fail for good: the chain, what its handlers answer, and what its client is notified of.
//!
//! A third is refused until the handler is fixed. A few have no address, which nobody finds meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use cloudtasks::QueueState;
use oracle::TaskResult::{Failed, Lost, Succeeded};
use oracle::{Lives, receive, task_number};
use serde_json::Value;
use testkit::eventually;
use testkit::server::{Given, serve_on, status, text};

use crate::billing::{self, NAMESPACE};
use crate::harness::{ALL_END, Harness, queue_path};
use crate::install::handler;
use crate::producer::Producer;
use crate::servers::PREFIX;

pub const CHAIN: &str = "invoices";
/// Invoices a second.
const RATE: u32 = 40;
/// Why a third is refused until the handler is fixed.
pub const FIXED: &str = "no-stock";
/// Why a few are refused, also afterwards. Another attempt would not help, and the handler says so.
pub const UNFIXED: &str = "no-address";
/// How long a run takes that succeeds since the handler was fixed: one sees a canary run.
const FIXED_RUN: Duration = Duration::from_secs(2);
const PARKING: &str = "invoices-parked";
/// The attempts of a stage, and of both.
const FAST: usize = 3;
pub const SLOW: usize = 2;

/// What the invoice of this number is refused for.
fn flaw(invoice: usize) -> Option<&'static str> {
    if invoice.is_multiple_of(3) {
        Some(FIXED)
    } else if invoice % 20 == 1 {
        Some(UNFIXED)
    } else {
        None
    }
}

#[derive(Debug, Default)]
struct Books {
    is_fixed: bool,
    created: BTreeSet<usize>,
    /// Runs by invoice.
    runs: BTreeMap<usize, usize>,
    lives: Lives,
}

/// What is known of the invoices.
#[derive(Debug, Default)]
struct Account(Mutex<Books>);

impl Account {
    async fn run(&self, invoice: usize) -> Given {
        let is_fixed = self.with(|books| {
            *books.runs.entry(invoice).or_default() += 1;
            books.is_fixed
        });
        let reason = match flaw(invoice) {
            None => return status(200),
            Some(FIXED) if is_fixed => {
                tokio::time::sleep(FIXED_RUN).await;
                return status(200);
            }
            Some(reason) => reason,
        };
        let mut answer = status(409)?;
        let headers = answer.headers_mut();
        headers.insert("executor-reason", reason.parse().expect("letters"));
        if reason == UNFIXED {
            headers.insert("executor-verdict", "fail".parse().expect("letters"));
        }
        Ok(answer)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Books) -> T) -> T {
        // A test that panicked with it in hand has failed anyway.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The chain, and what is around it.
pub struct Invoices {
    account: Arc<Account>,
    producer: Producer,
}

impl Invoices {
    pub async fn begin(harness: &Harness) -> anyhow::Result<Self> {
        let account = Arc::new(Account::default());
        let at = SocketAddr::new(harness.emulator.ip(), 0);
        let handlers = serve(at, &account).await?;
        let notified = Arc::clone(&account);
        let client = receive(at, PREFIX, move |it| {
            notified.with(|books| books.lives.notified(&it));
            200
        });
        billing::apply_chain(CHAIN, &manifest(handlers, client.await?)).await?;
        let emulator = harness.emulator.to_string();
        let creating = Arc::clone(&account);
        let created = move |invoice| {
            creating.with(|books| books.created.insert(invoice));
        };
        let producer = Producer::start(&emulator, CHAIN, RATE, created)?;
        harness.say(format!(
            "invoices come, {RATE} a second; a third of them is refused with the reason {FIXED}, and a few with {UNFIXED}"
        ));
        Ok(Self { account, producer })
    }

    /// From now on those that were refused for what can be fixed succeed.
    pub fn fix(&self) {
        self.account.with(|books| books.is_fixed = true);
    }

    /// How many have failed in so many lives, and have not succeeded since.
    pub fn failed(&self, reason: &str, lives: usize) -> usize {
        self.account.with(|books| {
            let of_reason = |invoice: &usize| flaw(*invoice) == Some(reason);
            let invoices = books.created.iter().copied().filter(of_reason);
            let failed = |invoice| {
                let ends = books.lives.of(invoice);
                ends.len() >= lives && ends.last() == Some(&Failed)
            };
            invoices.filter(|invoice| failed(*invoice)).count()
        })
    }

    /// Waits until each invoice that there is now has ended.
    pub async fn have_ended(&self) {
        let invoices = self.account.with(|books| books.created.clone());
        eventually("an end of each invoice", ALL_END, async || {
            let open = self.account.with(|books| {
                let is_open = |it: &&usize| books.lives.of(**it).is_empty();
                invoices.iter().filter(is_open).count()
            });
            (open == 0, open)
        })
        .await;
    }

    /// No more invoices; waits for the ends of all, and of those that were redriven.
    pub async fn stop(self) -> anyhow::Result<Ended> {
        let Self { account, producer } = self;
        producer.stop().await?;
        eventually("an end of each invoice", ALL_END, async || {
            let open = account.with(|books| {
                let is_open = |it: &&usize| {
                    let last = books.lives.of(**it).pop();
                    let fails = flaw(**it) == Some(UNFIXED);
                    last.is_none_or(|last| last == Lost || (last == Failed) != fails)
                };
                books.created.iter().filter(is_open).count()
            });
            (open == 0, open)
        })
        .await;
        Ok(Ended(account))
    }
}

/// When no more come.
pub struct Ended(Arc<Account>);

/// What has become of the invoices.
#[derive(Debug, Default)]
struct Counts {
    succeeded: usize,
    /// After one life that failed, and after two.
    in_second: usize,
    in_third: usize,
    parked: BTreeSet<usize>,
    lost: usize,
    contradictory: usize,
    wrong: Vec<String>,
}

impl Ended {
    /// How many stay parked.
    pub fn parked(&self) -> usize {
        self.counts().parked.len()
    }

    fn counts(&self) -> Counts {
        self.0.with(|books| {
            let mut counts = Counts::default();
            for invoice in &books.created {
                let runs = books.runs.get(invoice).copied().unwrap_or_default();
                let lives = books.lives.of(*invoice);
                let first = FAST + SLOW;
                let is_right = match (flaw(*invoice), &*lives) {
                    (None, [Succeeded]) => {
                        counts.succeeded += 1;
                        runs == 1
                    }
                    (Some(UNFIXED), [Failed]) => {
                        counts.parked.insert(*invoice);
                        runs == 1
                    }
                    // It came when the handler was fixed already, or soon before.
                    (Some(FIXED), [Succeeded]) => {
                        counts.succeeded += 1;
                        (1..=first).contains(&runs)
                    }
                    (Some(FIXED), [Failed, Succeeded]) => {
                        counts.in_second += 1;
                        runs == first + 1
                    }
                    (Some(FIXED), [Failed, Failed, Succeeded]) => {
                        counts.in_third += 1;
                        runs == first + SLOW + 1
                    }
                    _ => false,
                };
                if !is_right {
                    if lives.is_empty() || lives.contains(&Lost) {
                        counts.lost += 1;
                    } else {
                        counts.contradictory += 1;
                    }
                    let wrong = format!("{invoice}, after {runs} runs: {lives:?}");
                    counts.wrong.push(wrong);
                }
            }
            counts
        })
    }

    /// Each life of each invoice was run as often as it should be, and has one event. What was not redriven is parked.
    pub async fn account_for_all(
        &self,
        harness: &Harness,
        redriven: usize,
        tried: usize,
    ) -> anyhow::Result<()> {
        let counts = self.counts();
        let Counts {
            succeeded,
            in_second,
            in_third,
            parked,
            lost,
            contradictory,
            wrong,
        } = &counts;
        let all = self.0.with(|books| books.created.len());
        harness.say(format!(
            "of {all} invoices {succeeded} succeeded in their first life, {in_second} in their second, {in_third} in their \
             third; {} failed, and are parked; lost {lost}, contradictory {contradictory}",
            parked.len(),
        ));
        anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        anyhow::ensure!(
            *in_third == tried && in_second + in_third == redriven,
            "{counts:?}"
        );
        self.are_parked(harness, parked).await
    }

    async fn are_parked(&self, harness: &Harness, wanted: &BTreeSet<usize>) -> anyhow::Result<()> {
        let queue = queue_path(PARKING)?;
        let tasks = harness.cloud_tasks.list_tasks(&queue, 10_000);
        let mut found = BTreeSet::new();
        for task in tasks.await? {
            let header = |wanted: &str| {
                let mut headers = task.headers.iter();
                let found = headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                found.map(|(_, value)| value)
            };
            // The mover keeps a note of a canary that has failed.
            if header("executor-redrive-note").is_some() {
                continue;
            }
            let record = header("executor-parked").with_context(|| format!("{:?}", task.path))?;
            let record: Value = serde_json::from_str(record)?;
            let invoice = record["task"].as_str().unwrap_or_default();
            let invoice = task_number(invoice, PREFIX).with_context(|| record.to_string())?;
            anyhow::ensure!(found.insert(invoice), "{invoice} is parked twice");
        }
        anyhow::ensure!(found == *wanted, "{found:?}, not {wanted:?}");
        let state = harness.queue(PARKING).await?.state;
        anyhow::ensure!(state == QueueState::Paused, "{state:?}");
        Ok(())
    }

    /// What is parked stays.
    pub async fn delete_chain(self, harness: &Harness) -> anyhow::Result<()> {
        billing::delete_chain(CHAIN).await?;
        self.are_parked(harness, &self.counts().parked).await
    }
}

/// What the handlers ask.
async fn serve(at: SocketAddr, account: &Arc<Account>) -> std::io::Result<SocketAddr> {
    let account = Arc::clone(account);
    serve_on(at, move |request| {
        let invoice = task_number(text(request.headers(), "executor-task"), PREFIX);
        let account = Arc::clone(&account);
        async move {
            match invoice {
                Some(invoice) => account.run(invoice).await,
                None => status(400),
            }
        }
    })
    .await
}

fn manifest(account: SocketAddr, client: SocketAddr) -> String {
    let handler = handler(account);
    format!(
        "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {{name: {CHAIN}, namespace: {NAMESPACE}}}
spec:
  project: demo
  location: europe-west1
  notifier: {{queue: invoices-notifier, url: 'http://{client}/'}}
  parking: {{queue: {PARKING}}}
  template:
    spec:
      containers:
        - name: handler
          {handler}
  stages:
    - name: fast
      queue: {CHAIN}
      maxAttempts: {FAST}
      rateLimits: {{maxDispatchesPerSecond: 500, maxConcurrentDispatches: 100}}
      backoff: {{min: 100ms, max: 1s}}
      replicas: 1
    - name: slow
      queue: invoices-slow
      maxAttempts: {SLOW}
      rateLimits: {{maxDispatchesPerSecond: 50, maxConcurrentDispatches: 20}}
      backoff: {{min: 200ms, max: 1s}}
      replicas: 1
"
    )
}
