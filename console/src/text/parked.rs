//! What is parked, and how it can be run again.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use super::table::{Column, table};
use crate::model::{ParkedGroup, ParkedItem, ParkedReply};
use crate::units;

/// The keys of groups that a redrive can be narrowed by.
const FILTERS: [&str; 4] = ["reason", "cause", "stage", "status"];
/// What a group has of tasks without a status.
const NO_STATUS: &str = "none";
/// What there is none of.
const NONE: &str = "-";
/// A path is not shown to more: queries can be long.
const LONGEST_PATH: usize = 40;
/// Lists are cached, so that many viewers share one. An older list than this is said to be so.
const FRESH: Duration = Duration::from_secs(5);

/// How the next command names the chain, and what was asked for.
#[derive(Debug, Clone, Copy)]
pub struct ParkedCommand<'a> {
    /// The program: `kubectl chain`.
    pub program: &'a str,
    /// The chain, and where it is: `orders -n shop`.
    pub chain: &'a str,
    /// The parts of the filter that was asked for.
    pub filters: &'a [String],
}

/// Groups, then rows, then the next command, in at most `width` columns where that is possible.
pub fn parked(
    reply: &ParkedReply,
    command: ParkedCommand<'_>,
    now: Timestamp,
    width: usize,
) -> String {
    let mut text = capital(&headline(reply, now));
    for line in [&reply.stale, &reply.incomplete].into_iter().flatten() {
        let _ = writeln!(text, "{}.", capital(line.trim_end_matches('.')));
    }
    match reply.unreadable {
        0 => {}
        1 => text
            .push_str("1 more task can't be read: no worker parked it, or a newer worker did.\n"),
        more => {
            let _ = writeln!(
                text,
                "{more} more tasks can't be read: no worker parked them, or a newer worker did."
            );
        }
    }
    if reply.tasks == 0 {
        return text;
    }
    text.push('\n');
    text += &groups(reply, width);
    if reply.more_groups > 0 {
        let _ = writeln!(text, "… and {} smaller groups", reply.more_groups);
    }
    if !reply.items.is_empty() {
        text.push('\n');
        text += &rows(&reply.items, now, width);
    }
    let shown = u64::try_from(reply.items.len()).unwrap_or(u64::MAX);
    let more = reply.tasks.saturating_sub(shown);
    if more > 0 {
        let at_least = if reply.at_least { "at least " } else { "" };
        let _ = writeln!(text, "… and {at_least}{more} older: --limit shows more");
    }
    let _ = writeln!(
        text,
        "\nAfter you have fixed what failed, run them again:\n  {}",
        redrive(reply, command)
    );
    text
}

fn headline(reply: &ParkedReply, now: Timestamp) -> String {
    let ParkedReply {
        at,
        queue,
        tasks,
        listed,
        ..
    } = reply;
    let age: Duration = now.duration_since(*at).try_into().unwrap_or_default();
    let age = if age > FRESH {
        format!(", as listed {} ago", units::duration(age))
    } else {
        String::new()
    };
    let at_least = if reply.at_least { "at least " } else { "" };
    let is_all = tasks.saturating_add(reply.unreadable) == *listed;
    match (tasks, listed) {
        (_, 0) => format!("Nothing is parked in queue {queue}{age}.\n"),
        (1, _) if is_all && !reply.at_least => format!("1 task is parked in queue {queue}{age}:\n"),
        (tasks, _) if is_all => {
            format!("{at_least}{tasks} tasks are parked in queue {queue}{age}:\n")
        }
        (0, listed) => format!("None of {at_least}{listed} tasks in queue {queue} matches{age}.\n"),
        (tasks, listed) => {
            format!("{tasks} of {at_least}{listed} tasks in queue {queue} match{age}:\n")
        }
    }
}

