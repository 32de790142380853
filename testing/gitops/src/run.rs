//! A run: edits that are reverted, then overrides that aren't.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde_json::json;
use testkit::ApiServer;

use crate::appliers::{Applier, Tool};
use crate::manifest::{ANNOTATION, RATE};
use crate::testbed::Testbed;
use crate::times::Times;
use crate::watch::Setting;

/// An applier that hasn't reverted an edit by then never will.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);
/// The rate of a person who edits the chain.
const EDITED: f64 = 7.0;
const NOTE: &str = "example.com/note";

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Overrides of each chain that are ended by hand.
    pub undone: usize,
    /// Overrides of each chain that end by themselves, a minute later.
    pub expiring: usize,
    /// For how long an override stays.
    pub hold: Duration,
    /// For how long there is none afterwards.
    pub rest: Duration,
}

/// What was measured.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// From the creation of an override until its queue has it.
    pub begun: Times,
    /// From the undo until the queue has what Git says.
    pub ended: Times,
    /// From the end of its time until then.
    pub expired: Times,
    /// From an edit of a chain by kubectl until it was reverted.
    pub reverted: Times,
    /// How often queues were looked at while an override was in force, or none.
    pub looks: usize,
    /// How often each tool applied its chain.
    pub applies: Vec<(Tool, usize)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "in force after creation     {}", self.begun)?;
        writeln!(f, "gone after undo             {}", self.ended)?;
        writeln!(f, "gone after the end of time  {}", self.expired)?;
        writeln!(f, "edits by kubectl, reverted  {}", self.reverted)?;
        for (tool, applies) in &self.applies {
            writeln!(f, "{tool:?} applied {applies} times")?;
        }
        write!(f, "{} looks at queues, no override reverted", self.looks)
    }
}

impl Report {
    fn add(&mut self, other: Self) {
        self.begun.extend(other.begun);
        self.ended.extend(other.ended);
        self.expired.extend(other.expired);
        self.reverted.extend(other.reverted);
        self.looks += other.looks;
    }
}

/// Makes it. An override that is reverted is an error, and so is an edit that isn't.
pub async fn run(server: &'static ApiServer, run: Run) -> anyhow::Result<Report> {
    let testbed = Testbed::new(server).await;
    let made = attempt(&testbed, run).await;
    made.with_context(|| testbed.log_tail())
}

async fn attempt(testbed: &Testbed, run: Run) -> anyhow::Result<Report> {
    let mut appliers = Tool::ALL.map(|tool| {
        let applier = Applier::start(
            testbed.server,
            testbed.client.clone(),
            &testbed.namespace,
            tool,
        );
        (tool, applier)
    });
    for (tool, applier) in &mut appliers {
        is_served(testbed, *tool, applier).await?;
    }
    let mut report = Report::default();
    for tool in Tool::ALL {
        report.add(edits(testbed, tool).await?);
    }
    let tools = Tool::ALL.into_iter();
    let reports = tools.map(|tool| async move {
        let both = tokio::join!(undone(testbed, tool, run), expiring(testbed, tool, run));
        Ok::<_, anyhow::Error>([both.0?, both.1?])
    });
    for part in try_join_all(reports).await?.into_iter().flatten() {
        report.add(part);
    }
    for (tool, applier) in &mut appliers {
        report.applies.push((*tool, applier.applies().await?));
    }
    Ok(report)
}

async fn is_served(testbed: &Testbed, tool: Tool, applier: &mut Applier) -> anyhow::Result<()> {
    let begin = Instant::now();
    loop {
        let has_applied = applier.applies().await? > 0;
        if has_applied && is_ready(testbed, tool).await? {
            return Ok(());
        }
        ensure!(
            begin.elapsed() < PATIENCE,
            "{tool:?}'s chain is never ready"
        );
        tokio::time::sleep(PAUSE).await;
    }
}

async fn is_ready(testbed: &Testbed, tool: Tool) -> anyhow::Result<bool> {
    let status = testbed.chain(tool).await?.status.unwrap_or_default();
    let mut conditions = status.conditions.iter();
    Ok(conditions.any(|it| it.type_ == "Ready" && it.status == "True"))
}

