//! An incident, as one who is on call meets it: paged, and with the chart's roles for viewers and for
//! people on call, and nothing more.
//!
//! A third of the payments need a provider, which answers so many calls at once; it hangs on the others, until
//! their callers give up. After a burst, the calls that hang keep it so. Fewer at once let it recover.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use oracle::{Script, Tracker, receive, task_number};
use testkit::server::{serve_on, status, text};
use testkit::{eventually, task};

use crate::billing::{self, NAMESPACE};
use crate::harness::{ALL_END, Harness, SOON, queue_path};
use crate::install::handler;
use crate::oncall::OnCall;
use crate::plugin::{Ended, Plugin};
use crate::producer::Producer;
use crate::servers::PREFIX;

/// Payments a second, and those of the burst.
const RATE: u32 = 20;
const BURST: usize = 300;
/// The numbers of those in the burst begin there.
const FIRST_OF_BURST: usize = 100_000;
/// What the provider can do: so many calls at once, each of which takes so long.
const CALLS: usize = 8;
const CALL: Duration = Duration::from_millis(200);

const TOP: &[&str] = &["top"];
const WHY: &[&str] = &["why", "payments"];
/// With three of stage slow, as many as the provider answers.
const THROTTLE: &[&str] = &[
    "throttle",
    "payments",
    "fast",
    "--concurrency",
    "5",
    "--for",
    "30m",
    "--reason",
    "INC-42 the card provider hangs",
];
const HELPED: &str = "  It has helped: ";

/// Three commands, of which the third one helps. Numbers say so, and all payments are made in the end.
pub async fn from_the_page_to_a_proof(
    harness: &Harness,
    plugin: &Plugin,
    account: &Path,
) -> anyhow::Result<()> {
    let payments = Payments::begin(harness).await?;
    let mut oncall = OnCall::new(harness, plugin, account);
    payments.burst(harness).await?;
    oncall.is_paged("payments", "HandlerTimesOut", "fast").await;

    let began = Instant::now();
    let top = oncall.types(TOP).await?;
    anyhow::ensure!(top.code == 0 && top.stdout.contains("Times out"), "{top:?}");
    let why = oncall.types(WHY).await?;
    let first = why.stdout.lines().next().unwrap_or_default();
    anyhow::ensure!(
        why.code == 2 && first.contains("the handler runs into its time-out of 10s"),
        "{why:?}"
    );
    let throttled = oncall.types(THROTTLE).await?;
    anyhow::ensure!(
        throttled.code == 0 && throttled.stdout.contains(", in force after "),
        "{throttled:?}"
    );
    anyhow::ensure!(oncall.typed() == 3, "{} commands", oncall.typed());
    let says = |why: &Ended| {
        harness.say(format!(
            "{} commands, and {:.0} s after the first of them kubectl chain {} says:\n{}",
            oncall.typed(),
            began.elapsed().as_secs_f64(),
            WHY.join(" "),
            why.stdout.trim_end(),
        ));
    };
    let proof = helped(&oncall, "numbers that show that it helped", |_| true);
    says(&proof.await);
    let is_over = |seen: &Ended| !seen.stdout.contains("  Do: ");
    let over = helped(&oncall, "nothing that is wrong any more", is_over);
    says(&over.await);
    payments.end(harness).await
}

/// What `why` says as soon as it says that the override has helped, and this holds too.
async fn helped(oncall: &OnCall<'_>, what: &str, holds: impl Fn(&Ended) -> bool) -> Ended {
    eventually(what, SOON, async || {
        let seen = oncall.sees(WHY).await?;
        let helped = seen.stdout.lines().find_map(|it| it.strip_prefix(HELPED));
        let is_number = |it: &str| it.contains(" of the runs timed out before (");
        let is_so = helped.is_some_and(is_number) && holds(&seen);
        anyhow::ensure!(is_so, "{}", seen.stdout);
        Ok(seen)
    })
    .await
}

/// The chain, and what is around it.
struct Payments {
    tracker: Arc<Tracker>,
    provider: Arc<Provider>,
    producer: Producer,
}

