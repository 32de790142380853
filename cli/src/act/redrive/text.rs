//! Redrives and discards as text.

use jiff::Timestamp;
use plan::Redrive;

use crate::act::text::{clock, columns};

/// Characters of the bar.
const BAR: usize = 20;

/// How far it is: `Moving  120 of 380 moved: tasks are moved to stage fast, 20 a second`.
pub(super) fn progress(it: &Redrive, with_bar: bool) -> String {
    let Some(condition) = it.condition() else {
        return "it waits for an operator".to_owned();
    };
    let reason = &condition.reason;
    if it.is_finished() {
        return format!("{reason}: {}.", condition.message);
    }
    let status = it.status().cloned().unwrap_or_default();
    let (moved, matched) = (status.moved.unwrap_or_default(), status.matched);
    let Some(matched) = matched else {
        return format!("{reason}: {}", condition.message);
    };
    let least = if status.at_least { "at least " } else { "" };
    let numbers = format!("{moved} of {least}{matched} {}", done(it));
    // On a terminal the bar says the rest.
    if with_bar && matches!(&**reason, "Moving" | "Canary" | "Counting") {
        return format!("{reason} {} {numbers}", bar(moved, matched));
    }
    format!("{reason}: {numbers}: {}", condition.message)
}

fn done(it: &Redrive) -> &'static str {
    match it {
        Redrive::Move(_) => "moved",
        Redrive::Discard(_) => "deleted",
    }
}

fn bar(moved: i64, matched: i64) -> String {
    let width = i64::try_from(BAR).unwrap_or_default();
    let full = moved.saturating_mul(width).checked_div(matched);
    let full = usize::try_from(full.unwrap_or(width)).unwrap_or_default();
    let full = full.min(BAR);
    format!("[{}{}]", "#".repeat(full), " ".repeat(BAR - full))
}

/// A line for each, with a head.
pub(super) fn table(all: &[Redrive]) -> String {
    let now = Timestamp::now();
    let head = [
        "NAME",
        "CHAIN",
        "TO",
        "STATE",
        "MATCHED",
        "MOVED",
        "SKIPPED",
        "FAILED AGAIN",
        "SINCE",
        "BY",
        "WHY",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.iter().map(|it| (*it).to_owned()).collect()];
    rows.extend(all.iter().map(|it| row(it, now)));
    columns(&rows)
}

fn row(it: &Redrive, now: Timestamp) -> Vec<String> {
    let status = it.status().cloned().unwrap_or_default();
    let number = |number: Option<i64>| number.map_or_else(|| "?".to_owned(), |it| it.to_string());
    let state = it.condition().map_or("Not seen", |it| it.reason.as_str());
    let created = it.metadata().creation_timestamp.as_ref();
    let to = it.to().unwrap_or("(deleted)");
    vec![
        it.name(),
        it.chain().to_owned(),
        to.to_owned(),
        state.to_owned(),
        number(status.matched),
        number(status.moved),
        number(status.skipped),
        number(status.failed_again),
        created.map_or_else(|| "?".to_owned(), |time| clock(time.0, now)),
        it.by().unwrap_or("?").to_owned(),
        it.reason().to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redrive(status: &str) -> Redrive {
        let object = format!(
            r#"{{"apiVersion": "executor-chain.dev/v1alpha1", "kind": "ChainRedrive",
            "metadata": {{"name": "inc-42", "creationTimestamp": "2020-01-01T00:00:00Z"}},
            "spec": {{"chain": "orders", "to": "fast", "rate": 20, "all": true, "reason": "INC-42"}},
            "status": {status}}}"#
        );
        Redrive::Move(Box::new(serde_json::from_str(&object).unwrap()))
    }

    fn with(condition: &str, numbers: &str) -> Redrive {
        redrive(&format!(
            r#"{{"conditions": [{{"type": "Finished", "lastTransitionTime": "2026-01-01T00:00:00Z", {condition}}}]{numbers}}}"#
        ))
    }

    #[test]
    fn progress_is_a_bar_on_a_terminal_and_a_line_elsewhere() {
        let moving = r#""status": "False", "reason": "Moving", "message": "tasks are moved""#;
        let it = with(moving, r#", "matched": 400, "moved": 100"#);
        assert_eq!(
            progress(&it, true),
            "Moving [#####               ] 100 of 400 moved"
        );
        assert_eq!(
            progress(&it, false),
            "Moving: 100 of 400 moved: tasks are moved"
        );
        let blocked = r#""status": "False", "reason": "Blocked", "message": "no queue""#;
        let it = with(blocked, r#", "matched": 4, "moved": 1, "atLeast": true"#);
        assert_eq!(
            progress(&it, true),
            "Blocked: 1 of at least 4 moved: no queue"
        );
        let done = r#""status": "True", "reason": "Done", "message": "4 tasks were moved""#;
        let it = with(done, r#", "matched": 4, "moved": 4"#);
        assert_eq!(progress(&it, true), "Done: 4 tasks were moved.");
        assert_eq!(progress(&redrive("{}"), true), "it waits for an operator");
        assert_eq!(bar(9, 0), format!("[{}]", "#".repeat(20)));
    }

    #[test]
    fn the_list_has_what_people_ask_for() {
        let done = r#""status": "True", "reason": "Done", "message": """#;
        let it = with(done, r#", "matched": 4, "moved": 3, "skipped": 1"#);
        assert_eq!(
            table(&[it]),
            "\
NAME    CHAIN   TO    STATE  MATCHED  MOVED  SKIPPED  FAILED AGAIN  SINCE                 BY  WHY
inc-42  orders  fast  Done   4        3      1        ?             2020-01-01T00:00:00Z  ?   INC-42
"
        );
    }
}
