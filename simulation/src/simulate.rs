//! The simulation: one event after another, until every task has ended or the time is up.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::design::{Change, Edit, Stage};
use crate::pods::{Pods, Reception};
use crate::queue::Queue;
use crate::world::{Answer, Entrant, Event, Exit, Outcome, Run, RunEnd, World};

/// What is left when the time is up, of one stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Those in its queue, and those in flight.
    pub tasks: usize,
    /// Since when the first task in its queue is due. `None` if none waits.
    pub first_due: Option<Duration>,
}

/// What comes at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scheduled {
    /// The task that comes next does.
    Arrives,
    Edited {
        edit: usize,
    },
    /// A queue may dispatch.
    Wakes {
        stage: usize,
    },
    /// A run ends, under the rules that it began with.
    Ran {
        stage: usize,
        task: usize,
        pod: usize,
        how: RunEnd,
        attempts: NonZeroU32,
    },
}

/// What the headers of a task's next push say.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    /// `X-CloudTasks-TaskRetryCount`: every dispatch.
    dispatches: u32,
    /// `X-CloudTasks-TaskExecutionCount`: every answer but 5xx.
    executions: u32,
    /// Whether `X-CloudTasks-TaskPreviousResponse` is 477.
    has_failed: bool,
}

/// A stage at work.
struct Working {
    stage: Stage,
    queue: Queue,
    pods: Pods,
    /// When its queue is looked at next, if that is known.
    wakes: Option<Duration>,
}

struct Simulation<'a, W> {
    world: &'a mut W,
    comes_next: Option<Entrant>,
    entered: usize,
    counts: Vec<Counts>,
    stages: Vec<Working>,
    edits: &'a [Edit],
    /// By time, then in the order in which they were scheduled.
    events: BinaryHeap<Reverse<(Duration, u64, Scheduled)>>,
    sequence: u64,
}

/// Runs a world through stages that are edited meanwhile, until this time; [`Duration::MAX`] is until all
/// has ended. Each task stands for `weight` of them: it takes so much of rates, concurrency and capacity.
pub fn run(
    world: &mut impl World,
    stages: &[Stage],
    edits: &[Edit],
    weight: u32,
    until: Duration,
) -> Vec<Left> {
    let count = stages.len();
    let stages = stages.iter().enumerate().map(|(place, stage)| {
        // Never back: a task that goes around would never end.
        let is_later = |to: usize| (place + 1..count).contains(&to);
        let isolates = stage.workers.isolate.is_some_and(|it| is_later(it.to));
        Working {
            stage: *stage,
            queue: Queue::of_weight(stage.limits, weight),
            pods: Pods::new(stage, isolates, weight),
            wakes: None,
        }
    });
    let mut simulation = Simulation {
        world,
        comes_next: None,
        entered: 0,
        counts: Vec::new(),
        stages: stages.collect(),
        edits,
        events: BinaryHeap::new(),
        sequence: 0,
    };
    for (edit, told) in edits.iter().enumerate() {
        simulation.schedule(told.at, Scheduled::Edited { edit });
    }
    simulation.foresee_entrant();
    while let Some(Reverse((now, _, event))) = simulation.events.pop() {
        if now >= until {
            break;
        }
        simulation.handle(now, event);
    }
    let left = simulation.stages.iter().map(|working| Left {
        tasks: working.queue.tasks(),
        first_due: working.queue.first_due(),
    });
    left.collect()
}

