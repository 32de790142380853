//! Handlers that were written for Cloud Tasks, in the manner of public frameworks and with what handlers
//! in the wild demand: each runs once behind the bare emulator, where its queue has four attempts, and
//! once behind `dev` with two stages of two attempts each. It must see the same requests, and its task
//! must end in the same way, but for the differences that its row names. `docs/migrate.md` explains them.

#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is a failure, as it should be"
)]

mod compare;
mod demands;
mod rest;
mod row;
mod rows;
mod server;
mod sides;
mod wrappers;

use std::collections::BTreeSet;

use row::{Row, Settings};
use sides::{Bare, Dev};

#[test]
fn a_handler_that_was_written_for_cloud_tasks_sees_the_same_behind_a_chain() {
    let wanted = std::env::var("HANDLER_ROWS").unwrap_or_default();
    let rows: Vec<Row> = rows::rows()
        .into_iter()
        .filter(|row| row.name.contains(&wanted))
        .collect();
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len(), "each row has a name of its own");
    let settings: BTreeSet<Settings> = rows.iter().map(|row| row.settings).collect();

    let chains = settings.into_iter().map(|settings| {
        let rows = rows.iter().filter(|row| row.settings == settings);
        Dev::spawn(settings, rows.collect())
    });
    let chains: Vec<Dev> = chains.collect();
    let bare = Bare::start(&rows);
    let sent: Vec<_> = chains.iter().map(Dev::send).collect();
    bare.wait();
    let mut failures = Vec::new();
    for (dev, sent) in chains.iter().zip(sent) {
        if let Err(said) = sent {
            failures.extend(dev.rows.iter().map(|row| format!("{}: {said}", row.name)));
            continue;
        }
        dev.wait();
        for row in &dev.rows {
            let wrong = compare::differences(row, &bare.seen(row), &dev.seen(row));
            if !wrong.is_empty() {
                failures.push(format!("{}\n    {}", row.name, wrong.join("\n    ")));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} rows differ:\n\n{}\n",
        failures.len(),
        names.len(),
        failures.join("\n")
    );
}
