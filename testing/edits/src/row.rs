//! What a row does to a chain.

use cloudtasks::QueueSettings;
use serde_json::Value;

use crate::manifest::Manifest;

/// One thing done, and what is waited for before the next.
#[derive(Debug, Clone)]
pub enum Action {
    /// A manifest is applied; then the chain is ready, and the operator has nothing more to do.
    Apply(Manifest),
    /// A manifest is applied; the next action comes after so many steps of its plan.
    Begin(Manifest, usize),
    /// The chain is deleted, until it is gone.
    Delete,
    /// The same, as `kubectl delete --cascade=foreground` does it.
    DeleteInForeground,
    /// A queue of another owner appears, paused, with limited attempts and a tenth of the tasks.
    Legacy(&'static str),
    /// An override of this name is created, with these fields; then the chain has it in force.
    Override(&'static str, Value),
    /// It is ended before its time; then it is over.
    Undo(&'static str),
    /// A client changes a queue.
    ByHand(&'static str, QueueSettings),
    /// The chain is changed so that it can't be parsed, until the operator says so.
    Garble,
    /// Its Deployments and Services are deleted, and nothing is waited for.
    DeleteWorkers,
}

/// One way of a row.
#[derive(Debug, Clone)]
pub struct Direction {
    /// How it is called.
    pub name: &'static str,
    /// What is done.
    pub actions: Vec<Action>,
    /// Whether all tasks can end in what it leads to.
    pub ends: bool,
}

/// A row of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// How it is called.
    pub name: &'static str,
    /// The chain before.
    pub base: Manifest,
    /// The edit and its way back.
    pub directions: Vec<Direction>,
    /// Whether it changes where tasks go, so that it is worth a try in each variant.
    pub moves_tasks: bool,
    /// Whether an operator that dies after each step would never get to its end.
    pub needs_memory: bool,
}

impl Row {
    /// An edit of the base, and the way back.
    pub fn new(name: &'static str, edit: fn(Manifest) -> Manifest) -> Self {
        Self::of(Manifest::base(), name, edit)
    }

    /// The same, of another base.
    pub fn of(base: Manifest, name: &'static str, edit: fn(Manifest) -> Manifest) -> Self {
        let there = vec![Action::Apply(edit(base.clone()))];
        let back = vec![Action::Apply(base.clone())];
        Self::both_ways(name, base, there, back)
    }

    /// Acts on the base, and the way back.
    pub fn both_ways(
        name: &'static str,
        base: Manifest,
        there: Vec<Action>,
        back: Vec<Action>,
    ) -> Self {
        Self {
            name,
            base,
            directions: vec![direction("there", there), direction("back", back)],
            moves_tasks: false,
            needs_memory: false,
        }
    }

    /// Acts that lead back by themselves.
    pub fn actions(name: &'static str, base: Manifest, actions: Vec<Action>) -> Self {
        Self {
            name,
            base,
            directions: vec![direction("both", actions)],
            moves_tasks: false,
            needs_memory: false,
        }
    }

    /// What the edit leads to holds tasks until the way back.
    #[must_use]
    pub fn holding(mut self) -> Self {
        self.directions[0].ends = false;
        self
    }

    /// It changes where tasks go.
    #[must_use]
    pub fn moving_tasks(mut self) -> Self {
        self.moves_tasks = true;
        self
    }

    /// An operator that dies after each step forgets each time what it has counted: it doesn't die here.
    #[must_use]
    pub fn needing_memory(mut self) -> Self {
        self.needs_memory = true;
        self
    }

    /// Something that is done before the edit.
    #[must_use]
    pub fn after(mut self, action: Action) -> Self {
        self.directions[0].actions.insert(0, action);
        self
    }
}

fn direction(name: &'static str, actions: Vec<Action>) -> Direction {
    Direction {
        name,
        actions,
        ends: true,
    }
}