fn capital(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(|it| it.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// A column of the groups.
#[derive(Clone, Copy, PartialEq)]
enum OfGroup<'a> {
    Tasks,
    Key(usize, &'a str),
    First,
    Last,
}

impl Column for OfGroup<'_> {
    fn head(self) -> String {
        match self {
            Self::Tasks => "TASKS".to_owned(),
            Self::Key(_, key) => key.to_uppercase(),
            Self::First => "FIRST PARKED".to_owned(),
            Self::Last => "LAST PARKED".to_owned(),
        }
    }
}

fn groups(reply: &ParkedReply, width: usize) -> String {
    let keys = reply.by.iter().enumerate();
    let keys = keys.map(|(index, key)| OfGroup::Key(index, key));
    let columns: Vec<OfGroup<'_>> = [OfGroup::Tasks]
        .into_iter()
        .chain(keys)
        .chain([OfGroup::First, OfGroup::Last])
        .collect();
    let cell = |group: &ParkedGroup, column: OfGroup<'_>| match column {
        OfGroup::Tasks => group.tasks.to_string(),
        OfGroup::Key(index, _) => group.values.get(index).cloned().unwrap_or_default(),
        OfGroup::First => time(group.first),
        OfGroup::Last => time(group.last),
    };
    let left_out = [OfGroup::First, OfGroup::Last];
    table(&columns, &left_out, &reply.groups, cell, width)
}

/// A column of the rows.
#[derive(Clone, Copy, PartialEq)]
enum OfItem {
    Task,
    Path,
    Reason,
    Status,
    Stage,
    Life,
    Parked,
    Kept,
}

impl Column for OfItem {
    fn head(self) -> String {
        let head = match self {
            Self::Task => "TASK",
            Self::Path => "PATH",
            Self::Reason => "REASON",
            Self::Status => "STATUS",
            Self::Stage => "STAGE",
            Self::Life => "LIFE",
            Self::Parked => "PARKED",
            Self::Kept => "KEPT FOR",
        };
        head.to_owned()
    }
}

/// What a narrow terminal goes without, the first first.
const LEFT_OUT: [OfItem; 5] = [
    OfItem::Path,
    OfItem::Life,
    OfItem::Stage,
    OfItem::Status,
    OfItem::Parked,
];

fn rows(items: &[ParkedItem], now: Timestamp, width: usize) -> String {
    let has_lives = items.iter().any(|item| item.life.is_some());
    let columns: Vec<OfItem> = [
        OfItem::Task,
        OfItem::Path,
        OfItem::Reason,
        OfItem::Status,
        OfItem::Stage,
        OfItem::Life,
        OfItem::Parked,
        OfItem::Kept,
    ]
    .into_iter()
    .filter(|column| has_lives || *column != OfItem::Life)
    .collect();
    let number = |value: Option<String>| value.unwrap_or_else(|| NONE.to_owned());
    let cell = |item: &ParkedItem, column: OfItem| match column {
        OfItem::Task => item.task.clone(),
        OfItem::Path => short(&item.path),
        OfItem::Reason => item.reason.clone(),
        OfItem::Status => number(item.status.map(|it| it.to_string())),
        OfItem::Stage => item.stage.clone(),
        OfItem::Life => number(item.life.map(|it| it.to_string())),
        OfItem::Parked => time(item.parked),
        OfItem::Kept => {
            let left = item.kept_until.duration_since(now);
            units::duration(left.try_into().unwrap_or_default())
        }
    };
    table(&columns, &LEFT_OUT, items, cell, width)
}

fn short(path: &str) -> String {
    if path.chars().count() <= LONGEST_PATH {
        return path.to_owned();
    }
    let kept: String = path.chars().take(LONGEST_PATH - 1).collect();
    kept + "…"
}

fn time(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// What was asked for, or else the largest group.
fn redrive(reply: &ParkedReply, command: ParkedCommand<'_>) -> String {
    let ParkedCommand {
        program,
        chain,
        filters,
    } = command;
    let largest = || -> Vec<String> {
        let group = reply.groups.first();
        let values = group.map_or(&[][..], |group| &group.values);
        let both = reply.by.iter().zip(values);
        both.filter(|(key, value)| FILTERS.contains(&&***key) && *value != NO_STATUS)
            .map(|(key, value)| format!("{key}={value}"))
            .collect()
    };
    let filters = if filters.is_empty() {
        largest()
    } else {
        filters.to_vec()
    };
    let which = match &filters[..] {
        // Not all of them: what was shown may be less.
        [] => "--where reason=REASON".to_owned(),
        some => {
            let parts = some.iter().map(|part| format!("--where {part}"));
            parts.collect::<Vec<_>>().join(" ")
        }
    };
    format!("{program} redrive {chain} --to STAGE --rate 20 {which} --reason WHY")
}
