//! `history`: generations of the spec, overrides, and Events in one list by time.

mod timeline;

use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::args::HistoryOptions;
use super::target::Target;
use crate::error::Error;
use crate::inspect::exit::{CANT_TELL, NO_RIGHTS};
use crate::inspect::seen::Gap;
use crate::inspect::terminal;
use timeline::{Entry, Sources, timeline};

/// What is said where there is no cluster.
const OF_DEV: &str =
    "dev keeps neither revisions of its file nor Events: these are the overrides of this session";

/// As `-o json` has it.
#[derive(Serialize)]
struct History {
    items: Vec<Entry>,
    /// What couldn't be read, and why.
    missing: Vec<String>,
}

/// Runs the command.
pub(super) async fn run(options: HistoryOptions, program: &str) -> Result<ExitCode, Error> {
    let HistoryOptions {
        chain,
        since,
        place,
        output,
    } = options;
    let now = Timestamp::now();
    let since = since.and_then(|it| {
        let since = SignedDuration::try_from(it.0).ok()?;
        now.checked_sub(since).ok()
    });
    let mut target = Target::of(&place).await?;
    let namespace = target.namespace(&place);
    let mut missing = Vec::new();
    let sources = read(&mut target, &namespace, &chain, &mut missing).await?;
    let mut lines: Vec<String> = missing
        .iter()
        .map(|(what, gap)| format!("no {what}: {gap}"))
        .collect();
    if matches!(target, Target::Dev(_)) {
        lines.push(OF_DEV.to_owned());
    }
    for line in &lines {
        eprintln!("{program}: {line}");
    }
    let is_blind =
        sources.revisions.is_none() && sources.overrides.is_none() && sources.events.is_none();
    let items = timeline(&sources, since);
    if output.is_some() {
        let missing = lines;
        terminal::print(&terminal::json(&History { items, missing }));
    } else if items.is_empty() && !is_blind {
        let recent = if since.is_some() { " since then" } else { "" };
        terminal::print(&format!(
            "no history of chain {chain} in namespace {namespace}{recent}\n"
        ));
    } else {
        terminal::print(&timeline::text(&items, now));
        if sources.events.is_some() {
            terminal::print(
                "Kubernetes keeps Events for an hour: older ones are not in this list.\n",
            );
        }
    }
    let lacks_right = missing.iter().any(|(_, gap)| matches!(gap, Gap::Right(_)));
    Ok(match (is_blind, lacks_right) {
        (false, _) => ExitCode::SUCCESS,
        (true, true) => ExitCode::from(NO_RIGHTS),
        (true, false) => ExitCode::from(CANT_TELL),
    })
}

/// Each source for itself: one that can't be read hides nothing of the others.
async fn read(
    target: &mut Target,
    namespace: &str,
    chain: &str,
    missing: &mut Vec<(&'static str, Gap)>,
) -> Result<Sources, Error> {
    let mut sources = Sources::default();
    let overrides = match target {
        Target::Dev(_) => Ok(target.list(Some(namespace)).await?),
        #[cfg(feature = "cluster")]
        Target::Cluster(cluster) => {
            let mut keep = |what, gap| missing.push((what, gap));
            let revisions = super::chain_api::revisions(cluster, namespace, chain).await;
            sources.revisions = revisions.map_err(|gap| keep("revisions", gap)).ok();
            let events = super::chain_api::events(cluster, namespace, chain).await;
            sources.events = events.map_err(|gap| keep("Events", gap)).ok();
            super::chain_api::overrides(cluster, namespace).await
        }
    };
    match overrides {
        Ok(mut overrides) => {
            overrides.retain(|it| it.spec.chain == chain);
            sources.overrides = Some(overrides);
        }
        Err(gap) => missing.push(("overrides", gap)),
    }
    Ok(sources)
}
