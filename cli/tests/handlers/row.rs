//! One row of the table.

use std::borrow::Cow;

use crate::server::{Answer, Request};

/// How a task ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Succeeded,
    Failed,
}

/// The requests that the handler gets, and the end of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    pub requests: usize,
    pub end: End,
}

pub const fn succeeded(requests: usize) -> Course {
    let end = End::Succeeded;
    Course { requests, end }
}

pub const fn failed(requests: usize) -> Course {
    let end = End::Failed;
    Course { requests, end }
}

/// What the manifest adds for the handler. Rows with the same settings run on the same chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Settings {
    /// A line of the spec.
    pub spec: &'static str,
    /// `handler` of both stages.
    pub handler: &'static str,
}

/// Nothing: what `docs/migrate.md` calls the defaults.
pub const DEFAULTS: Settings = Settings {
    spec: "",
    handler: "{}",
};

/// The task, as its producer creates it.
#[derive(Debug, Clone)]
pub struct Task {
    pub method: &'static str,
    /// Path and query below the row's own folder.
    pub path: &'static str,
    pub host: &'static str,
    pub headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    pub body: Vec<u8>,
    /// Cloud Tasks signs the task with a token of this account.
    pub signed: bool,
}

impl Task {
    pub fn post(body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: "POST",
            path: "/run",
            host: "127.0.0.1",
            headers: Vec::new(),
            body: body.into(),
            signed: false,
        }
    }

    pub fn json(body: &'static str) -> Self {
        Self::post(body).with("Content-Type", "application/json")
    }

    pub fn method(method: &'static str) -> Self {
        Self {
            method,
            ..Self::post("")
        }
    }

    /// To this path on this host.
    pub fn to(self, host: &'static str, path: &'static str) -> Self {
        Self { path, host, ..self }
    }

    pub fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn signed(self) -> Self {
        let signed = true;
        Self { signed, ..self }
    }
}

/// A difference that is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum But {
    /// Behind a chain the header is absent from this request on, counted from 1.
    AbsentFrom(&'static str, usize),
    /// Behind a chain the handler also gets this header.
    Added(&'static str),
    /// The course is another one: what can't work, or what the emulator does otherwise than Cloud Tasks.
    Course(Course),
    /// Only the first request is compared: the next ones are others.
    OnlyTheFirst,
    /// The emulator hangs up after an answer's headers. Cloud Tasks and a chain read to the end.
    ReadToTheEnd,
}

pub struct Row {
    /// Also the task's id, and the first part of its path.
    pub name: &'static str,
    pub settings: Settings,
    pub task: Task,
    pub handler: fn(&Request) -> Answer,
    pub course: Course,
    pub but: Vec<But>,
    /// What the notification must say: JSON pointers into its data, and the texts there.
    pub event: &'static [(&'static str, &'static str)],
}

impl Row {
    pub fn new(
        name: &'static str,
        task: Task,
        handler: fn(&Request) -> Answer,
        course: Course,
    ) -> Self {
        Self {
            name,
            settings: DEFAULTS,
            task,
            handler,
            course,
            but: Vec::new(),
            event: &[],
        }
    }

    pub fn but(self, but: impl Into<Vec<But>>) -> Self {
        let but = but.into();
        Self { but, ..self }
    }

    pub fn handler_settings(self, handler: &'static str) -> Self {
        let settings = Settings {
            handler,
            ..self.settings
        };
        Self { settings, ..self }
    }

    pub fn spec(self, spec: &'static str) -> Self {
        let settings = Settings {
            spec,
            ..self.settings
        };
        Self { settings, ..self }
    }

    pub fn event(self, event: &'static [(&'static str, &'static str)]) -> Self {
        Self { event, ..self }
    }

    /// The course behind a chain.
    pub fn course_in_chain(&self) -> Course {
        let other = self.but.iter().find_map(|but| match but {
            But::Course(course) => Some(*course),
            But::AbsentFrom(..) | But::Added(_) | But::OnlyTheFirst | But::ReadToTheEnd => None,
        });
        other.unwrap_or(self.course)
    }
}
