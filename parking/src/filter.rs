//! Which parked tasks are meant.

use decide::{EndCause, ParkedRecord, RedriveId, StageName, StatusPattern, TaskReason};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::as_text;
use crate::task::ParkedTask;

/// Which parked tasks are meant: those that have all that is named. Without any name, all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Filter {
    /// Why the task ended, as its event says.
    #[serde(with = "as_text::option", skip_serializing_if = "Option::is_none")]
    pub reason: Option<TaskReason>,
    /// Why it ended, as one of few.
    #[serde(with = "as_text::option", skip_serializing_if = "Option::is_none")]
    pub cause: Option<EndCause>,
    /// The stage that it ended on.
    #[serde(with = "as_text::option", skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// The handler's last status, `503` or `4xx`.
    #[serde(with = "as_text::option", skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusPattern>,
    /// The task's id, as its producer knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The redrive whose new life of it has failed again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redrive: Option<RedriveId>,
    /// Parked at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked_after: Option<Timestamp>,
    /// Parked before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked_before: Option<Timestamp>,
}

/// Why `NAME=VALUE` is no part of a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It has another form.
    #[error(
        "{0:?} is not NAME=VALUE: write reason, cause, stage, status, task or redrive, such as reason=no-stock"
    )]
    Form(String),
    /// No filter has this name.
    #[error("{0:?} is not a filter: write reason, cause, stage, status, task or redrive")]
    Name(String),
    /// The name was there before.
    #[error("{0} is named twice: name it once")]
    Twice(&'static str),
    /// The value is not one of this name.
    #[error("{name}={value}: {problem}")]
    Value {
        /// The name.
        name: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Filter {
    /// Whether it names nothing, and so means every task.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it means this task.
    pub fn matches(&self, task: &ParkedTask) -> bool {
        self.matches_record(&task.record)
    }

    /// Whether it means the task with this record.
    pub fn matches_record(&self, record: &ParkedRecord) -> bool {
        let Self {
            reason,
            cause,
            stage,
            status,
            task: id,
            redrive,
            parked_after,
            parked_before,
        } = self;
        let of_redrive = |wanted: &RedriveId| {
            let life = record.life.as_ref();
            life.is_some_and(|life| life.redrive == *wanted)
        };
        reason.as_ref().is_none_or(|it| *it == record.reason)
            && cause.is_none_or(|it| it == record.cause)
            && stage.as_ref().is_none_or(|it| *it == record.stage)
            && status.is_none_or(|it| record.status.is_some_and(|status| it.matches(status)))
            && id.as_ref().is_none_or(|it| it == record.task.as_str())
            && redrive.as_ref().is_none_or(of_redrive)
            && parked_after.is_none_or(|it| record.at >= it)
            && parked_before.is_none_or(|it| record.at < it)
    }

    /// This filter with one more `NAME=VALUE`.
    pub fn with(mut self, part: &str) -> Result<Self, FilterError> {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| FilterError::Form(part.to_owned()))?;
        match name {
            "reason" => put(&mut self.reason, "reason", value)?,
            "cause" => put(&mut self.cause, "cause", value)?,
            "stage" => put(&mut self.stage, "stage", value)?,
            "status" => put(&mut self.status, "status", value)?,
            "task" => put(&mut self.task, "task", value)?,
            "redrive" => put(&mut self.redrive, "redrive", value)?,
            other => return Err(FilterError::Name(other.to_owned())),
        }
        Ok(self)
    }
}

fn put<T>(field: &mut Option<T>, name: &'static str, value: &str) -> Result<(), FilterError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let parsed = value.parse().map_err(|error: T::Err| FilterError::Value {
        name,
        value: value.to_owned(),
        problem: error.to_string(),
    })?;
    match field.replace(parsed) {
        None => Ok(()),
        Some(_) => Err(FilterError::Twice(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::tests::parked;

    fn filter(parts: &[&str]) -> Result<Filter, FilterError> {
        let mut parts = parts.iter();
        parts.try_fold(Filter::default(), |filter, part| filter.with(part))
    }

    #[test]
    fn a_filter_means_the_tasks_that_have_all_that_it_names() {
        let task = parked("order-1", "no-stock", Some(409), "2026-11-30T10:00:00Z");
        for (parts, matches) in [
            (&[][..], true),
            (&["reason=no-stock"], true),
            (&["reason=timeout"], false),
            (&["status=409"], true),
            (&["status=4xx"], true),
            (&["status=5xx"], false),
            (&["stage=slow", "cause=Exhausted"], true),
            (&["stage=slow", "cause=Fail"], false),
            (&["task=order-1"], true),
            (&["task=order-2"], false),
            (&["redrive=one"], false),
        ] {
            assert_eq!(filter(parts).unwrap().matches(&task), matches, "{parts:?}");
        }
        let silent = parked("order-1", "timeout", None, "2026-11-30T10:00:00Z");
        assert!(!filter(&["status=4xx"]).unwrap().matches(&silent));

        let time = |text: &str| Some(text.parse().unwrap());
        for (after, before, matches) in [
            ("2026-11-30T10:00:00Z", "2026-11-30T10:00:01Z", true),
            ("2026-11-30T10:00:01Z", "2026-11-30T11:00:00Z", false),
            ("2026-11-30T09:00:00Z", "2026-11-30T10:00:00Z", false),
        ] {
            let filter = Filter {
                parked_after: time(after),
                parked_before: time(before),
                ..Filter::default()
            };
            assert_eq!(filter.matches(&task), matches, "{after} {before}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_with_what_to_write() {
        for (parts, message) in [
            (
                &["no-stock"][..],
                r#""no-stock" is not NAME=VALUE: write reason, cause, stage, status, task or redrive, such as reason=no-stock"#,
            ),
            (
                &["color=red"],
                r#""color" is not a filter: write reason, cause, stage, status, task or redrive"#,
            ),
            (
                &["stage=a", "stage=b"],
                "stage is named twice: name it once",
            ),
            (
                &["status=teapot"],
                r#"status=teapot: "teapot" is not a status: write 503 or 4xx"#,
            ),
            (
                &["cause=bored"],
                r#"cause=bored: "bored" is not valid: write Exhausted, Fail, Route, Expired, Loop or Unpassable"#,
            ),
        ] {
            assert_eq!(filter(parts).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_filter_travels_as_json() {
        let whole = Filter {
            parked_after: Some("2026-11-30T10:00:00Z".parse().unwrap()),
            ..filter(&["reason=no-stock", "status=4xx", "redrive=one"]).unwrap()
        };
        let json = serde_json::to_string(&whole).unwrap();
        assert_eq!(
            json,
            r#"{"reason":"no-stock","status":"4xx","redrive":"one","parkedAfter":"2026-11-30T10:00:00Z"}"#
        );
        assert_eq!(serde_json::from_str::<Filter>(&json).unwrap(), whole);
        assert!(serde_json::from_str::<Filter>(r#"{"color":"red"}"#).is_err());
    }
}
