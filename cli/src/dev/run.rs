//! Runs `executor-chain dev`: follows the file, the queues and the signals.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use cloudtasks::QueuePath;
use console::{PlanReply, PlanRequest};
use crds::ChainOverride;
use effect::{Edited, edited};
use jiff::Timestamp;
use plan::model::queue_headers::is_parking;
use plan::{ParkingSeen, Problem};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::args::DevOptions;
use crate::dev::admin::{self, Latest};
use crate::dev::announcer::Announcer;
use crate::dev::chain::{Chain, LocalAddresses};
use crate::dev::collector::{self, Collector};
use crate::dev::handler::{self, StageNames};
use crate::dev::manifest::Manifest;
use crate::dev::outcomes::TaskOutcomes;
use crate::dev::producer::{Producer, Production};
use crate::dev::receiver::{self, NotifierSettings};
use crate::dev::redrives::Redrives;
use crate::dev::requests::{self, Refusal, Request, Requests};
use crate::dev::view::{Row, View};
use crate::emulator::Emulator;
use crate::error::Error;

/// How often the file is read and the table is drawn.
const TICK: Duration = Duration::from_millis(200);
/// How often a line is printed where there is no terminal.
const LINE: Duration = Duration::from_secs(1);
/// A page of `ListTasks`. A longer queue is shown as `1000+`.
const MAX_SHOWN: usize = 1000;

/// Runs a chain until it is interrupted, or with `--exit-when-idle` until it is idle.
pub async fn run(options: DevOptions) -> Result<ExitCode, Error> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (requests, mut asked) = requests::requests();
    let mut session = tokio::select! {
        session = Session::start(options, requests) => session?,
        _ = interrupt.recv() => return Ok(ExitCode::FAILURE),
        _ = terminate.recv() => return Ok(ExitCode::FAILURE),
    };
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ended = loop {
        tokio::select! {
            _ = interrupt.recv() => break Ok(session.interrupted()),
            _ = terminate.recv() => break Ok(session.interrupted()),
            error = session.emulator.ended() => break Err(error),
            Some(request) = asked.recv() => session.answer(request).await,
            _ = ticks.tick() => match session.tick().await {
                Ok(None) => {}
                Ok(Some(code)) => break Ok(code),
                Err(error) => break Err(error),
            },
        }
    };
    session.redrives.stop().await;
    session.chain.workers.stop().await;
    ended
}

struct Session {
    options: DevOptions,
    manifest: Manifest,
    emulator: Emulator,
    chain: Chain,
    outcomes: Arc<TaskOutcomes>,
    stages: StageNames,
    notifier: NotifierSettings,
    view: View,
    announcer: Announcer,
    shown: Instant,
    redrives: Redrives,
    collector: Collector,
    latest: Arc<Latest>,
    /// The edit that was refused last, so that it is reported once.
    refused: Option<Refused>,
    has_summary: bool,
    producer: Option<Producer>,
}

/// A text of the file that isn't in force.
struct Refused {
    text: String,
    problem: Problem,
}

impl Session {
    async fn start(options: DevOptions, requests: Requests) -> Result<Self, Error> {
        if let Some(url) = options
            .handler
            .as_ref()
            .filter(|url| !url.starts_with("http://") && !url.starts_with("https://"))
        {
            return Err(Error::Handler(url.clone()));
        }
        let manifest = Manifest::read(&options.file, None)?;
        let admin = admin::listen(options.admin).await?;
        let (emulator, queues) = Emulator::start(options.listen).await?;
        let outcomes = Arc::new(TaskOutcomes::default());
        let stages = StageNames::of(&manifest.chain);
        let notifier = NotifierSettings::new(&manifest.chain.spec.notifier);
        let addresses = addresses(&options, &notifier, &outcomes, &stages).await?;
        let (chain, done) = Chain::start(&manifest, queues, addresses).await?;
        let mut collector = Collector::new();
        let first = collector::Session {
            manifest: &manifest.chain,
            refused: None,
            ended: 0,
        };
        let first = collector.collect(&chain, first).await?;
        let mut view = View::new();
        say_hello(
            &mut view,
            options.listen,
            admin.local_addr()?,
            &chain,
            &done,
        );
        let of_chain = admin::Queues {
            cloud: chain.queues.clone(),
            parent: chain.desired.notifier.queue.parent.clone(),
        };
        let latest = admin::serve(admin, first, requests, of_chain);
        let mut session = Self {
            options,
            manifest,
            emulator,
            chain,
            outcomes,
            stages,
            notifier,
            view,
            announcer: Announcer::default(),
            shown: Instant::now(),
            redrives: Redrives::default(),
            collector,
            latest,
            refused: None,
            has_summary: false,
            producer: None,
        };
        session.say_handlers();
        session.produce()?;
        Ok(session)
    }

