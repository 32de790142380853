//! The simulation: one event after another, until every task has ended.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::design::{Design, Edit, Entry, Stage};
use crate::queue::Queue;
use crate::results::{Completion, Outcome, Results};
use crate::scenario::{Scenario, Task};

/// What an observer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A stage's queue dispatches a task.
    Dispatched {
        /// The stage's place.
        stage: usize,
        /// The task's number.
        task: usize,
    },
    /// The dispatch is answered.
    Answered {
        /// The stage's place.
        stage: usize,
        /// The task's number.
        task: usize,
        /// With what.
        answer: Answer,
    },
    /// A task has ended.
    Ended {
        /// The task's number.
        task: usize,
    },
}

/// What a worker answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 200: it has ended, or exists on the next stage. The queue deletes it.
    Done,
    /// 477: an attempt that failed. No 5xx, so `TaskExecutionCount` counts it.
    Failed,
    /// 503: no capacity to run it. A 5xx, so `TaskExecutionCount` doesn't count it.
    NoCapacity,
}

/// What comes at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scheduled {
    Arrives {
        task: usize,
    },
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
        succeeds: bool,
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
    running: u32,
    /// When its queue is looked at next, if that is known.
    wakes: Option<Duration>,
}

struct Simulation<'a, W> {
    scenario: &'a Scenario,
    tasks: &'a [Task],
    ends: Vec<Option<Completion>>,
    counts: Vec<Counts>,
    stages: Vec<Working>,
    entry: Entry,
    edits: &'a [Edit],
    /// By time, then in the order in which they were scheduled.
    events: BinaryHeap<Reverse<(Duration, u64, Scheduled)>>,
    sequence: u64,
    observe: W,
}

/// The results of the tasks through a design.
pub fn simulate(scenario: &Scenario, tasks: &[Task], design: &Design, edits: &[Edit]) -> Results {
    simulate_observed(scenario, tasks, design, edits, |_, _| ())
}

/// As [`simulate`], telling each dispatch, answer and end.
pub fn simulate_observed(
    scenario: &Scenario,
    tasks: &[Task],
    design: &Design,
    edits: &[Edit],
    observe: impl FnMut(Duration, Event),
) -> Results {
    let stages = design.stages.iter().map(|stage| Working {
        stage: *stage,
        queue: Queue::new(stage.limits),
        running: 0,
        wakes: None,
    });
    let mut simulation = Simulation {
        scenario,
        tasks,
        ends: vec![None; tasks.len()],
        counts: vec![Counts::default(); tasks.len()],
        stages: stages.collect(),
        entry: design.entry,
        edits,
        events: BinaryHeap::new(),
        sequence: 0,
        observe,
    };
    for (edit, told) in edits.iter().enumerate() {
        simulation.schedule(told.at, Scheduled::Edited { edit });
    }
    if let Some(first) = tasks.first() {
        simulation.schedule(first.arrives, Scheduled::Arrives { task: 0 });
    }
    while let Some(Reverse((now, _, event))) = simulation.events.pop() {
        simulation.handle(now, event);
    }
    let tasks = tasks.iter().copied();
    Results {
        tasks: tasks.zip(simulation.ends).collect(),
    }
}

impl<W: FnMut(Duration, Event)> Simulation<'_, W> {
    fn schedule(&mut self, at: Duration, event: Scheduled) {
        self.events.push(Reverse((at, self.sequence, event)));
        self.sequence += 1;
    }

    fn handle(&mut self, now: Duration, event: Scheduled) {
        match event {
            Scheduled::Arrives { task } => {
                if let Some(next) = self.tasks.get(task + 1) {
                    self.schedule(next.arrives, Scheduled::Arrives { task: task + 1 });
                }
                let stage = self.first_stage(&self.tasks[task]);
                self.comes(now, stage, task);
            }
            Scheduled::Edited { edit } => {
                let Edit { stage, changes, .. } = &self.edits[edit];
                for change in changes {
                    self.stages[*stage].stage.change(*change);
                }
            }
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
                succeeds,
                attempts,
            } => {
                self.stages[stage].running -= 1;
                self.ran(now, stage, task, succeeds, attempts);
                self.dispatch(now, stage);
            }
        }
    }

    fn first_stage(&self, task: &Task) -> usize {
        match self.entry {
            Entry::Oracle if task.is_affected && self.scenario.incident.has(task.arrives) => {
                self.stages.len() - 1
            }
            Entry::First | Entry::Oracle => 0,
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
        while let Some(task) = self.stages[stage].queue.dispatch(now) {
            (self.observe)(now, Event::Dispatched { stage, task });
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
            ..
        } = working.stage;
        // Never back: a task that goes around would never end.
        let onwards = reroutes_to.filter(|to| *to > stage && self.tasks[task].is_affected);
        // Only after an edit: more attempts have been made than there are now.
        if counts.has_failed && counts.executions >= attempts.get() {
            self.answer(now, stage, task, Answer::Done);
            self.is_used_up(now, stage, task);
        } else if let Some(to) = onwards {
            self.answer(now, stage, task, Answer::Done);
            self.comes(now, to, task);
        } else if working.running >= capacity {
            self.answer(now, stage, task, Answer::NoCapacity);
        } else {
            working.running += 1;
            let run = self.scenario.run(&self.tasks[task], now, timeout);
            let ran = Scheduled::Ran {
                stage,
                task,
                succeeds: run.succeeds,
                attempts,
            };
            self.schedule(now + run.takes, ran);
        }
    }

    /// A run has ended.
    fn ran(
        &mut self,
        now: Duration,
        stage: usize,
        task: usize,
        succeeds: bool,
        attempts: NonZeroU32,
    ) {
        if succeeds {
            self.answer(now, stage, task, Answer::Done);
            self.ends(now, task, Outcome::Succeeded);
        } else if self.counts[task].executions + 1 < attempts.get() {
            self.answer(now, stage, task, Answer::Failed);
        } else {
            self.answer(now, stage, task, Answer::Done);
            self.is_used_up(now, stage, task);
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
        (self.observe)(
            now,
            Event::Answered {
                stage,
                task,
                answer,
            },
        );
        let working = &mut self.stages[stage];
        working.queue.answered();
        let counts = &mut self.counts[task];
        match answer {
            Answer::Done => return,
            Answer::Failed => {
                counts.executions += 1;
                counts.has_failed = true;
            }
            Answer::NoCapacity => counts.has_failed = false,
        }
        let wait = working.stage.limits.backoff.after(counts.dispatches);
        working.queue.add(task, now + wait);
    }

    fn ends(&mut self, now: Duration, task: usize, how: Outcome) {
        (self.observe)(now, Event::Ended { task });
        self.ends[task] = Some(Completion { at: now, how });
    }
}