impl Payments {
    async fn begin(harness: &Harness) -> anyhow::Result<Self> {
        let tracker = Arc::new(Tracker::new(|_| Script::Succeeds));
        let provider = Arc::new(Provider::default());
        let at = SocketAddr::new(harness.emulator.ip(), 0);
        let account = serve_provider(at, &provider, &tracker).await?;
        let notified = Arc::clone(&tracker);
        let client = receive(at, PREFIX, move |it| {
            notified.notified(it.task, it.succeeded);
            200
        });
        billing::apply_chain("payments", &manifest(account, client.await?)).await?;
        let emulator = harness.emulator.to_string();
        let creating = Arc::clone(&tracker);
        let created = move |payment| creating.created(payment);
        let producer = Producer::start(&emulator, "payments", RATE, created)?;
        eventually("the first payments", SOON, async || {
            let made = tracker.results().succeeded;
            (made > 50, made)
        })
        .await;
        harness.say(format!("payments are made, {RATE} a second"));
        Ok(Self {
            tracker,
            provider,
            producer,
        })
    }

    async fn burst(&self, harness: &Harness) -> anyhow::Result<()> {
        let queue = queue_path("payments")?;
        for number in (FIRST_OF_BURST..).take(BURST) {
            let payment = task(&queue, &format!("{PREFIX}{number}"), "{}");
            harness.cloud_tasks.create_task(&queue, &payment).await?;
            self.tracker.created(number);
        }
        harness.say(format!(
            "{BURST} payments at once; the provider hangs where it has more than {CALLS} calls"
        ));
        Ok(())
    }

    /// Those that hung before are made too, while the override is in force.
    async fn end(self, harness: &Harness) -> anyhow::Result<()> {
        self.producer.stop().await?;
        eventually("an end of each payment", ALL_END, async || {
            let lost = self.tracker.results().lost.len();
            (lost == 0, lost)
        })
        .await;
        let found = self.tracker.results();
        let all = self.tracker.count();
        let hung = self.provider.hung.load(Ordering::Relaxed);
        harness.say(format!(
            "{hung} calls of the provider hung; of {all} payments {} are made",
            found.succeeded
        ));
        anyhow::ensure!(found.is_clean() && found.succeeded == all, "{found:?}");
        anyhow::ensure!(self.provider.calls.load(Ordering::Relaxed) == 0);
        billing::delete_chain("payments").await
    }
}

/// The provider, without which two of three payments are made.
#[derive(Debug, Default)]
struct Provider {
    calls: AtomicUsize,
    hung: AtomicUsize,
}

/// A call, until it is answered or its caller has given up.
struct Call<'a>(&'a Provider);

impl Provider {
    async fn call(&self) {
        let others = self.calls.fetch_add(1, Ordering::Relaxed);
        let _call = Call(self);
        if others >= CALLS {
            self.hung.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(CALL).await;
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the handlers ask.
async fn serve_provider(
    at: SocketAddr,
    provider: &Arc<Provider>,
    tracker: &Arc<Tracker>,
) -> std::io::Result<SocketAddr> {
    let (provider, tracker) = (Arc::clone(provider), Arc::clone(tracker));
    serve_on(at, move |request| {
        let task = task_number(text(request.headers(), "executor-task"), PREFIX);
        let stage = text(request.headers(), "executor-stage").to_owned();
        let (provider, tracker) = (Arc::clone(&provider), Arc::clone(&tracker));
        async move {
            let Some(task) = task else { return status(400) };
            if task % 3 == 0 {
                provider.call().await;
            }
            tracker.run(task, &stage);
            status(200)
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
metadata: {{name: payments, namespace: {NAMESPACE}}}
spec:
  project: demo
  location: europe-west1
  notifier: {{queue: payments-notifier, url: 'http://{client}/'}}
  template:
    spec:
      containers:
        - name: handler
          {handler}
  stages:
    - name: fast
      queue: payments
      maxAttempts: 3
      rateLimits: {{maxDispatchesPerSecond: 500, maxConcurrentDispatches: 100}}
      backoff: {{min: 100ms, max: 1s}}
      replicas: 1
      handler: {{timeout: 10s}}
    - name: slow
      queue: payments-2
      maxAttempts: 20
      rateLimits: {{maxDispatchesPerSecond: 10, maxConcurrentDispatches: 3}}
      backoff: {{min: 500ms, max: 1s}}
      replicas: 1
      handler: {{timeout: 10s}}
"
    )
}
