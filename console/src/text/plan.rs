//! What an edit would do, as text.

use std::fmt::Write as _;

use super::forecast::forecast;
use crate::model::PlanReply;

/// The steps in order, what they wait for, and which pods restart.
pub fn plan(reply: &PlanReply) -> String {
    let mut text = String::new();
    if let Some(refused) = &reply.refused {
        let _ = writeln!(text, "The operator would refuse it: {refused}");
        return text;
    }
    if reply.rounds.iter().all(|round| round.steps.is_empty()) {
        text.push_str("Nothing would change.\n");
    } else {
        text.push_str("Steps:\n");
    }
    let mut number = 0;
    for round in &reply.rounds {
        for step in &round.steps {
            number += 1;
            let _ = writeln!(text, "{number:>3}. {} ({})", step.step, step.reason);
        }
        for wait in &round.waits {
            let _ = writeln!(text, "     wait: {wait}");
        }
    }
    if number > 0 {
        match reply.restarts.join(", ") {
            none if none.is_empty() => text.push_str("No pod restarts.\n"),
            stages => {
                let _ = writeln!(text, "Pods restart: {stages}.");
            }
        }
    }
    if let Some(effect) = &reply.effect {
        let _ = write!(text, "\n{}\n", forecast(effect));
    }
    if let Some(unknown) = &reply.no_effect {
        let _ = writeln!(text, "{}.", capital(unknown));
    }
    for note in &reply.notes {
        let _ = writeln!(text, "Note: {note}.");
    }
    text
}

/// As a sentence begins.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}
