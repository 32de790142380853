//! Shows how a redrive goes on until it is finished.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crds::RedriveReason;
use plan::Redrive;

use super::session::Session;
use super::target::Kind;
use super::text;
use crate::act::commands::say;
use crate::error::Error;
use crate::inspect::terminal;

/// How often it is looked at. The operator writes it every two seconds.
const LOOK: Duration = Duration::from_millis(500);
/// After which time without a status something may be wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// Follows one until it is finished, or a person presses Ctrl-C, which leaves it running.
pub(super) async fn follow(session: &mut Session<'_>, made: &Redrive) -> Result<ExitCode, Error> {
    let words = format!("{} {}", made.kind(), made.chain());
    let stop = session.command(&format!("{words} stop"));
    let look = session.command(&format!("redrives {}", made.chain()));
    tokio::select! {
        finished = until_finished(session, made) => finished,
        _ = tokio::signal::ctrl_c() => {
            say(&format!("\n{} continues. Show it: {look}. Stop it: {stop}", made.name()));
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn until_finished(session: &mut Session<'_>, made: &Redrive) -> Result<ExitCode, Error> {
    let (name, kind) = (made.name(), Kind::of(made));
    let begin = Instant::now();
    let mut shown = String::new();
    let mut has_warned = false;
    loop {
        let found = session
            .target
            .redrive(&session.namespace, kind, &name)
            .await?;
        let Some(found) = found else {
            say(&format!("{name} was deleted."));
            return Ok(ExitCode::FAILURE);
        };
        let is_terminal = terminal::size().is_some();
        let line = text::progress(&found, is_terminal);
        if line != shown {
            show(&line, is_terminal && !found.is_finished());
            shown = line;
        }
        if found.is_finished() {
            let is_done = found.state() == Some(RedriveReason::Done);
            return Ok(if is_done {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        if found.status().is_none() && !has_warned && begin.elapsed() > PATIENCE {
            has_warned = true;
            say(
                "no operator has seen it yet. It begins as soon as the leading operator supports redrives",
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// On a terminal, in the place of the line before.
fn show(line: &str, is_redrawn: bool) {
    if terminal::size().is_some() {
        let end = if is_redrawn { "" } else { "\n" };
        terminal::put(&format!("\r\x1b[K{}{end}", terminal::clean(line)));
    } else {
        say(line);
    }
}
