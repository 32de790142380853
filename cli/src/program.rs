//! The name under which this program was started: `executor-chain`, or `kubectl-chain`, which kubectl runs
//! for `kubectl chain`.

use std::ffi::OsStr;
use std::path::Path;

use clap::{CommandFactory, FromArgMatches};

use crate::args::{Args, Command, PluginArgs};

/// What kubectl's plugins are named by.
const PLUGIN: &str = "kubectl-";
/// What kubectl asks for completions of a plugin's arguments.
const COMPLETER: &str = "kubectl_complete-";

/// The program, by the name under which it was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// `executor-chain`.
    Own,
    /// A plugin of kubectl, by the words that start it: `kubectl chain`.
    Plugin(String),
    /// The completer of a plugin.
    Completer,
}

impl Program {
    /// By the first argument.
    pub fn of(started_as: Option<&OsStr>) -> Self {
        let name = started_as.and_then(|path| Path::new(path).file_stem()?.to_str());
        let name = name.unwrap_or_default();
        match name.strip_prefix(PLUGIN) {
            // kubectl's names have a dash where a file's has an underscore.
            Some(command) => Self::Plugin(format!("kubectl {}", command.replace('_', "-"))),
            None if name.starts_with(COMPLETER) => Self::Completer,
            None => Self::Own,
        }
    }

    /// How messages name it.
    pub fn name(&self) -> &str {
        match self {
            Self::Own => "executor-chain",
            Self::Plugin(words) => words,
            Self::Completer => "kubectl chain",
        }
    }

    /// Its commands and options.
    pub fn command(&self) -> clap::Command {
        match self {
            Self::Own => Args::command(),
            Self::Plugin(_) | Self::Completer => {
                PluginArgs::command().bin_name(self.name().to_owned())
            }
        }
    }

    /// The command that its arguments ask for.
    pub fn parse(
        &self,
        arguments: impl IntoIterator<Item = std::ffi::OsString>,
    ) -> Result<Command, clap::Error> {
        let matches = self.command().try_get_matches_from(arguments)?;
        match self {
            Self::Own => Args::from_arg_matches(&matches).map(|args| args.command),
            Self::Plugin(_) | Self::Completer => {
                PluginArgs::from_arg_matches(&matches).map(|args| Command::Chain(args.command))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_file_chooses_the_program() {
        let plugin = |words: &str| Program::Plugin(words.to_owned());
        let rows = [
            ("target/debug/executor-chain", Program::Own),
            ("/usr/local/bin/kubectl-chain", plugin("kubectl chain")),
            ("kubectl-executor_chain", plugin("kubectl executor-chain")),
            ("kubectl-chain.exe", plugin("kubectl chain")),
            ("bin/kubectl_complete-chain", Program::Completer),
            ("", Program::Own),
        ];
        for (started_as, program) in rows {
            assert_eq!(
                Program::of(Some(OsStr::new(started_as))),
                program,
                "{started_as}"
            );
        }
        assert_eq!(Program::of(None), Program::Own);
    }

    #[test]
    fn a_plugin_has_the_commands_of_chains() {
        let parse = |program: &str, words: &str| {
            let all = [program]
                .into_iter()
                .chain(words.split(' '))
                .map(Into::into);
            Program::of(Some(OsStr::new(program))).parse(all)
        };
        for words in [
            "top -A -o wide --once",
            "why orders -n shop",
            "ui --no-open",
            "parked orders --by reason,hour --where reason=no-stock --where status=4xx --since 2h --limit 5",
            "throttle orders slow --rate 5 --for 30m --reason INC-42",
            "pause orders * --for 30m --reason INC-42 --dry-run",
            "resume orders slow",
            "scale orders slow --replicas 0 --for 30m --reason INC-42",
            "undo",
            "overrides orders -A",
            "plan -f chain.yaml",
            "redrive orders --to fast --rate 20 --where reason=no-stock --reason INC-42",
            "redrive orders --to fast --rate 20 --all --reason INC-42 --canary 20 --within 2m --dry-run",
            "redrive orders --rate 100",
            "redrive orders stop",
            "discard orders --all --reason INC-42",
            "discard orders stop",
            "redrives orders",
        ] {
            for program in ["kubectl-chain", "executor-chain"] {
                let parsed = parse(program, words);
                assert!(matches!(parsed, Ok(Command::Chain(_))), "{program} {words}");
            }
        }
        assert!(parse("executor-chain", "dev chain.yaml").is_ok());
        let refused = parse("kubectl-chain", "dev chain.yaml").unwrap_err();
        assert!(refused.to_string().contains("kubectl chain"), "{refused}");
    }
}
