//! What is wrong, and what isn't. The sentence of each finding is written where it is found, in `crate::why`.

use std::fmt::Write as _;

use super::ruled_out::ruled_out;
use super::unknown::unknown;
use crate::model::{EditState, Finding, LiveChain, LiveStage};
use crate::units;

/// The findings of a chain, each with what to do, and what was ruled out.
pub fn why(chain: &LiveChain) -> String {
    let mut text = String::new();
    for (number, finding) in chain.findings.iter().enumerate() {
        let _ = writeln!(text, "{} {}", number + 1, sentence(finding));
        let _ = writeln!(text, "  Do: {}", finding.command);
    }
    let unknown = unknown([chain]);
    if let Some(first) = chain.findings.first() {
        let stage = first.stage.as_ref();
        let mut stages = chain.stages.iter();
        let stage = stages.find(|it| Some(&it.name) == stage);
        let ruled_out = stage.map_or_else(Vec::new, |stage| ruled_out(chain, stage));
        if !ruled_out.is_empty() {
            let _ = writeln!(text, "Not the cause: {}.", ruled_out.join("; "));
        }
    } else if unknown.is_empty() {
        text.push_str("Nothing is wrong.\n");
    } else {
        text.push_str("Nothing found, but not all numbers are known.\n");
    }
    for line in notes(chain) {
        let _ = writeln!(text, "{line}");
    }
    for line in unknown {
        let _ = writeln!(text, "Unknown: {line}.");
    }
    text
}

fn sentence(finding: &Finding) -> String {
    let Finding {
        cause: _,
        stage,
        since,
        message,
        command: _,
    } = finding;
    let stage = stage.as_deref().unwrap_or("chain");
    // Conditions quote what others have written.
    let message = message.replace(char::is_control, " ");
    let message = message.trim_end_matches('.');
    let since = since.map_or_else(String::new, |at| format!(", since {at:.0}"));
    format!("{stage}{since}: {message}.")
}

/// What looks as if something were wrong, and isn't.
fn notes(chain: &LiveChain) -> Vec<String> {
    let mut notes = Vec::new();
    if chain.edit == EditState::Pending {
        notes.push("The operator is applying an edit.".to_owned());
    }
    for stage in &chain.stages {
        for it in &stage.overrides {
            notes.push(format!(
                "Overridden: {}: {} until {:.0} by {}.",
                stage.name, it.settings, it.until, it.name
            ));
            notes.extend(it.comparison.iter().map(|it| format!("  {it}.")));
        }
    }
    if !chain.draining.is_empty() {
        notes.push(format!("Draining: {}.", chain.draining.join(", ")));
    }
    if chain.findings.is_empty() {
        notes.extend(chain.stages.iter().filter_map(not_due));
    }
    notes
}

/// Depth that is no backlog: tasks that are scheduled for later, and retries in their backoff.
fn not_due(stage: &LiveStage) -> Option<String> {
    let numbers = stage.queue_numbers.value()?;
    let waiting = numbers.tasks.saturating_sub(numbers.in_flight);
    let first = numbers.first_due.filter(|_| waiting > 0)?;
    let is_later = numbers.lag.is_some_and(|lag| lag.is_zero());
    is_later.then(|| {
        let tasks = if waiting == 1 { "task" } else { "tasks" };
        let waiting = units::count(waiting);
        let name = &stage.name;
        format!("Not due: {waiting} {tasks} of {name}, until {first:.0}.")
    })
}