    fn say_handlers(&mut self) {
        let time = self.options.run_time;
        let mut built_in = self.options.failing.to_string();
        if !time.is_zero() {
            let _ = write!(built_in, "; a run takes {time:?} on average");
        }
        let lines = self.announcer.handlers(&self.chain.handlers(), &built_in);
        let time = self.announcer.ladder_time(self.chain.ladder_time);
        for line in lines.into_iter().chain(time) {
            self.view.say(&line);
        }
    }

    /// Creates the tasks in the background: many take time, and the table shows them.
    fn produce(&mut self) -> Result<(), Error> {
        let DevOptions {
            tasks,
            tasks_per_second,
            ..
        } = self.options;
        let production = match (tasks_per_second, tasks) {
            (Some(rate), tasks) => Production::Steady(rate, tasks),
            (None, Some(tasks)) => Production::AtOnce(tasks),
            (None, None) => return Ok(()),
        };
        let queues = self.chain.queues.clone();
        let (queue, outcomes) = (self.first_queue()?, Arc::clone(&self.outcomes));
        self.producer = Some(Producer::start(production, queues, queue, outcomes));
        Ok(())
    }

    fn first_queue(&self) -> Result<QueuePath, Error> {
        self.manifest.first_queue(&self.options.listen.to_string())
    }

    /// Whether all tasks are created. Prints it once.
    async fn has_sent(&mut self) -> Result<bool, Error> {
        let finished = self.producer.take_if(|producer| producer.is_finished());
        if let Some(finished) = finished {
            let said = finished.finish().await?;
            self.view.say(&said);
        }
        Ok(self.producer.is_none())
    }

    /// Reads the file and the queues. An exit code ends the session.
    async fn tick(&mut self) -> Result<Option<ExitCode>, Error> {
        if self.view.is_gone() {
            return Ok(Some(ExitCode::FAILURE));
        }
        self.follow_the_file().await;
        if self.chain.overrides_change() {
            self.override_again().await?;
        }
        self.carry_on_redrives().await;
        if self.collector.is_due() {
            self.collect().await?;
        }
        if self.view.is_live() || self.shown.elapsed() >= LINE {
            self.show().await?;
        }
        let started = self.options.tasks.is_some() || self.outcomes.count_ended() > 0;
        let is_busy = self.redrives.are_open();
        if is_busy
            || !self.has_sent().await?
            || self.has_summary
            || !started
            || !self.is_idle().await?
        {
            return Ok(None);
        }
        self.show().await?;
        if self.options.tasks.is_some() || self.options.exit_when_idle {
            let summary = self.outcomes.summary(handed_over(&self.rows().await?));
            self.view.say(&summary.to_string());
            self.has_summary = true;
            if self.options.exit_when_idle {
                return Ok(Some(ExitCode::from(u8::from(!summary.is_clean()))));
            }
        }
        Ok(None)
    }

    /// Answers a request to the API.
    async fn answer(&mut self, request: Request) {
        // Who has asked may be gone.
        match request {
            Request::List(answer) => {
                let _ = answer.send(self.chain.overrides.all().to_vec());
            }
            Request::Create(it, answer) => {
                let name = &self.chain.desired.name;
                let created = self.chain.overrides.create(*it, name);
                let _ = answer.send(self.overridden(created).await);
            }
            Request::End(name, by, answer) => {
                let ended = self.chain.overrides.end(&name, by);
                let _ = answer.send(self.overridden(ended).await);
            }
            Request::Redrive(asked) => {
                let name = self.chain.desired.name.clone();
                self.redrives.answer(asked, &name);
                self.carry_on_redrives().await;
            }
            Request::Plan(request, answer) => {
                let _ = answer.send(self.preview(request).await);
            }
        }
    }

