//! Routes: where a task goes by a header, a status or a reason. The first match wins.

use std::fmt;
use std::str::FromStr;

use cloudtasks::QueuePath;
use http::{HeaderMap, HeaderName};
use serde::Deserialize;

use crate::values::TaskReason;

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RouteTarget {
    /// The stage that this queue feeds.
    Queue(QueuePath),
    /// The task ends as Failed.
    Fail,
}

/// What a route matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteCondition {
    /// The reason of a failed attempt, the handler's or the worker's (`timeout`, `connection`).
    Reason(TaskReason),
    /// The status of a failed attempt.
    Status(StatusPattern),
    /// One of the task's own headers, before the handler runs.
    Header {
        /// Its name.
        name: HeaderName,
        /// Its whole value.
        value: String,
    },
}

/// A status (`503`) or a class of them (`4xx`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPattern {
    /// This one.
    Code(u16),
    /// All that begin with this digit.
    Class(u16),
}

impl StatusPattern {
    /// Reads `503` or `4xx`.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| (b'1'..=b'9').contains(&b).then(|| u16::from(b - b'0'));
        match text.as_bytes() {
            [class, b'x', b'x'] => digit(*class).map(Self::Class),
            [first, _, _] if digit(*first).is_some() => text.parse().ok().map(Self::Code),
            _ => None,
        }
    }

    /// Whether it means this status.
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Code(code) => status == code,
            Self::Class(class) => status / 100 == class,
        }
    }
}

/// A text that is no status and no class of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a status: write 503 or 4xx")]
pub struct InvalidStatusPattern(String);

impl FromStr for StatusPattern {
    type Err = InvalidStatusPattern;

    fn from_str(text: &str) -> Result<Self, InvalidStatusPattern> {
        Self::parse(text).ok_or_else(|| InvalidStatusPattern(text.to_owned()))
    }
}

impl fmt::Display for StatusPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RouteJson")]
pub struct StageRoute {
    /// What it matches.
    pub when: RouteCondition,
    /// Where it leads.
    pub to: RouteTarget,
}

/// The routes of a stage, in the order of the manifest. As JSON, a list of
/// `{"match": {"reason": "timeout"}, "to": "projects/…/queues/…"}`, where `match` may also be
/// `{"status": "4xx"}` or `{"header": {"name": …, "value": …}}`, and `to` may be `"fail"`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct Routes(Vec<StageRoute>);

impl Routes {
    /// Where a task with these headers goes, without a run.
    pub fn before_run(&self, headers: &HeaderMap) -> Option<&RouteTarget> {
        self.first(|when| match when {
            RouteCondition::Header { name, value } => headers
                .get_all(name)
                .iter()
                .any(|given| given.as_bytes() == value.as_bytes()),
            RouteCondition::Reason(_) | RouteCondition::Status(_) => false,
        })
    }

    /// Where a task goes after an attempt that failed like this.
    pub fn after_failure(&self, status: Option<u16>, reason: &TaskReason) -> Option<&RouteTarget> {
        self.first(|when| match when {
            RouteCondition::Reason(wanted) => wanted == reason,
            RouteCondition::Status(pattern) => status.is_some_and(|status| pattern.matches(status)),
            RouteCondition::Header { .. } => false,
        })
    }

    /// The queues that a route leads to.
    pub fn queues(&self) -> impl Iterator<Item = &QueuePath> {
        self.0.iter().filter_map(|route| match &route.to {
            RouteTarget::Queue(queue) => Some(queue),
            RouteTarget::Fail => None,
        })
    }

    fn first(&self, matches: impl Fn(&RouteCondition) -> bool) -> Option<&RouteTarget> {
        self.0
            .iter()
            .find(|route| matches(&route.when))
            .map(|route| &route.to)
    }
}

impl From<Vec<StageRoute>> for Routes {
    fn from(routes: Vec<StageRoute>) -> Self {
        Self(routes)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteJson {
    r#match: RouteConditionJson,
    to: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum RouteConditionJson {
    Reason(String),
    Status(String),
    Header { name: String, value: String },
}

impl TryFrom<RouteJson> for StageRoute {
    type Error = String;

    fn try_from(wire: RouteJson) -> Result<Self, String> {
        let when = match wire.r#match {
            RouteConditionJson::Reason(text) => {
                RouteCondition::Reason(text.parse().map_err(|error| format!("{error}"))?)
            }
            RouteConditionJson::Status(text) => RouteCondition::Status(
                text.parse()
                    .map_err(|error: InvalidStatusPattern| error.to_string())?,
            ),
            RouteConditionJson::Header { name, value } => RouteCondition::Header {
                name: name
                    .parse()
                    .map_err(|_| format!("{name:?} is not a header name"))?,
                value,
            },
        };
        let to = match wire.to.as_str() {
            "fail" => RouteTarget::Fail,
            queue => {
                RouteTarget::Queue(queue.parse().map_err(|error| format!("{error}, or fail"))?)
            }
        };
        Ok(Self { when, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = r#"[
        {"match": {"reason": "timeout"}, "to": "projects/p/locations/l/queues/slow"},
        {"match": {"status": "404"}, "to": "projects/p/locations/l/queues/slow"},
        {"match": {"status": "4xx"}, "to": "fail"},
        {"match": {"header": {"name": "X-Customer", "value": "acme"}}, "to": "fail"}
    ]"#;

    #[test]
    fn the_first_match_wins() {
        let routes: Routes = serde_json::from_str(ROUTES).unwrap();
        let slow = RouteTarget::Queue("projects/p/locations/l/queues/slow".parse().unwrap());
        let after = |status, reason: &str| routes.after_failure(status, &reason.parse().unwrap());
        assert_eq!(after(None, "timeout"), Some(&slow));
        assert_eq!(after(Some(404), "status"), Some(&slow));
        assert_eq!(after(Some(403), "status"), Some(&RouteTarget::Fail));
        assert_eq!(after(Some(403), "timeout"), Some(&slow));
        assert_eq!(after(Some(500), "status"), None);
        assert_eq!(routes.queues().count(), 2);
    }

    #[test]
    fn a_route_by_header_applies_before_the_run_only() {
        let routes: Routes = serde_json::from_str(ROUTES).unwrap();
        let mut headers = HeaderMap::new();
        assert_eq!(routes.before_run(&headers), None);
        headers.insert("x-customer", "acme".parse().unwrap());
        assert_eq!(routes.before_run(&headers), Some(&RouteTarget::Fail));
        headers.insert("x-customer", "acme2".parse().unwrap());
        assert_eq!(routes.before_run(&headers), None);
    }

    #[test]
    fn an_invalid_route_says_what_is_wrong() {
        for (json, sentence) in [
            (
                r#"[{"match": {"status": "9xy"}, "to": "fail"}]"#,
                "write 503 or 4xx",
            ),
            (
                r#"[{"match": {"status": "+42"}, "to": "fail"}]"#,
                "write 503 or 4xx",
            ),
            (
                r#"[{"match": {"reason": "two words"}, "to": "fail"}]"#,
                "is not valid",
            ),
            (
                r#"[{"match": {"reason": "timeout"}, "to": "slow"}]"#,
                "not a queue's full path",
            ),
            (
                r#"[{"match": {"color": "red"}, "to": "fail"}]"#,
                "unknown variant `color`",
            ),
            (
                r#"[{"match": {"header": {"name": "a b", "value": ""}}, "to": "fail"}]"#,
                "is not a header name",
            ),
        ] {
            let error = serde_json::from_str::<Routes>(json)
                .unwrap_err()
                .to_string();
            assert!(error.contains(sentence), "{json}: {error}");
        }
    }
}
