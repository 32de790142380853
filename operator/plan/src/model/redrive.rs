//! A redrive or a discard of parked tasks, as it was asked for.

use crds::{ChainDiscard, ChainRedrive, FINISHED, ParkedFilter, RedriveReason, RedriveStatus};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, OwnerReference};
use kube::Resource;
use parking::{Canary, Filter, Selection};

/// How many tasks a discard deletes a second.
const DISCARD_RATE: f64 = 100.0;

/// A redrive or a discard: of those of one chain, one is carried out at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum Redrive {
    /// The tasks begin new lives on a stage.
    Move(Box<ChainRedrive>),
    /// The tasks are deleted.
    Discard(Box<ChainDiscard>),
}

impl Redrive {
    /// Its metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Move(it) => &it.metadata,
            Self::Discard(it) => &it.metadata,
        }
    }

    /// What it is called in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Move(_) => "redrive",
            Self::Discard(_) => "discard",
        }
    }

    /// Its namespace.
    pub fn namespace(&self) -> String {
        self.metadata().namespace.clone().unwrap_or_default()
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.metadata().name.clone().unwrap_or_default()
    }

    /// Its UID.
    pub fn uid(&self) -> &str {
        self.metadata().uid.as_deref().unwrap_or_default()
    }

    /// The name of its chain.
    pub fn chain(&self) -> &str {
        match self {
            Self::Move(it) => &it.spec.chain,
            Self::Discard(it) => &it.spec.chain,
        }
    }

    /// The name of the stage on which the new lives begin.
    pub fn to(&self) -> Option<&str> {
        match self {
            Self::Move(it) => Some(&it.spec.to),
            Self::Discard(_) => None,
        }
    }

    /// Why it was made.
    pub fn reason(&self) -> &str {
        match self {
            Self::Move(it) => &it.spec.reason,
            Self::Discard(it) => &it.spec.reason,
        }
    }

    /// Who made it.
    pub fn by(&self) -> Option<&str> {
        match self {
            Self::Move(it) => it.spec.by.as_deref(),
            Self::Discard(it) => it.spec.by.as_deref(),
        }
    }

    /// Whether it was stopped by hand.
    pub fn is_stopped(&self) -> bool {
        match self {
            Self::Move(it) => it.spec.stopped,
            Self::Discard(it) => it.spec.stopped,
        }
    }

    /// Who has stopped it.
    pub fn stopped_by(&self) -> Option<&str> {
        match self {
            Self::Move(it) => it.spec.stopped_by.as_deref(),
            Self::Discard(it) => it.spec.stopped_by.as_deref(),
        }
    }

    /// Tasks a second.
    pub fn rate(&self) -> f64 {
        match self {
            Self::Move(it) => it.spec.rate,
            Self::Discard(_) => DISCARD_RATE,
        }
    }

    /// What was reported of it.
    pub fn status(&self) -> Option<&RedriveStatus> {
        match self {
            Self::Move(it) => it.status.as_ref(),
            Self::Discard(it) => it.status.as_ref(),
        }
    }

    /// The condition that says how it is.
    pub fn condition(&self) -> Option<&Condition> {
        let mut conditions = self.status()?.conditions.iter();
        conditions.find(|it| it.type_ == FINISHED)
    }

    /// What it was last reported to do.
    pub fn state(&self) -> Option<RedriveReason> {
        RedriveReason::named(&self.condition()?.reason)
    }

    /// Whether nothing will be done for it any more.
    pub fn is_finished(&self) -> bool {
        self.condition().is_some_and(|it| it.status == "True")
    }

    /// Whether it may have moved a task.
    pub fn has_started(&self) -> bool {
        self.status().is_some_and(|it| it.started_at.is_some())
    }

    /// What makes it the owner of its mover.
    pub fn owner(&self) -> Option<OwnerReference> {
        let owner = match self {
            Self::Move(it) => it.controller_owner_ref(&()),
            Self::Discard(it) => it.controller_owner_ref(&()),
        };
        Some(OwnerReference {
            block_owner_deletion: None,
            ..owner?
        })
    }

    /// Which parked tasks it means.
    pub fn selection(&self) -> Result<Selection, String> {
        let (filter, all) = match self {
            Self::Move(it) => (it.spec.filter.as_ref(), it.spec.all),
            Self::Discard(it) => (it.spec.filter.as_ref(), it.spec.all),
        };
        let filter = match filter {
            Some(filter) => parsed(filter)?,
            None => Filter::default(),
        };
        // The schema refuses it. All tasks are meant only if it says so.
        if filter.is_empty() && !all {
            return Err("it has neither where nor all: true".to_owned());
        }
        let redrive = self.uid().parse();
        let redrive = redrive.map_err(|error| format!("its UID can't be used: {error}"))?;
        let created = self.metadata().creation_timestamp.as_ref();
        let created = created.map_or(Timestamp::UNIX_EPOCH, |time| time.0);
        // Kubernetes cuts the fraction of a second. What was parked in it before the redrive was
        // created is meant too.
        let asked = created.saturating_add(SignedDuration::from_secs(1));
        Ok(Selection {
            redrive,
            asked: asked.unwrap_or(created),
            filter,
        })
    }

    /// How it tries a few tasks first.
    pub fn canary(&self) -> Result<Option<Canary>, String> {
        let Self::Move(it) = self else {
            return Ok(None);
        };
        let Some(canary) = &it.spec.canary else {
            return Ok(None);
        };
        let percent = canary.at_least.strip_suffix('%');
        let percent = percent.and_then(|it| it.parse().ok());
        let percent = percent.filter(|it| (1..=100).contains(it));
        let tasks = u32::try_from(canary.tasks).ok().filter(|it| *it > 0);
        let (Some(tasks), Some(at_least_percent)) = (tasks, percent) else {
            return Err("its canary is invalid".to_owned());
        };
        Ok(Some(Canary {
            tasks,
            within_seconds: canary.within.0.as_secs(),
            at_least_percent,
        }))
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: RedriveStatus) -> Self {
        match &mut self {
            Self::Move(it) => it.status = Some(status),
            Self::Discard(it) => it.status = Some(status),
        }
        self
    }
}

fn parsed(filter: &ParkedFilter) -> Result<Filter, String> {
    fn part<T>(name: &str, text: Option<&String>) -> Result<Option<T>, String>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        let parse = |text: &String| {
            let parsed = text.parse();
            parsed.map_err(|error: T::Err| format!("where.{name} is {text}: {error}"))
        };
        text.map(parse).transpose()
    }
    let ParkedFilter {
        reason,
        cause,
        stage,
        status,
        task,
        redrive,
        parked_after,
        parked_before,
    } = filter;
    Ok(Filter {
        reason: part("reason", reason.as_ref())?,
        cause: part("cause", cause.as_ref())?,
        stage: part("stage", stage.as_ref())?,
        status: part("status", status.as_ref())?,
        task: task.clone(),
        redrive: part("redrive", redrive.as_ref())?,
        parked_after: parked_after.as_ref().map(|it| it.0),
        parked_before: parked_before.as_ref().map(|it| it.0),
    })
}