    /// Carries on redrives. What is wrong with one is no end of the session.
    async fn carry_on_redrives(&mut self) {
        if !self.redrives.are_open() {
            return;
        }
        let mut chain = self.manifest.chain.clone();
        chain.status = Some(self.collector.status().clone());
        let desired = &self.chain.desired;
        let parking = match desired.parking_queue() {
            None => ParkingSeen::Missing,
            Some(queue) => match self.chain.queues.list_queues(&queue.parent).await {
                Ok(queues) => {
                    let found = queues.iter().find(|it| it.path == *queue);
                    ParkingSeen::of(found, &desired.queue_owner)
                }
                Err(error) => ParkingSeen::Unknown(error.to_string()),
            },
        };
        let carried = self.redrives.carry_on(desired, &chain, &parking);
        if let Err(error) = carried.await {
            self.view.say(&format!("a redrive is blocked: {error}"));
        }
    }

    /// Carries out what has changed of the overrides.
    async fn overridden(
        &mut self,
        changed: Result<ChainOverride, Refusal>,
    ) -> Result<ChainOverride, Refusal> {
        let changed = changed?;
        let done = self.override_again().await;
        done.map_err(|error| Refusal::Failed(error.to_string()))?;
        Ok(changed)
    }

    /// Makes the chain what its manifest and its overrides say now.
    async fn override_again(&mut self) -> Result<(), Error> {
        let manifest = self.manifest.clone();
        let done = self.chain.edit(&manifest).await?;
        if !done.is_empty() {
            self.view
                .say(&format!("override applied:\n  {}", done.join("\n  ")));
        }
        self.collect().await
    }

    /// What an edit would do.
    async fn preview(&mut self, request: PlanRequest) -> Result<PlanReply, Refusal> {
        let name = &self.chain.desired.name;
        if request.chain != *name {
            return Err(Refusal::Absent(format!(
                "there is no chain {}: this dev runs {name}",
                request.chain
            )));
        }
        let before = self.chain.overrides.all();
        let edited = edited(
            request.edit,
            Some(&self.manifest.chain),
            before,
            Timestamp::now(),
        );
        let Edited {
            spec,
            overrides,
            planned,
        } = edited.map_err(Refusal::Absent)?;
        let mut manifest = self.manifest.clone();
        manifest.chain.spec = spec;
        let notes = planned.map(|it| effect::notes(&self.chain.desired, &it));
        let live = self.latest.chain();
        match self
            .chain
            .preview(&self.manifest, &manifest, overrides, live)
            .await
        {
            Ok(reply) => Ok(PlanReply {
                notes: notes.unwrap_or_default(),
                ..reply
            }),
            Err(Error::Problem(problem)) => Ok(PlanReply {
                refused: Some(problem.to_string()),
                ..PlanReply::default()
            }),
            Err(error) => Err(Refusal::Failed(error.to_string())),
        }
    }

    async fn collect(&mut self) -> Result<(), Error> {
        let session = collector::Session {
            manifest: &self.manifest.chain,
            refused: self.refused.as_ref().map(|refused| &refused.problem),
            ended: self.outcomes.count_ended(),
        };
        let snapshot = self.collector.collect(&self.chain, session).await?;
        self.latest.set(snapshot);
        let mut chain = self.manifest.chain.clone();
        chain.status = Some(self.collector.status().clone());
        self.chain.overrides.report(&chain, Timestamp::now());
        Ok(())
    }

    async fn show(&mut self) -> Result<(), Error> {
        let rows = self.rows().await?;
        for line in self.announcer.unreachable(&rows, &self.chain.handlers()) {
            self.view.say(&line);
        }
        self.view.show(&rows);
        self.shown = Instant::now();
        Ok(())
    }

