//! An edit under way: what is done, and what is waited for.

use std::time::{Duration, Instant};

use cloudtasks::QueueSettings;
use kube::api::DeleteParams;
use tokio::task::JoinHandle;

use crate::manifest::{Manifest, queue};
use crate::options::Options;
use crate::plans::planned;
use crate::row::Action;
use crate::testbed::Testbed;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// For one direction of a row.
const PATIENCE: Duration = Duration::from_mins(1);
/// After so many looks at the queues, the operator has seen what there was before them, and has done what it
/// does after a time: it pauses a queue without workers.
const SEEN: f64 = 5.0;
/// Empty queues are believed after so many looks in which nothing moved: a task that is handed over is
/// in one of two queues, and they are looked at one after another.
const LOOKS: u32 = 3;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The chain is ready, and the operator has nothing to do.
    Settled,
    /// Besides, each task has ended.
    Ended,
    /// The operator says that the chain can't be parsed.
    Garbled,
    /// The operator has done so many steps, or settled before.
    Steps(usize),
    /// The chain is gone.
    Gone,
    /// Besides, no queue has a task.
    Over,
}

/// An edit under way.
pub struct Edit<'a> {
    testbed: &'a mut Testbed,
    options: Options,
    begin: Instant,
    trickle: Option<JoinHandle<Result<(), cloudtasks::Error>>>,
    /// Steps after which the next worker dies.
    next_victim: usize,
    empty_looks: u32,
    last_movement: usize,
}

impl<'a> Edit<'a> {
    /// One that begins now.
    pub fn new(testbed: &'a mut Testbed, options: Options) -> Self {
        Self {
            testbed,
            options,
            begin: Instant::now(),
            trickle: None,
            next_victim: 1,
            empty_looks: 0,
            last_movement: 0,
        }
    }

    /// Waits until so much has moved.
    pub async fn is_under_way(&mut self, movement: usize) -> anyhow::Result<()> {
        while self.testbed.tracker.movement() < movement {
            anyhow::ensure!(self.begin.elapsed() < PATIENCE, "no task was ever run");
            self.pause().await?;
        }
        Ok(())
    }

    /// Where it happens.
    pub fn testbed(&self) -> &Testbed {
        self.testbed
    }

    /// So many tasks are sent meanwhile.
    pub fn trickle(&mut self, tasks: usize) {
        self.trickle = Some(self.testbed.producer.trickle(tasks));
    }

    /// How long ago it began.
    pub fn took(&self) -> Duration {
        self.begin.elapsed()
    }

    /// Whether no queue has a task any more.
    pub fn is_over(&self) -> bool {
        self.empty_looks >= LOOKS
    }

    /// Does it, and says what is to be waited for.
    pub async fn act(&mut self, action: &Action) -> anyhow::Result<Goal> {
        match action {
            Action::Apply(manifest) => self.apply(manifest).await.map(|()| Goal::Settled),
            Action::Begin(manifest, steps) => {
                let goal = Goal::Steps(self.testbed.operator.steps().len() + steps);
                self.apply(manifest).await.map(|()| goal)
            }
            Action::Delete => {
                let deleted = self.testbed.delete(DeleteParams::default()).await;
                deleted.map(|()| Goal::Gone)
            }
            Action::DeleteInForeground => {
                let deleted = self.testbed.delete(DeleteParams::foreground()).await;
                deleted.map(|()| Goal::Gone)
            }
            Action::Legacy(id) => {
                let settings = QueueSettings {
                    max_attempts: Some(5),
                    max_retry_duration: Some(Some(Duration::from_secs(30))),
                    ..QueueSettings::default()
                };
                let queue = queue(id);
                self.testbed.cloud.create_queue(&queue, &settings).await?;
                self.testbed.cloud.pause_queue(&queue).await?;
                let tasks = self.options.tasks / 10;
                self.testbed.producer.burst_to(&queue, tasks).await?;
                Ok(Goal::Steps(0))
            }
            Action::Override(name, fields) => {
                self.testbed.create(name, fields).await?;
                Ok(Goal::Settled)
            }
            Action::Undo(name) => {
                self.testbed.undo(name).await?;
                let is_gone = self.testbed.is_gone().await?;
                Ok(if is_gone { Goal::Gone } else { Goal::Settled })
            }
            Action::ByHand(id, settings) => {
                let queue = queue(id);
                self.testbed.cloud.update_queue(&queue, settings).await?;
                Ok(Goal::Settled)
            }
            Action::Garble => self.testbed.garble().await.map(|()| Goal::Garbled),
            Action::DeleteWorkers => {
                let deleted = self.testbed.delete_workers().await;
                deleted.map(|()| Goal::Steps(0))
            }
        }
    }

