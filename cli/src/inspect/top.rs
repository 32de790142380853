//! `top`: a line for each stage.

use std::process::ExitCode;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::args::{TopOptions, TopOutput};
use super::scope::Scope;
use super::seen::Seen;
use super::source::Source;
use super::terminal;
use crate::error::Error;

/// How often the table is redrawn.
const INTERVAL: Duration = Duration::from_secs(2);

/// Runs the command.
pub async fn run(options: TopOptions, program: &str) -> Result<ExitCode, Error> {
    let mut source = Source::of(&options.place).await?;
    let scope = source.scope(&options.place, options.all_namespaces, None);
    let is_json = options.output == Some(TopOutput::Json);
    if terminal::size().is_some() && !options.once && !is_json {
        return follow(&mut source, &scope, &options).await;
    }
    let seen = source.look(&scope).await?;
    terminal::warn(program, &seen);
    let text = if is_json {
        terminal::json(&seen.list())
    } else {
        let width = terminal::size().map_or(terminal::UNLIMITED, |(columns, _)| columns);
        table(&seen, &scope, width, &options)
    };
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}

/// Redraws the table until it is interrupted.
async fn follow(
    source: &mut Source,
    scope: &Scope,
    options: &TopOptions,
) -> Result<ExitCode, Error> {
    // A command that can't work ends at once. Later failures may pass.
    let mut looked = Ok(source.look(scope).await?);
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    if !terminal::put("\x1b[2J") {
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        let Some((columns, lines)) = terminal::size() else {
            return Ok(ExitCode::SUCCESS);
        };
        let text = match &looked {
            Ok(seen) => {
                let mut text = table(seen, scope, columns, options);
                for line in terminal::gaps(seen) {
                    text = format!("{line}\n{text}");
                }
                text
            }
            Err(error) => format!("{error}\n"),
        };
        if !terminal::put(&terminal::screen(&text, lines)) {
            return Ok(ExitCode::SUCCESS);
        }
        ticks.tick().await;
        looked = source.look(scope).await;
    }
}

fn table(seen: &Seen, scope: &Scope, width: usize, options: &TopOptions) -> String {
    if seen.chains.is_empty() {
        return format!("no chains in {}\n", scope.place());
    }
    let is_wide = options.output == Some(TopOutput::Wide);
    console::text::top(&seen.chains, width, is_wide)
}