    /// Applies an edit. If it is refused, the error is printed once, and the last good version stays.
    async fn follow_the_file(&mut self) {
        let Ok(text) = std::fs::read_to_string(&self.manifest.file) else {
            return;
        };
        // Some editors empty the file before they write.
        if text.trim().is_empty() {
            return;
        }
        if text == self.manifest.text {
            self.refused = None;
            return;
        }
        let refused = self.refused.as_ref();
        if refused.is_some_and(|refused| refused.text == text) {
            return;
        }
        self.collector.collect_now();
        match self.edit().await {
            Ok(done) if done.is_empty() => self.view.say("edit: no change"),
            Ok(done) => {
                self.view
                    .say(&format!("edit applied:\n  {}", done.join("\n  ")));
                self.say_handlers();
            }
            Err(error) => {
                self.view
                    .say(&format!("{error}\nthe previous version stays in effect"));
                let problem = Problem::invalid(error.to_string());
                self.refused = Some(Refused { text, problem });
            }
        }
    }

    async fn edit(&mut self) -> Result<Vec<String>, Error> {
        let manifest = Manifest::read(&self.manifest.file, Some(&self.manifest))?;
        let mut done = self.chain.edit(&manifest).await?;
        let notifier = &manifest.chain.spec.notifier;
        if self.notifier.follow(notifier) {
            let outcomes = &notifier.outcomes;
            done.push(format!("notify {} of {outcomes:?}", notifier.url));
        }
        self.stages.follow(&manifest.chain);
        self.manifest = manifest;
        self.refused = None;
        if let Some(producer) = &self.producer {
            producer.follow(self.first_queue()?);
        }
        Ok(done)
    }

    async fn rows(&self) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        let mut snapshots = self.chain.workers.snapshots();
        for stage in &self.chain.desired.stages {
            let tasks = self.chain.tasks(&stage.queue, MAX_SHOWN).await?;
            let done = snapshots.remove(&stage.queue.to_string());
            rows.push(Row {
                stage: stage.name.clone(),
                queued: tasks.len(),
                and_more: tasks.len() >= MAX_SHOWN,
                done: done.unwrap_or_default(),
            });
        }
        Ok(rows)
    }

    /// Whether all queues are empty, those of removed stages included, but for parked tasks. A task is on the next queue before
    /// it leaves its own, so one pass can miss it on its way to a queue that was read already. As many
    /// passes as there are queues can't.
    async fn is_idle(&self) -> Result<bool, Error> {
        let queues = &self.chain.queues;
        let parent = &self.chain.desired.notifier.queue.parent;
        let all = queues.list_queues(parent).await?;
        for _ in 0..all.len() {
            for queue in all.iter().filter(|queue| !is_parking(queue)) {
                if !self.chain.tasks(&queue.path, 1).await?.is_empty() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// With `--tasks`, an interrupt before all tasks have ended is a failure.
    fn interrupted(&mut self) -> ExitCode {
        let waits = self.options.tasks.is_some() && !self.has_summary;
        if waits {
            self.view.say("interrupted before all tasks had ended");
        }
        ExitCode::from(u8::from(waits))
    }
}

fn handed_over(rows: &[Row]) -> Vec<(String, u64)> {
    let last = rows.len().saturating_sub(1);
    rows.iter()
        .take(last)
        .map(|row| (row.stage.clone(), row.done.handed_on))
        .collect()
}

async fn addresses(
    options: &DevOptions,
    notifier: &NotifierSettings,
    outcomes: &Arc<TaskOutcomes>,
    stages: &StageNames,
) -> Result<LocalAddresses, Error> {
    let receiver = receiver::routes(outcomes.clone(), notifier.clone());
    Ok(LocalAddresses {
        emulator: options.listen.to_string(),
        receiver: serve(receiver).await?,
        handler: serve(handler::routes(
            options.failing,
            options.run_time,
            stages.clone(),
        ))
        .await?,
        chosen_handler: options.handler.clone(),
    })
}

/// Serves on a free port of this machine until the process ends.
async fn serve(routes: Router) -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(address)
}

fn say_hello(
    view: &mut View,
    listen: SocketAddr,
    admin: SocketAddr,
    chain: &Chain,
    done: &[String],
) {
    let desired = &chain.desired;
    view.say(&format!(
        "chain {}/{} runs; Cloud Tasks (gRPC and REST) is at {listen}",
        desired.namespace, desired.name
    ));
    view.say(&format!("page: http://{admin}/"));
    view.say(&format!("  {}", done.join("\n  ")));
}
