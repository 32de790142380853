//! The output: a live table on a terminal, else a line now and then.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Instant;

use executor_worker::MetricsSnapshot;

/// The state of one stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The stage.
    pub stage: String,
    /// Tasks in its queue.
    pub queued: usize,
    /// Whether the queue has more, which were not counted.
    pub and_more: bool,
    /// What its workers have done.
    pub done: MetricsSnapshot,
}

/// Prints rows and messages.
pub struct View {
    is_terminal: bool,
    drawn: usize,
    last: Option<(Instant, BTreeMap<String, u64>)>,
    last_line: String,
    begin: Instant,
    /// Standard output is closed.
    is_gone: bool,
}

impl View {
    /// Prints to standard output.
    pub fn new() -> Self {
        Self {
            is_terminal: std::io::stdout().is_terminal(),
            drawn: 0,
            last: None,
            last_line: String::new(),
            begin: Instant::now(),
            is_gone: false,
        }
    }

    /// Whether standard output is closed, as after `| head`.
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    fn put(&mut self, text: &str) {
        let mut out = std::io::stdout().lock();
        let put = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        self.is_gone |= put.is_err();
    }

    /// Whether the table is redrawn.
    pub fn is_live(&self) -> bool {
        self.is_terminal
    }

    /// Prints lines that stay above the table.
    pub fn say(&mut self, text: &str) {
        self.wipe();
        self.put(&format!("{text}\n"));
    }

    /// Shows the rows.
    pub fn show(&mut self, rows: &[Row]) {
        if self.is_terminal {
            let table = self.table(rows);
            self.wipe();
            self.put(&table);
            self.drawn = table.lines().count();
        } else {
            let line = line(rows);
            if line != self.last_line {
                let seconds = self.begin.elapsed().as_secs_f64();
                self.put(&format!("{seconds:>5.1}s  {line}\n"));
                self.last_line = line;
            }
        }
    }

    fn wipe(&mut self) {
        if self.drawn > 0 {
            // To the table's first column and line, and clear from there on. The column too: an
            // echoed ^C has moved the cursor.
            self.put(&format!("\r\x1b[{}A\x1b[0J", self.drawn));
            self.drawn = 0;
        }
    }

    fn table(&mut self, rows: &[Row]) -> String {
        let rates = self.rates(rows);
        let mut table = format!(
            "{:<20} {:>8} {:>8} {:>8} {:>10} {:>10} {:>11}\n",
            "STAGE", "PENDING", "RUNNING", "RATE/S", "ATTEMPTS", "SUCCEEDED", "HANDED OVER"
        );
        for (row, rate) in rows.iter().zip(rates) {
            let Row { stage, done, .. } = row;
            let running = usize::try_from(done.runs_under_way).unwrap_or_default();
            let pending = row.count(row.queued.saturating_sub(running));
            let _ = writeln!(
                table,
                "{stage:<20} {pending:>8} {running:>8} {rate:>8.1} {:>10} {:>10} {:>11}",
                done.runs_started, done.attempts_succeeded, done.handed_on
            );
        }
        table
    }

    /// Attempts a second since the last table.
    fn rates(&mut self, rows: &[Row]) -> Vec<f64> {
        let now = Instant::now();
        let counts: BTreeMap<String, u64> = rows
            .iter()
            .map(|row| (row.stage.clone(), row.attempts()))
            .collect();
        let previous = self.last.replace((now, counts));
        rows.iter()
            .map(|row| {
                let Some((then, counts)) = &previous else {
                    return 0.0;
                };
                let before = counts.get(&row.stage).copied().unwrap_or_default();
                let more = u32::try_from(row.attempts().saturating_sub(before));
                f64::from(more.unwrap_or(u32::MAX)) / (now - *then).as_secs_f64().max(0.001)
            })
            .collect()
    }
}

impl Row {
    /// The finished attempts. A push that found no handler is none.
    pub fn attempts(&self) -> u64 {
        let done = &self.done;
        done.attempts_succeeded + done.attempts_failed + done.attempts_timed_out
    }

    fn count(&self, tasks: usize) -> String {
        format!("{tasks}{}", if self.and_more { "+" } else { "" })
    }
}

fn line(rows: &[Row]) -> String {
    let parts: Vec<String> = rows
        .iter()
        .map(|row| {
            let Row { stage, done, .. } = row;
            format!(
                "{stage}: {} queued, {} attempts, {} succeeded, {} handed over",
                row.count(row.queued),
                row.attempts(),
                done.attempts_succeeded,
                done.handed_on
            )
        })
        .collect();
    parts.join(" | ")
}
