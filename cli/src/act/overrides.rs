//! `overrides`: those in force, and the history.

use std::process::ExitCode;

use jiff::Timestamp;
use kube::ResourceExt;

use super::args::OverridesOptions;
use super::target::{OverrideList, Target};
use super::text;
use crate::error::Error;
use crate::inspect::terminal;

/// Runs the command.
pub(super) async fn run(options: OverridesOptions) -> Result<ExitCode, Error> {
    let mut target = Target::of(&options.place).await?;
    let namespace = target.namespace(&options.place);
    let scope = Some(namespace.as_str()).filter(|_| !options.all_namespaces);
    let mut items = target.list(scope).await?;
    if let Some(chain) = &options.chain {
        items.retain(|it| it.spec.chain == *chain);
    }
    // Those in force first, then the newest.
    items.sort_by_key(|it| {
        let in_force = text::in_force(it).is_some_and(|it| it.status == "True");
        let created = it.creation_timestamp().map(|time| time.0);
        (!in_force, std::cmp::Reverse(created), it.name_any())
    });
    if options.output.is_some() {
        terminal::print(&terminal::json(&OverrideList { items }));
    } else if items.is_empty() {
        let place = if options.all_namespaces {
            "any namespace".to_owned()
        } else {
            format!("namespace {namespace}")
        };
        terminal::print(&format!("no overrides in {place}\n"));
    } else {
        let table = text::table(&items, options.all_namespaces, Timestamp::now());
        terminal::print(&table);
    }
    Ok(ExitCode::SUCCESS)
}
