//! Says which handlers run the tasks, and which handler accepts no connections.

use std::collections::BTreeMap;

use plan::LadderTime;

use crate::dev::chain::StageHandler;
use crate::dev::view::Row;

/// What has been said, so that it is said again only after a change.
#[derive(Default)]
pub struct Announcer {
    handlers: Vec<String>,
    ladder_time: Option<LadderTime>,
    stages: BTreeMap<String, Pushes>,
}

/// The pushes of a stage when they were looked at last.
#[derive(Default)]
struct Pushes {
    unreachable: u64,
    attempts: u64,
    /// The attempts when it was said that the handler accepts no connections.
    said_at: Option<u64>,
}

impl Announcer {
    /// Which handlers run the tasks, unless that was said before.
    pub fn handlers(&mut self, stages: &[StageHandler], built_in: &str) -> Vec<String> {
        let name = |stage: &StageHandler| match &stage.url {
            Some(url) => url.clone(),
            None => format!("a built-in handler: {built_in}"),
        };
        let is_one = stages.iter().all(|stage| stage.url == stages[0].url);
        let lines = if is_one {
            let first = stages.iter().take(1);
            first
                .map(|stage| format!("tasks are run by {}", name(stage)))
                .collect()
        } else {
            let line = |stage: &StageHandler| {
                format!("tasks are run on stage {} by {}", stage.stage, name(stage))
            };
            stages.iter().map(line).collect()
        };
        if self.handlers == lines {
            return Vec::new();
        }
        self.handlers.clone_from(&lines);
        lines
    }

    /// How long a task takes that always fails, unless that was said before.
    pub fn ladder_time(&mut self, time: Option<LadderTime>) -> Option<String> {
        if self.ladder_time == time {
            return None;
        }
        self.ladder_time = time;
        time.map(|time| format!("a task whose attempts all fail ends after {time}"))
    }

    /// The stages with pushes whose handler accepted no connection: once until an attempt has been made.
    pub fn unreachable(&mut self, rows: &[Row], stages: &[StageHandler]) -> Vec<String> {
        let mut lines = Vec::new();
        for (row, StageHandler { stage, url }) in rows.iter().zip(stages) {
            let pushes = self.stages.entry(stage.clone()).or_default();
            let (unreachable, attempts) = (row.done.handler_unreachable, row.attempts());
            // After an attempt the handler is there, whatever the pushes before it found.
            let is_away = unreachable > pushes.unreachable && attempts == pushes.attempts;
            (pushes.unreachable, pushes.attempts) = (unreachable, attempts);
            if is_away && pushes.said_at != Some(attempts) {
                pushes.said_at = Some(attempts);
                let url = url.as_deref().unwrap_or("the built-in handler");
                lines.push(format!(
                    "stage {stage}: {url} accepts no connections: start the handler, or correct its address. Its tasks wait"
                ));
            }
        }
        lines
    }
}
