//! What chains in a number of locations cost one operator.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use testkit::{CallProxy, Counters};
use tokio::time::sleep;

use crate::chains::{self, LOCATIONS};
use crate::deployment_controller;
use crate::edits::chain_rates::ChainRates;
use crate::edits::editor::{EditLatency, Editor};
use crate::figure;
use crate::idle::cost::{Baseline, IdleCost, Snapshot};
use crate::operator::Operator;
use crate::scale::drift;
use crate::scale::lists::{self, Times, a_minute};
use crate::scale::options::Options;
use crate::testbed::Testbed;
use crate::usage::Usage;
use crate::watch_times::WatchTimes;
use crate::worker::push::count;

/// What the API server begins with has ended by then.
const BEGINNING: Duration = Duration::from_secs(5);
/// A new operator tells of 1,000 chains well within it.
const TAKEN_OVER_WITHIN: Duration = Duration::from_mins(2);

/// What was found with the chains in so many locations.
pub struct Measured {
    pub locations: usize,
    /// Of an operator that has no chains yet.
    pub empty: Usage,
    /// From the first chain to the last one that is ready, in seconds.
    pub made: f64,
    /// Calls to Cloud Tasks until then, lists among them.
    pub made_calls: f64,
    /// From the start of another operator until it has told of each chain, in seconds.
    pub taken_over: f64,
    pub most_mib: f64,
    pub quiet: IdleCost,
    /// Calls for lists a minute, of each location.
    pub lists: Vec<f64>,
    /// The most locations that were listed within half a second.
    pub at_once: usize,
    /// That the operator holds on the API server.
    pub watches: f64,
    pub edits: Vec<EditLatency>,
    pub lists_of_an_edit: f64,
    pub drifts: Vec<Duration>,
}

impl Measured {
    pub async fn of(
        options: &Options,
        locations: usize,
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<Self> {
        let place = Testbed::new().await?;
        let proxy = CallProxy::start(place.emulator).await;
        sleep(BEGINNING).await;
        let watches = watches(&place.counters().await?);
        let numbers = chains::spread(options.chains, locations);

        let operator = place.operator(proxy.addr())?;
        chains::wait_for_leader(&operator).await?;
        let empty = operator.usage()?;
        let controller = deployment_controller::start(place.deployments());
        let begin = Instant::now();
        chains::create_these(&place, numbers.iter().copied()).await?;
        chains::wait_until_ready(&place, &operator, options.chains).await?;
        let made = begin.elapsed().as_secs_f64();
        let made_calls = count(proxy.calls().values().sum());
        let most_mib = operator.usage()?.peak_mib;
        operator.leave().await;
        drop(controller);

        // Everything at once, as after an upgrade: what each location costs is not spread by how its
        // chains came about.
        let begin = Instant::now();
        let operator = place.operator(proxy.addr())?;
        reported(&operator, options.chains).await?;
        let taken_over = begin.elapsed().as_secs_f64();
        println!("  in {locations}: made in {made:.1} s, taken over in {taken_over:.1} s");
        chains::wait_until_idle(&operator).await?;
        let (quiet, times) = rest(options, &place, &operator, &proxy).await?;
        println!("  in {locations}: {quiet}");
        let held = self::watches(&place.counters().await?) - watches;

        let editor = Editor {
            chains: place.chains(),
            queues: place.cloud_tasks().await?,
            watch_times: WatchTimes::watch(place.chains()),
        };
        let each = each(&times, locations)?;
        let (edits, listed) = edit(options, &editor, &proxy, &numbers, random).await?;
        let lists_of_an_edit = listed.less(each.iter().sum()) / figure::count(edits.len());
        chains::wait_until_idle(&operator).await?;
        let last = numbers.iter().max().context("there are no chains")?;
        let mut drifts = Vec::new();
        for stage in (0..chains::STAGES).cycle().take(options.drifts) {
            let queue = chains::queue(*last, stage);
            drifts.push(drift::put_right(&editor.queues, &proxy, &queue).await?);
        }
        Ok(Self {
            locations,
            empty,
            made,
            made_calls,
            taken_over,
            most_mib: operator.usage()?.peak_mib.max(most_mib),
            quiet,
            at_once: lists::at_once(&times),
            lists: each,
            watches: held,
            edits,
            lists_of_an_edit,
            drifts,
        })
    }
}

fn watches(counters: &Counters) -> f64 {
    counters.sum("apiserver_longrunning_requests", |labels| {
        labels.get("verb") == "WATCH"
    })
}

async fn reported(operator: &Operator, chains: usize) -> anyhow::Result<()> {
    let begin = Instant::now();
    loop {
        // It doesn't answer before it has begun.
        let counters = operator.counters().await.unwrap_or_default();
        let told = counters.sum("executor_operator_chains", |labels| {
            labels.get("condition") == "Ready"
        });
        if told >= figure::count(chains) {
            return Ok(());
        }
        ensure!(
            begin.elapsed() < TAKEN_OVER_WITHIN,
            "an operator has told of {told} chains of {chains} after {TAKEN_OVER_WITHIN:?}; its log \
             ends:\n{}",
            operator.log_tail()
        );
        sleep(Duration::from_millis(20)).await;
    }
}

async fn rest(
    options: &Options,
    place: &Testbed,
    operator: &Operator,
    proxy: &CallProxy,
) -> anyhow::Result<(IdleCost, Times)> {
    let begin = Instant::now();
    let before = Snapshot::take(place, operator, proxy).await?;
    sleep(Duration::from_secs(options.quiet)).await;
    let after = Snapshot::take(place, operator, proxy).await?;
    let quiet = IdleCost::between(&before, &after, Baseline::default());
    Ok((quiet, lists::since(proxy.lists(), begin)))
}

/// Calls for lists a minute, of each location.
fn each(times: &Times, locations: usize) -> anyhow::Result<Vec<f64>> {
    let each = LOCATIONS.iter().take(locations).map(|location| {
        let times = times.get(*location).map_or(&[][..], Vec::as_slice);
        a_minute(times).with_context(|| format!("{location} was not listed twice: rest longer"))
    });
    each.collect()
}

struct Listed {
    calls: f64,
    minutes: f64,
}

impl Listed {
    /// Without those that come by the minute.
    fn less(&self, a_minute: f64) -> f64 {
        (self.calls - a_minute * self.minutes).max(0.0)
    }
}

async fn edit(
    options: &Options,
    editor: &Editor,
    proxy: &CallProxy,
    numbers: &[usize],
    random: &mut fastrand::Rng,
) -> anyhow::Result<(Vec<EditLatency>, Listed)> {
    let begin = Instant::now();
    let mut rates = ChainRates::of(numbers.iter().copied());
    let mut edits = Vec::new();
    for _ in 0..options.edits {
        edits.extend(editor.make(vec![rates.draw(random)]).await?);
        sleep(Duration::from_millis(random.u64(100..=300))).await;
    }
    let listed = Listed {
        calls: figure::count(lists::pages(&lists::since(proxy.lists(), begin))),
        minutes: begin.elapsed().as_secs_f64() / 60.0,
    };
    Ok((edits, listed))
}
