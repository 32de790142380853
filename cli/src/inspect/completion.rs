//! Completions: commands and options, and names of chains, namespaces and contexts.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, complete as candidates};
use clap_complete::env::Shells;
use kube::config::Kubeconfig;
use tokio::time::timeout;

use super::args::Place;
use super::cluster::names;
use super::dev::Dev;
use super::scope::Scope;
use crate::error::Error;
use crate::program::Program;

/// The variable with which a shell asks for completions.
const VARIABLE: &str = "COMPLETE";
/// Longer, and a person types the name.
const PATIENCE: Duration = Duration::from_secs(3);
/// kubectl's word for: complete no names of files.
const NO_FILES: &str = ":4";

/// Prints completions, if a shell or kubectl asks for them.
pub fn complete(program: &Program) -> bool {
    if *program == Program::Completer {
        return for_kubectl(program);
    }
    CompleteEnv::with_factory(|| command(program))
        .var(VARIABLE)
        .complete();
    false
}

/// What kubectl expects of `kubectl_complete-chain`: a candidate a line, and a last line for the shell.
fn for_kubectl(program: &Program) -> bool {
    let words: Vec<OsString> = std::env::args_os().collect();
    let last = words.len().saturating_sub(1);
    let found = candidates(&mut command(program), words, last, None);
    let mut text = String::new();
    for candidate in found.unwrap_or_default() {
        text.push_str(&candidate.get_value().to_string_lossy());
        if let Some(help) = candidate.get_help() {
            text.push('\t');
            text.push_str(help.to_string().lines().next().unwrap_or_default());
        }
        text.push('\n');
    }
    text.push_str(NO_FILES);
    text.push('\n');
    // A shell that has left needs none.
    let _ = std::io::stdout().write_all(text.as_bytes());
    true
}

/// Prints the script that a shell sources.
pub fn script(shell: &str) -> Result<ExitCode, Error> {
    let shells = Shells::builtins();
    let completer = shells.completer(shell);
    let completer = completer.ok_or_else(|| Error::Shell(shell.to_owned()))?;
    let name = Program::Own.name().to_owned();
    let mut out = std::io::stdout().lock();
    completer.write_registration(VARIABLE, &name, &name, &name, &mut out)?;
    Ok(ExitCode::SUCCESS)
}

/// The commands, with completers of the names that a cluster has.
fn command(program: &Program) -> clap::Command {
    let mut command = program.command();
    for (subcommand, chain) in [
        ("top", None),
        ("why", Some("name")),
        ("parked", Some("name")),
        ("ui", Some("name")),
        ("history", Some("chain")),
    ] {
        command = command.mut_subcommand(subcommand, |command| {
            let command = command
                .mut_arg("namespace", |it| it.add(namespaces()))
                .mut_arg("operator_namespace", |it| it.add(namespaces()))
                .mut_arg("context", |it| it.add(contexts()));
            match chain {
                Some(chain) => command.mut_arg(chain, |it| it.add(chains())),
                None => command,
            }
        });
    }
    command.mut_subcommand("parked", |command| {
        command.mut_arg("filters", |it| it.add(filters()))
    })
}

/// Completes the names of filters of parked tasks.
fn filters() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let names = ["reason", "cause", "stage", "status", "task", "redrive"];
        let names = names.map(|name| format!("{name}="));
        beginning(typed, Some(names.into()))
    })
}

/// Completes names of chains, in the namespace that the command line has so far.
fn chains() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let place = place();
        let found = wait(async {
            let Some(address) = &place.dev else {
                return names::chains(&place).await;
            };
            let scope = Scope {
                namespace: place.namespace.clone(),
                name: None,
            };
            let seen = Dev::at(address).look(&scope).await.ok()?;
            Some(seen.chains.into_iter().map(|chain| chain.name).collect())
        });
        beginning(typed, found)
    })
}

/// Completes names of namespaces.
fn namespaces() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| beginning(typed, wait(names::namespaces(&place()))))
}

/// Completes names of contexts.
fn contexts() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let read = match place().kubeconfig {
            Some(file) => Kubeconfig::read_from(file),
            None => Kubeconfig::read(),
        };
        let contexts = read.ok().map(|read| read.contexts);
        let names = contexts.map(|all| all.into_iter().map(|context| context.name).collect());
        beginning(typed, names)
    })
}

/// A shell's user sees no error, only no candidates.
fn beginning(typed: &OsStr, names: Option<Vec<String>>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let names = names.unwrap_or_default().into_iter();
    names
        .filter(|name| name.starts_with(&*typed))
        .map(CompletionCandidate::new)
        .collect()
}

fn wait<T>(found: impl Future<Output = Option<T>>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let found = async { timeout(PATIENCE, found).await.ok()? };
    runtime.ok()?.block_on(found)
}

/// The place that the words have so far. Unfinished words are ignored.
fn place() -> Place {
    let words = std::env::args_os().skip(1);
    let words: Vec<OsString> = words.skip_while(|word| word == "--").collect();
    place_of(&words)
}

fn place_of(words: &[OsString]) -> Place {
    let value = |long: &str, short: Option<&str>| {
        let mut found = None;
        let mut rest = words.iter().filter_map(|word| word.to_str());
        while let Some(word) = rest.next() {
            if word == long || Some(word) == short {
                found = rest.next().filter(|value| !value.is_empty()).or(found);
            } else if let Some(value) = word.strip_prefix(long) {
                found = value.strip_prefix('=').or(found);
            }
        }
        found.map(str::to_owned)
    };
    Place {
        namespace: value("--namespace", Some("-n")),
        context: value("--context", None),
        kubeconfig: value("--kubeconfig", None).map(Into::into),
        operator_namespace: None,
        dev: value("--dev", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_place_that_was_typed() {
        let place = |words: &str| place_of(&words.split(' ').map(Into::into).collect::<Vec<_>>());
        let found = place("why -n shop --context=west --kubeconfig /k/config or");
        assert_eq!(found.namespace.as_deref(), Some("shop"));
        assert_eq!(found.context.as_deref(), Some("west"));
        assert_eq!(found.kubeconfig, Some("/k/config".into()));
        assert_eq!(place("why -n ").namespace, None);
        assert_eq!(
            place("why --dev 127.0.0.1:9480 ").dev.as_deref(),
            Some("127.0.0.1:9480")
        );
    }
}
