//! `redrive`, `discard` and `redrives`: parked tasks run again, or are deleted.

mod follow;
mod session;
mod target;
mod text;

use std::io::BufRead;
use std::process::ExitCode;

use console::{ParkedQuery, ParkedReply};
use crds::{Canary, ChainDiscard, ChainDiscardSpec, ChainRedrive, ChainRedriveSpec, ParkedFilter};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use parking::{Filter, GroupKey};
use plan::Redrive;
use serde_json::{Value, json};

use super::args::{DiscardOptions, RedriveOptions, RedrivesOptions, WhichParked};
use super::commands::say;
use crate::error::Error;
use crate::inspect::scope::Scope;
use crate::inspect::source::Source;
use crate::inspect::terminal;
use follow::follow;
use session::Session;
pub(crate) use target::{Kind, RedriveChange, RedriveList};

/// Moves parked tasks, or changes or stops the redrive that does.
pub(super) async fn redrive(options: RedriveOptions, program: &str) -> Result<ExitCode, Error> {
    let mut session = Session::of(&options.place, program).await?;
    let RedriveOptions {
        chain, name, rate, ..
    } = &options;
    if options.action.is_some() {
        return stop(&mut session, Kind::Redrive, chain, name.as_deref()).await;
    }
    let (Some(to), Some(rate), Some(reason)) = (&options.to, rate, &options.reason) else {
        let Some(rate) = rate else {
            return Err(Error::Refused(
                "options are missing. To begin a redrive, write --to STAGE, --rate N, --reason TEXT, and --where NAME=VALUE or --all. To change the rate of a running redrive, write only --rate N. To stop it, write stop".to_owned(),
            ));
        };
        let spec = json!({"rate": rate});
        let open = open(&mut session, Kind::Redrive, chain, name.as_deref()).await?;
        let name = open.name();
        session
            .target
            .change_redrive(&session.namespace, Kind::Redrive, &name, spec)
            .await?;
        say(&format!("{name} moves {rate} tasks a second from now on."));
        return Ok(ExitCode::SUCCESS);
    };
    let filter = filter(&options.which)?;
    let count = count(&mut session, chain, &options.which).await;
    say(&format!(
        "{} of chain {chain} would move to stage {to}, {rate} a second.",
        count.text()
    ));
    if options.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let canary = options.canary.map(|tasks| Canary {
        tasks,
        within: options.within,
        at_least: options.at_least.clone(),
    });
    let spec = ChainRedriveSpec {
        chain: chain.clone(),
        to: to.clone(),
        rate: *rate,
        filter,
        all: options.which.all,
        canary,
        reason: reason.clone(),
        by: session.target.who().await,
        stopped: false,
        stopped_by: None,
    };
    let mut object = ChainRedrive::new("", spec);
    name_it(
        &mut object.metadata,
        &session.namespace,
        name.as_ref(),
        &format!("{chain}-redrive-"),
    );
    make(
        &mut session,
        Redrive::Move(Box::new(object)),
        options.no_wait,
    )
    .await
}

/// Deletes parked tasks.
pub(super) async fn discard(options: DiscardOptions, program: &str) -> Result<ExitCode, Error> {
    let mut session = Session::of(&options.place, program).await?;
    let DiscardOptions { chain, name, .. } = &options;
    // The options require one of the two.
    let (None, Some(reason)) = (options.action, &options.reason) else {
        return stop(&mut session, Kind::Discard, chain, name.as_deref()).await;
    };
    let filter = filter(&options.which)?;
    let count = count(&mut session, chain, &options.which).await;
    say(&format!(
        "{} of chain {chain} would be deleted for good.",
        count.text()
    ));
    if options.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let spec = ChainDiscardSpec {
        chain: chain.clone(),
        filter,
        all: options.which.all,
        reason: reason.clone(),
        by: session.target.who().await,
        stopped: false,
        stopped_by: None,
    };
    let mut object = ChainDiscard::new("", spec);
    name_it(
        &mut object.metadata,
        &session.namespace,
        name.as_ref(),
        &format!("{chain}-discard-"),
    );
    let object = Redrive::Discard(Box::new(object));
    session
        .target
        .try_create(&session.namespace, &object)
        .await?;
    confirm(&count, chain)?;
    make(&mut session, object, options.no_wait).await
}

/// Lists them.
pub(super) async fn list(options: RedrivesOptions, program: &str) -> Result<ExitCode, Error> {
    let mut session = Session::of(&options.place, program).await?;
    let mut all = session.target.redrives(&session.namespace).await?;
    if let Some(chain) = &options.chain {
        all.retain(|it| it.chain() == chain);
    }
    // Those that run first, then the newest.
    all.sort_by_key(|it| {
        let created = it.metadata().creation_timestamp.as_ref();
        let created = created.map(|time| time.0);
        (it.is_finished(), std::cmp::Reverse(created), it.name())
    });
    let text = if options.output.is_some() {
        terminal::json(&RedriveList::of(all))
    } else if all.is_empty() {
        let namespace = &session.namespace;
        format!("no redrives or discards in namespace {namespace}\n")
    } else {
        text::table(&all)
    };
    terminal::print(&text);
    Ok(ExitCode::SUCCESS)
}

async fn make(
    session: &mut Session<'_>,
    object: Redrive,
    no_wait: bool,
) -> Result<ExitCode, Error> {
    let made = session
        .target
        .create_redrive(&session.namespace, &object)
        .await?;
    let (kind, chain) = (made.kind(), made.chain().to_owned());
    let stop = session.command(&format!("{kind} {chain} stop"));
    say(&format!("{} is made. Stop it: {stop}", made.name()));
    if no_wait {
        return Ok(ExitCode::SUCCESS);
    }
    follow(session, &made).await
}

