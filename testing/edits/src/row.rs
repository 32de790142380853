//! What a row does to a chain.

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
}

impl Row {
    /// An edit of the base, and the way back.
    pub fn new(name: &'static str, edit: fn(Manifest) -> Manifest) -> Self {
        let base = Manifest::base();
        let there = vec![Action::Apply(edit(base.clone()))];
        let back = vec![Action::Apply(base.clone())];
        Self {
            name,
            base,
            directions: vec![direction("there", there), direction("back", back)],
            moves_tasks: false,
        }
    }

    /// Acts that lead back by themselves.
    pub fn actions(name: &'static str, base: Manifest, actions: Vec<Action>) -> Self {
        Self {
            name,
            base,
            directions: vec![direction("both", actions)],
            moves_tasks: false,
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
