//! What is parked, for people who look.

use std::str::FromStr;

use crds::Duration;
use jiff::Timestamp;
use parking::{Filter, GroupKey};
use serde::{Deserialize, Serialize};

/// Rows that are shown, if nobody asks for more or less.
pub const USUAL_ROWS: usize = 20;
/// Rows that are shown at most.
pub const MOST_ROWS: usize = 1000;
/// Groups that are shown at most: reasons are chosen by handlers.
pub(crate) const MOST_GROUPS: usize = 100;

/// Which parked tasks are looked at, and how. As the query of an address:
/// `by=reason,stage&where=reason=no-stock&since=2h&limit=20`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedQuery {
    /// What they are grouped by.
    pub by: Vec<GroupKey>,
    /// Which of them are meant. Times are those of [`since`](Self::since).
    pub filter: Filter,
    /// Only those that were parked in this time.
    pub since: Option<Duration>,
    /// How many rows are wanted.
    pub limit: usize,
}

/// What is parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkedReply {
    /// When it was listed.
    pub at: Timestamp,
    /// The ID of the parking queue.
    pub queue: String,
    /// Why there is no newer list: a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
    /// The tasks that were listed, before the filter.
    pub listed: u64,
    /// Whether there are more that were not listed.
    #[serde(default)]
    pub at_least: bool,
    /// Why not all were listed: a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
    /// Listed tasks without a record of a worker, or with one of a newer release. No filter means them.
    #[serde(default)]
    pub unreadable: u64,
    /// The tasks that the filter means.
    pub tasks: u64,
    /// What they are grouped by.
    pub by: Vec<String>,
    /// The groups, the largest first, at most 100.
    pub groups: Vec<ParkedGroup>,
    /// Groups that are left out.
    #[serde(default)]
    pub more_groups: u64,
    /// The tasks, those first that were parked last, as many as were asked for.
    pub items: Vec<ParkedItem>,
}

/// Parked tasks that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkedGroup {
    /// What they share, one value for each key.
    pub values: Vec<String>,
    /// How many there are.
    pub tasks: u64,
    /// When the first of them was parked.
    pub first: Timestamp,
    /// When the last of them was parked.
    pub last: Timestamp,
}

/// A parked task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParkedItem {
    /// Its id, as its producer knows it.
    pub task: String,
    /// The queue that its producer created it on.
    pub queue: String,
    /// The path and query that its handler is called with.
    pub path: String,
    /// The stage that it ended on.
    pub stage: String,
    /// Why it ended, as one of few.
    pub cause: String,
    /// Why it ended, as its event says.
    pub reason: String,
    /// The handler's last status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// When it was parked.
    pub parked: Timestamp,
    /// When Cloud Tasks deletes it.
    pub kept_until: Timestamp,
    /// Which life ended, if it wasn't the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<u32>,
    /// The redrive that began this life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrive: Option<String>,
}

impl Default for ParkedQuery {
    fn default() -> Self {
        Self {
            by: vec![GroupKey::Reason],
            filter: Filter::default(),
            since: None,
            limit: USUAL_ROWS,
        }
    }
}

impl ParkedQuery {
    /// Of the part of an address after the question mark. What is wrong is a sentence.
    pub fn parse(query: &str) -> Result<Self, String> {
        let mut found = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "by" => found.by = keys(&value)?,
                "where" => {
                    let filter = found.filter.with(&value);
                    found.filter = filter.map_err(|error| error.to_string())?;
                }
                "since" => {
                    let since = Duration::from_str(&value);
                    found.since = Some(since.map_err(|error| error.to_string())?);
                }
                "limit" => found.limit = limit(&value)?,
                other => {
                    return Err(format!(
                        "{other:?} is no parameter: write by, where, since or limit"
                    ));
                }
            }
        }
        Ok(found)
    }

    /// As the part of an address after the question mark. `filters` are the parts of the filter.
    pub fn encode(
        by: &[GroupKey],
        filters: &[String],
        since: Option<&Duration>,
        limit: usize,
    ) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let by: Vec<&str> = by.iter().map(|key| key.as_str()).collect();
        query.append_pair("by", &by.join(","));
        for part in filters {
            query.append_pair("where", part);
        }
        if let Some(since) = since {
            query.append_pair("since", &since.to_string());
        }
        query.append_pair("limit", &limit.to_string());
        query.finish()
    }
}

fn keys(text: &str) -> Result<Vec<GroupKey>, String> {
    let keys = text.split(',').map(GroupKey::from_str);
    let keys: Result<Vec<_>, _> = keys.collect();
    keys.map_err(|error| error.to_string())
}

/// How many rows a text asks for.
pub fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| *limit <= MOST_ROWS);
    limit.ok_or_else(|| format!("{text:?} is not a number of rows: write 0 to {MOST_ROWS}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_comes_back_as_it_was_written() {
        let by = [GroupKey::Stage, GroupKey::Hour];
        let filters = ["reason=no-stock".to_owned(), "task=a_b".to_owned()];
        let since: Duration = "2h".parse().unwrap();
        let query = ParkedQuery::encode(&by, &filters, Some(&since), 7);
        assert_eq!(
            query,
            "by=stage%2Chour&where=reason%3Dno-stock&where=task%3Da_b&since=2h&limit=7"
        );
        let filter = Filter::default().with("reason=no-stock").unwrap();
        let whole = ParkedQuery {
            by: by.to_vec(),
            filter: filter.with("task=a_b").unwrap(),
            since: Some(since),
            limit: 7,
        };
        assert_eq!(ParkedQuery::parse(&query), Ok(whole));
        assert_eq!(ParkedQuery::parse(""), Ok(ParkedQuery::default()));
        assert_eq!(
            ParkedQuery::parse("where=reason=no-stock").map(|it| it.filter.is_empty()),
            Ok(false),
            "as people write it"
        );
    }

    #[test]
    fn a_query_that_means_nothing_is_refused_with_what_to_write() {
        for (query, message) in [
            (
                "by=color",
                r#""color" is not a key: write reason, cause, stage, status or hour"#,
            ),
            (
                "where=color=red",
                r#""color" is not a filter: write reason, cause, stage, status, task or redrive"#,
            ),
            ("since=yesterday", r#""yesterday" is not a duration"#),
            (
                "limit=1001",
                r#""1001" is not a number of rows: write 0 to 1000"#,
            ),
            (
                "limits=1",
                r#""limits" is no parameter: write by, where, since or limit"#,
            ),
        ] {
            let error = ParkedQuery::parse(query).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
