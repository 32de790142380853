//! `parked`: which tasks a chain has parked, and how they can be run again.

use std::process::ExitCode;

use console::text::{self, ParkedCommand};
use console::{ParkedQuery, ParkedReply};
use jiff::Timestamp;
use parking::Filter;

use super::args::{ParkedOptions, Place};
use super::scope::Scope;
use super::source::Source;
use super::terminal;
use crate::error::Error;

/// Runs the command.
pub async fn run(options: ParkedOptions, program: &str) -> Result<ExitCode, Error> {
    let ParkedOptions {
        name,
        place,
        by,
        filters,
        since,
        limit,
        output,
    } = options;
    // What is wrong with it is said without a look.
    let parsed = filters
        .iter()
        .try_fold(Filter::default(), |filter, part| filter.with(part));
    parsed.map_err(|error| Error::Refused(format!("--where: {error}")))?;
    let mut source = Source::of(&place).await?;
    let mut scope = source.scope(&place, false, Some(&name));
    let namespace = namespace(&mut source, &mut scope).await?;
    let query = ParkedQuery::encode(&by, &filters, since.as_ref(), limit);
    let path = format!("/api/v1/parked/{namespace}/{name}?{query}");
    let reply: ParkedReply = source.ask(&scope, &path).await?;
    let text = if output.is_some() {
        terminal::json(&reply)
    } else {
        let width = terminal::size().map_or(terminal::UNLIMITED, |(columns, _)| columns);
        let command = ParkedCommand {
            program,
            chain: &format!("{name} {}", arguments(&source, &place, &namespace)),
            filters: &filters,
        };
        text::parked(&reply, command, Timestamp::now(), width)
    };
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}

/// The namespace of the chain. A `dev` has one chain, wherever that is.
async fn namespace(source: &mut Source, scope: &mut Scope) -> Result<String, Error> {
    if let Some(namespace) = &scope.namespace {
        return Ok(namespace.clone());
    }
    let seen = source.look(scope).await?;
    let mut chains = seen.chains.into_iter();
    let chain = chains.next().ok_or_else(|| Error::NoChain {
        name: scope.name.clone().unwrap_or_default(),
        place: scope.place(),
    })?;
    scope.namespace = Some(chain.namespace.clone());
    Ok(chain.namespace)
}

/// How the next command finds the same chain.
#[cfg_attr(
    not(feature = "cluster"),
    expect(unused_variables, reason = "a dev is found by its address")
)]
fn arguments(source: &Source, place: &Place, namespace: &str) -> String {
    match source {
        Source::Dev(dev) => format!("--dev {}", dev.address()),
        #[cfg(feature = "cluster")]
        Source::Cluster(_) => {
            let context = place.context.as_ref().map(|it| format!(" --context {it}"));
            let kubeconfig = place.kubeconfig.as_ref();
            let kubeconfig = kubeconfig.map(|it| format!(" --kubeconfig {}", it.display()));
            let more = [context, kubeconfig].into_iter().flatten();
            format!("-n {namespace}{}", more.collect::<String>())
        }
    }
}