/// Edits of the chain, as people make them: the tool takes them back.
async fn edits(testbed: &Testbed, tool: Tool) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let path = "/spec/stages/0/rateLimits/maxDispatchesPerSecond";
    let edit = json!([{"op": "replace", "path": path, "value": EDITED}]).to_string();
    // What `kubectl edit` sends.
    let edit = ["--field-manager=kubectl-edit", "--type=json", "-p", &edit];
    let begin = Instant::now();
    testbed.kubectl("patch", tool, &edit).await?;
    // The look that finds no override reverted finds this.
    let watch = testbed.watch(tool, "fast")?;
    let setting = Setting::Rate(EDITED);
    let seen = async {
        watch.becomes(setting).await?;
        watch.keeps(setting, PATIENCE).await
    };
    ensure!(seen.await.is_err(), "{tool:?} leaves an edit of a rate");
    let has_rate = async || {
        let limits = testbed.chain(tool).await?.spec.stages[0].rate_limits;
        let rate = limits.and_then(|limits| limits.max_dispatches_per_second);
        Ok(rate == Some(RATE))
    };
    reverted(tool, "kubectl edit", has_rate).await?;
    report.reverted.push(begin.elapsed());
    let (name, value) = ANNOTATION;
    let annotate = [&format!("{name}=incident"), "--overwrite"];
    let begin = Instant::now();
    testbed.kubectl("annotate", tool, &annotate).await?;
    let is_back = async || Ok(testbed.annotation(tool, name).await?.as_deref() == Some(value));
    reverted(tool, "kubectl annotate", is_back).await?;
    report.reverted.push(begin.elapsed());
    // A three-way merge leaves an annotation that Git never had.
    if tool == Tool::Flux {
        let begin = Instant::now();
        testbed
            .kubectl("annotate", tool, &[&format!("{NOTE}=hands-off")])
            .await?;
        let is_gone = async || Ok(testbed.annotation(tool, NOTE).await?.is_none());
        reverted(tool, "a new annotation", is_gone).await?;
        report.reverted.push(begin.elapsed());
    }
    watch.becomes(Setting::Git).await?;
    Ok(report)
}

async fn reverted(
    tool: Tool,
    what: &str,
    is_back: impl AsyncFn() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let begin = Instant::now();
    while !is_back().await? {
        if begin.elapsed() > PATIENCE {
            bail!("{tool:?} doesn't revert: {what}");
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Overrides that people end.
async fn undone(testbed: &Testbed, tool: Tool, run: Run) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let watch = testbed.watch(tool, "fast")?;
    for round in 0..run.undone {
        let setting = Setting::of_round(round);
        let name = format!("{}-undone-{round}", tool.chain());
        let mut spec = setting.fields();
        spec["chain"] = json!(tool.chain());
        spec["stages"] = json!(["fast"]);
        spec["for"] = json!("1h");
        spec["reason"] = json!("INC-42");
        let begin = Instant::now();
        testbed.create(&name, &spec).await?;
        watch.becomes(setting).await?;
        report.begun.push(begin.elapsed());
        report.looks += watch.keeps(setting, run.hold).await.context(name.clone())?;
        let end = Instant::now();
        testbed.undo(&name).await?;
        watch.becomes(Setting::Git).await?;
        report.ended.push(end.elapsed());
        report.looks += watch.keeps(Setting::Git, run.rest).await.context(name)?;
    }
    Ok(report)
}

/// Overrides that end by themselves.
async fn expiring(testbed: &Testbed, tool: Tool, run: Run) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let watch = testbed.watch(tool, "slow")?;
    for round in 0..run.expiring {
        let setting = Setting::of_round(round);
        let name = format!("{}-expiring-{round}", tool.chain());
        let mut spec = setting.fields();
        spec["chain"] = json!(tool.chain());
        spec["stages"] = json!(["slow"]);
        spec["for"] = json!("1m");
        spec["reason"] = json!("INC-43");
        let begin = Instant::now();
        let created = testbed.create(&name, &spec).await?;
        watch.becomes(setting).await?;
        report.begun.push(begin.elapsed());
        let created = created.metadata.creation_timestamp.context("created")?.0;
        let end = created + Duration::from_mins(1);
        let left = Duration::try_from(end.duration_since(Timestamp::now())).unwrap_or_default();
        // Up to the end, and not beyond it.
        let left = left.saturating_sub(Duration::from_millis(200));
        report.looks += watch.keeps(setting, left).await.context(name)?;
        watch.becomes(Setting::Git).await?;
        let late = Timestamp::now().duration_since(end);
        let late = Duration::try_from(late);
        report
            .expired
            .push(late.context("it ended before its time")?);
    }
    Ok(report)
}