    /// The steps that the operator plans for an action, if they are to be compared.
    pub async fn plan(&mut self, action: &Action) -> anyhow::Result<Option<Vec<String>>> {
        if !self.options.compares_plans {
            return Ok(None);
        }
        // It plans with what it has seen, and that must be what there is now. Without a chain it looks at no
        // queue until it is asked.
        let mut first = None;
        while !self.testbed.is_gone().await? {
            anyhow::ensure!(self.begin.elapsed() < PATIENCE, "the operator never looked");
            match (first, self.testbed.operator.looks().await) {
                (Some(first), Some(looks)) if looks >= first + SEEN => break,
                (None, looks) => first = looks,
                (Some(_), _) => {}
            }
            self.pause().await?;
        }
        // What it has done up to now isn't this action's.
        self.testbed.operator.tend().await?;
        planned(self.testbed, action).await
    }

    async fn apply(&mut self, manifest: &Manifest) -> anyhow::Result<()> {
        self.testbed.apply(manifest).await
    }

    /// Waits for it; what is missing when patience ends.
    pub async fn wait(&mut self, goal: Goal) -> anyhow::Result<Option<String>> {
        loop {
            let missing = self.missing(goal).await?;
            if missing.is_none() || self.begin.elapsed() > PATIENCE {
                return Ok(missing);
            }
            self.pause().await?;
        }
    }

    async fn pause(&mut self) -> anyhow::Result<()> {
        self.testbed.operator.tend().await?;
        let steps = self.testbed.operator.steps().len();
        if self.options.kills_workers && steps >= self.next_victim {
            self.next_victim = steps + 2;
            let draw = usize::try_from(self.options.seed)
                .unwrap_or(0)
                .wrapping_add(steps * 7);
            self.testbed.node.kill_a_worker(draw).await;
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    async fn missing(&mut self, goal: Goal) -> anyhow::Result<Option<String>> {
        let steps = self.testbed.operator.steps().len();
        match goal {
            Goal::Gone | Goal::Over if !self.testbed.is_gone().await? => {
                Ok(Some("the chain is still there".to_owned()))
            }
            Goal::Gone => Ok(None),
            Goal::Garbled => self.testbed.not_garbled().await,
            Goal::Over => {
                // Nothing would take what is still to be sent.
                if let Some(trickle) = self.trickle.take() {
                    trickle.abort();
                }
                self.not_ended().await
            }
            Goal::Steps(wanted) if steps >= wanted => Ok(None),
            Goal::Steps(_) | Goal::Settled => self.unsettled().await,
            Goal::Ended => match self.not_ended().await? {
                None => self.unsettled().await,
                missing => Ok(missing),
            },
        }
    }

    async fn unsettled(&mut self) -> anyhow::Result<Option<String>> {
        if let Some(said) = self.testbed.not_ready().await? {
            return Ok(Some(said));
        }
        // What it has done since the last look may be all that it had to do.
        self.testbed.operator.tend().await?;
        let is_idle = self.testbed.operator.is_idle().await?;
        let last = self.testbed.operator.steps().pop().unwrap_or_default();
        Ok((!is_idle).then(|| format!("the operator goes on; its last step: {last}")))
    }

    async fn not_ended(&mut self) -> anyhow::Result<Option<String>> {
        if let Some(trickle) = self.trickle.take_if(|trickle| trickle.is_finished()) {
            trickle.await??;
        }
        if self.trickle.is_some() {
            return Ok(Some("tasks are still sent".to_owned()));
        }
        if self.is_over() {
            return Ok(None);
        }
        let waiting = self.testbed.waiting().await?;
        let movement = self.testbed.tracker.movement();
        let is_still = waiting.is_empty() && movement == self.last_movement;
        self.last_movement = movement;
        self.empty_looks = if is_still { self.empty_looks + 1 } else { 0 };
        Ok(Some(format!("tasks wait: {waiting:?}")))
    }
}