impl<W: World> Simulation<'_, W> {
    fn schedule(&mut self, at: Duration, event: Scheduled) {
        self.events.push(Reverse((at, self.sequence, event)));
        self.sequence += 1;
    }

    fn foresee_entrant(&mut self) {
        self.comes_next = self.world.next();
        if let Some(entrant) = self.comes_next {
            self.schedule(entrant.at, Scheduled::Arrives);
        }
    }

    fn handle(&mut self, now: Duration, event: Scheduled) {
        match event {
            Scheduled::Arrives => {
                let entrant = self.comes_next.take();
                self.foresee_entrant();
                if let Some(entrant) = entrant {
                    self.enters(now, entrant);
                }
            }
            Scheduled::Edited { edit } => self.edited(now, edit),
            Scheduled::Wakes { stage } => {
                let working = &mut self.stages[stage];
                if working.wakes == Some(now) {
                    working.wakes = None;
                    self.dispatch(now, stage);
                }
            }
            Scheduled::Ran {
                stage,
                task,
                pod,
                how,
                attempts,
            } => {
                let pods = &mut self.stages[stage].pods;
                let is_handlers_fault = pods.end(pod, task, how, now);
                if is_handlers_fault && how == RunEnd::Failed {
                    self.answer(now, stage, task, Answer::Held);
                } else {
                    if how != RunEnd::Succeeded {
                        self.world
                            .observe(now, Event::AttemptFailed { stage, task });
                    }
                    self.ran(now, stage, task, how, attempts);
                }
                self.dispatch(now, stage);
            }
        }
    }

    fn edited(&mut self, now: Duration, edit: usize) {
        let Edit { stage, changes, .. } = &self.edits[edit];
        let working = &mut self.stages[*stage];
        let mut is_queue_changed = false;
        for change in changes {
            working.stage.change(*change);
            match change {
                Change::Limits(limits) => working.queue.limit(*limits, now),
                Change::Paused(is_paused) => working.queue.pause(*is_paused),
                Change::Capacity(_)
                | Change::Attempts(_)
                | Change::Timeout(_)
                | Change::Reroute(_) => continue,
            }
            is_queue_changed = true;
        }
        if is_queue_changed {
            self.dispatch(now, *stage);
        }
    }

    fn enters(&mut self, now: Duration, entrant: Entrant) {
        let (task, stage) = (self.entered, entrant.stage);
        self.entered += 1;
        self.counts.push(Counts {
            dispatches: entrant.attempts + entrant.refused,
            executions: entrant.attempts,
            has_failed: entrant.attempts > 0 && entrant.refused == 0,
        });
        let working = &mut self.stages[stage];
        if let Some(run) = entrant.running {
            working.queue.begin_under_way();
            self.counts[task].dispatches += 1;
            let pod = working.pods.begin_under_way();
            self.begin_run(now, stage, task, pod, run);
        } else {
            working.queue.add(task, entrant.due);
            self.dispatch(now, stage);
        }
    }

    /// A task is created in a stage's queue.
    fn comes(&mut self, now: Duration, stage: usize, task: usize) {
        self.counts[task] = Counts::default();
        self.stages[stage].queue.add(task, now);
        self.dispatch(now, stage);
    }

    /// Lets a queue dispatch what it may now, and foresees when it may again.
    fn dispatch(&mut self, now: Duration, stage: usize) {
        while let Some((task, due)) = self.stages[stage].queue.dispatch(now) {
            let late = now.saturating_sub(due);
            let dispatched = Event::Dispatched { stage, task, late };
            self.world.observe(now, dispatched);
            self.counts[task].dispatches += 1;
            self.pushed(now, stage, task);
        }
        let working = &mut self.stages[stage];
        let Some(next) = working.queue.next() else {
            return;
        };
        if working.wakes.is_none_or(|wakes| next < wakes) {
            working.wakes = Some(next);
            self.schedule(next, Scheduled::Wakes { stage });
        }
    }

    /// A push reaches a worker.
    fn pushed(&mut self, now: Duration, stage: usize, task: usize) {
        let working = &mut self.stages[stage];
        let counts = self.counts[task];
        let Stage {
            attempts,
            timeout,
            capacity,
            reroutes_to,
            workers,
            ..
        } = working.stage;
        // Never back: a task that goes around would never end.
        let onwards = reroutes_to.filter(|to| *to > stage && self.world.is_rerouted(task));
        // Only after an edit: more attempts have been made than there are now.
        if counts.has_failed && counts.executions >= attempts.get() {
            self.answer(now, stage, task, Answer::Done);
            self.is_used_up(now, stage, task);
        } else if let Some(to) = onwards {
            self.answer(now, stage, task, Answer::Done);
            self.comes(now, to, task);
        } else {
            let category = self.world.category(task);
            match working.pods.receive(task, category, capacity, now) {
                Reception::Run(pod) => {
                    let run = self.world.run(now, stage, task, timeout);
                    self.begin_run(now, stage, task, pod, run);
                }
                Reception::NoCapacity => self.answer(now, stage, task, Answer::NoCapacity),
                Reception::Held => self.answer(now, stage, task, Answer::Held),
                Reception::Isolated(cause) => {
                    let isolated = Event::Isolated { stage, task, cause };
                    self.world.observe(now, isolated);
                    self.answer(now, stage, task, Answer::Done);
                    let to = workers.isolate.map_or(stage + 1, |it| it.to);
                    self.comes(now, to, task);
                }
            }
        }
    }

    fn begin_run(&mut self, now: Duration, stage: usize, task: usize, pod: usize, run: Run) {
        let ran = Scheduled::Ran {
            stage,
            task,
            pod,
            how: run.how,
            attempts: self.stages[stage].stage.attempts,
        };
        self.schedule(now + run.takes, ran);
    }

    /// A run has ended.
    fn ran(&mut self, now: Duration, stage: usize, task: usize, how: RunEnd, attempts: NonZeroU32) {
        match how {
            RunEnd::Succeeded => {
                self.answer(now, stage, task, Answer::Done);
                self.ends(now, task, Outcome::Succeeded);
            }
            RunEnd::Failed if self.counts[task].executions + 1 < attempts.get() => {
                self.answer(now, stage, task, Answer::Failed);
            }
            RunEnd::Failed => {
                self.answer(now, stage, task, Answer::Done);
                self.is_used_up(now, stage, task);
            }
            RunEnd::Left(exit) => {
                self.answer(now, stage, task, Answer::Done);
                match exit {
                    Exit::Stage(to) => self.comes(now, to, task),
                    Exit::Failed => self.ends(now, task, Outcome::Failed),
                }
            }
        }
    }

    /// A task has no attempt left on a stage.
    fn is_used_up(&mut self, now: Duration, stage: usize, task: usize) {
        if stage + 1 < self.stages.len() {
            self.comes(now, stage + 1, task);
        } else {
            self.ends(now, task, Outcome::Failed);
        }
    }

    fn answer(&mut self, now: Duration, stage: usize, task: usize, answer: Answer) {
        let answered = Event::Answered {
            stage,
            task,
            answer,
        };
        self.world.observe(now, answered);
        let working = &mut self.stages[stage];
        working.queue.answered();
        let counts = &mut self.counts[task];
        match answer {
            Answer::Done => return,
            Answer::Failed => {
                counts.executions += 1;
                counts.has_failed = true;
            }
            Answer::NoCapacity | Answer::Held => counts.has_failed = false,
        }
        let wait = working.stage.limits.backoff.after(counts.dispatches);
        working.queue.add(task, now + wait);
    }

    fn ends(&mut self, now: Duration, task: usize, how: Outcome) {
        self.world.observe(now, Event::Ended { task, how });
    }
}
