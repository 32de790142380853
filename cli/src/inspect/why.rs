//! `why`: what is wrong, and what to do.

use std::process::ExitCode;

use console::LiveChain;

use super::args::{WhyOptions, WhyOutput};
use super::exit::{CANT_TELL, FINDINGS, NO_RIGHTS};
use super::scope::Scope;
use super::seen::Seen;
use super::source::Source;
use super::terminal;
use crate::error::Error;

/// Runs the command.
pub async fn run(options: WhyOptions, program: &str) -> Result<ExitCode, Error> {
    let mut source = Source::of(&options.place).await?;
    let name = options.name.as_deref();
    let scope = source.scope(&options.place, options.all_namespaces, name);
    let seen = source.look(&scope).await?;
    if let (Some(name), []) = (name, &seen.chains[..]) {
        return Err(Error::NoChain {
            name: name.to_owned(),
            place: scope.place(),
        });
    }
    terminal::warn(program, &seen);
    let code = exit_code(&seen);
    let text = match options.output {
        Some(WhyOutput::Json) => as_json(seen, &scope),
        None => as_text(&seen, &scope),
    };
    terminal::print(&text);
    Ok(ExitCode::from(code))
}

fn exit_code(seen: &Seen) -> u8 {
    if seen.chains.iter().any(has_findings) {
        FINDINGS
    } else if seen.lacks_a_right() {
        NO_RIGHTS
    } else if seen.is_incomplete() {
        CANT_TELL
    } else {
        0
    }
}

fn has_findings(chain: &LiveChain) -> bool {
    !chain.findings.is_empty()
}

/// One chain as it is, or a list of those with findings.
fn as_json(seen: Seen, scope: &Scope) -> String {
    if let (Some(_), [chain]) = (&scope.name, &seen.chains[..]) {
        return terminal::json(chain);
    }
    let mut list = seen.list();
    list.items.retain(has_findings);
    terminal::json(&list)
}

fn as_text(seen: &Seen, scope: &Scope) -> String {
    if let (Some(_), [chain]) = (&scope.name, &seen.chains[..]) {
        return console::text::why(chain);
    }
    let found = seen.chains.iter().filter(|chain| has_findings(chain));
    let parts: Vec<String> = found
        .map(|chain| {
            let why = console::text::why(chain);
            format!("{}/{}\n{why}", chain.namespace, chain.name)
        })
        .collect();
    if parts.is_empty() {
        let place = scope.place();
        return match seen.chains.len() {
            1 => format!("nothing found: 1 chain in {place}\n"),
            count => format!("nothing found: {count} chains in {place}\n"),
        };
    }
    parts.join("\n")
}