async fn stop(
    session: &mut Session<'_>,
    kind: Kind,
    chain: &str,
    name: Option<&str>,
) -> Result<ExitCode, Error> {
    let open = open(session, kind, chain, name).await?;
    let by = session.target.who().await;
    let spec = json!({"stopped": true, "stoppedBy": by});
    let name = open.name();
    session
        .target
        .change_redrive(&session.namespace, kind, &name, spec)
        .await?;
    follow(session, &open).await?;
    // Also one that was done meanwhile moves nothing any more.
    Ok(ExitCode::SUCCESS)
}

/// The one of a chain that isn't finished, or the one of this name.
async fn open(
    session: &mut Session<'_>,
    kind: Kind,
    chain: &str,
    name: Option<&str>,
) -> Result<Redrive, Error> {
    let all = session.target.redrives(&session.namespace).await?;
    let mut open = all.into_iter().filter(|it| {
        let is_meant = name.is_none_or(|name| it.name() == name);
        Kind::of(it) == kind && it.chain() == chain && !it.is_finished() && is_meant
    });
    match (open.next(), open.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Error::Refused(format!(
            "no {kind} of chain {chain} runs or waits in namespace {}",
            session.namespace
        ))),
        (Some(one), Some(other)) => Err(Error::Refused(format!(
            "chain {chain} has several {kind}s: choose one with --name, such as {} or {}",
            one.name(),
            other.name()
        ))),
    }
}

fn name_it(metadata: &mut ObjectMeta, namespace: &str, name: Option<&String>, prefix: &str) {
    metadata.namespace = Some(namespace.to_owned());
    metadata.name = name.cloned();
    metadata.generate_name = name.is_none().then(|| prefix.to_owned());
}

/// What the options name. What means no task and all tasks is refused before anything is asked.
fn filter(which: &WhichParked) -> Result<Option<ParkedFilter>, Error> {
    if which.all {
        return Ok(None);
    }
    let mut parts = which.filters.iter();
    let filter = parts.try_fold(Filter::default(), |filter, part| filter.with(part));
    let filter = filter.map_err(|error| Error::Refused(format!("--where: {error}")))?;
    if filter.is_empty() && which.since.is_none() {
        return Err(Error::Refused(
            "write --where NAME=VALUE or --since DURATION for some of the parked tasks, or --all"
                .to_owned(),
        ));
    }
    let text = |value: Value| value.as_str().map(str::to_owned);
    let values = serde_json::to_value(&filter).unwrap_or_default();
    let part = |name: &str| values.get(name).cloned().and_then(text);
    let since = which.since.and_then(|since| {
        let since = SignedDuration::try_from(since.0).ok()?;
        Timestamp::now().checked_sub(since).ok()
    });
    Ok(Some(ParkedFilter {
        reason: part("reason"),
        cause: part("cause"),
        stage: part("stage"),
        status: part("status"),
        task: part("task"),
        redrive: part("redrive"),
        parked_after: since.map(Time),
        parked_before: None,
    }))
}

/// How many tasks are meant.
enum Count {
    Exactly(u64),
    AtLeast(u64),
    Unknown(String),
}

impl Count {
    fn text(&self) -> String {
        match self {
            Self::Exactly(1) => "1 parked task".to_owned(),
            Self::Exactly(count) => format!("{count} parked tasks"),
            Self::AtLeast(count) => format!("at least {count} parked tasks"),
            Self::Unknown(why) => {
                format!("an unknown number of parked tasks (they can't be counted: {why})")
            }
        }
    }
}

/// Asks the operator. Whatever is wrong with that is said, and stops nothing.
async fn count(session: &mut Session<'_>, chain: &str, which: &WhichParked) -> Count {
    match ask(session, chain, which).await {
        Ok(reply) if reply.at_least => Count::AtLeast(reply.tasks),
        Ok(reply) => Count::Exactly(reply.tasks),
        Err(error) => Count::Unknown(error.to_string()),
    }
}

async fn ask(
    session: &mut Session<'_>,
    chain: &str,
    which: &WhichParked,
) -> Result<ParkedReply, Error> {
    let mut source = Source::of(session.place).await?;
    let mut scope = source.scope(session.place, false, Some(chain));
    if scope.namespace.is_none() {
        // A dev has one chain, wherever it is.
        let seen = source.look(&scope).await?;
        let found = seen.chains.into_iter().next();
        scope = Scope {
            namespace: found.map(|chain| chain.namespace),
            ..scope
        };
    }
    let namespace = scope.namespace.clone();
    let namespace = namespace.unwrap_or_else(|| session.namespace.clone());
    let by = [GroupKey::Reason];
    let query = ParkedQuery::encode(&by, &which.filters, which.since.as_ref(), 0);
    let path = format!("/api/v1/parked/{namespace}/{chain}?{query}");
    source.ask(&scope, &path).await
}

/// What is deleted is gone: one who types the number knows how much it is.
fn confirm(count: &Count, chain: &str) -> Result<(), Error> {
    let (what, wanted) = match count {
        Count::Exactly(count) | Count::AtLeast(count) => ("this number", count.to_string()),
        Count::Unknown(_) => ("the name of the chain", chain.to_owned()),
    };
    say(&format!("Type {what} to delete them: {wanted}"));
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    if typed.trim() == wanted {
        Ok(())
    } else {
        Err(Error::Refused(format!(
            "nothing is deleted: {:?} was typed in, not {wanted}",
            typed.trim()
        )))
    }
}
