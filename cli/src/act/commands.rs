//! The commands that make and end overrides, and plan edits.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use console::{PlanReply, PlanRequest, PlannedEdit};
use crds::{ChainOverride, OverrideReason};
use jiff::Timestamp;
use kube::ResourceExt;

use super::args::{
    Making, PauseOptions, PlanOptions, ResumeOptions, ScaleOptions, ThrottleOptions, UndoOptions,
};
use super::change::{Planned, refuse};
use super::target::Target;
use super::text::{clock, in_force, settings};
use crate::dev::manifest::Manifest;
use crate::error::Error;
use crate::inspect::args::Place;
use crate::inspect::exit::CANT_TELL;
use crate::inspect::seen::Gap;
use crate::inspect::terminal;

/// How long a command waits until what it has made is in force.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// How often it looks.
pub(super) const LOOK: Duration = Duration::from_millis(100);

pub(super) async fn throttle(options: ThrottleOptions, program: &str) -> Result<ExitCode, Error> {
    let planned = Planned::throttle(&options);
    make(planned, &options.change.making, program).await
}

pub(super) async fn pause(options: PauseOptions, program: &str) -> Result<ExitCode, Error> {
    let planned = Planned::pause(&options.change);
    make(planned, &options.change.making, program).await
}

pub(super) async fn scale(options: ScaleOptions, program: &str) -> Result<ExitCode, Error> {
    let planned = Planned::scale(&options);
    make(planned, &options.change.making, program).await
}

/// Prints the plan, makes the override, and waits until it is in force.
async fn make(planned: Planned, making: &Making, program: &str) -> Result<ExitCode, Error> {
    refuse(&planned.spec).map_err(Error::Refused)?;
    let mut target = Target::of(&making.place).await?;
    let namespace = target.namespace(&making.place);
    let request = PlanRequest {
        namespace: namespace.clone(),
        chain: planned.spec.chain.clone(),
        edit: PlannedEdit::Override(Box::new(planned.spec.clone())),
    };
    let plan = target.plan(&request).await?;
    if let Ok(reply) = &plan
        && planned.spec.replicas.is_some()
        && reply.refused.is_none()
        && reply.rounds.iter().all(|round| round.steps.is_empty())
        && !reply.notes.is_empty()
    {
        return Err(Error::Refused(reply.notes.join("; ")));
    }
    if let Some(code) = show(plan, making.dry_run, program)? {
        return Ok(code);
    }
    let by = target.who().await;
    let begin = Instant::now();
    let made = target.create(&planned.object(&namespace, by)).await?;
    let name = made.name_any();
    let waited = wait(&mut target, &namespace, &name, is_applied);
    let code = match waited.await? {
        Ok(it) => {
            let until = it.status.as_ref().and_then(|status| status.until.clone());
            let until = until.map_or_else(String::new, |until| {
                format!(" until {}", clock(until.0, Timestamp::now()))
            });
            say(&format!(
                "{name}: {} on {}{until}, in force after {:.1} s.",
                settings(&it),
                it.spec.stages.join(", "),
                begin.elapsed().as_secs_f64(),
            ));
            note(&it);
            ExitCode::SUCCESS
        }
        Err(waits) => {
            say(&format!("{name} is made, and not in force yet: {waits}"));
            ExitCode::from(CANT_TELL)
        }
    };
    say(&format!(
        "Undo: {}",
        undo_command(&making.place, &namespace, &name, program)
    ));
    Ok(code)
}

/// Whether all of an override is in force that can be: a newer one may have some of its settings.
fn is_applied(it: &ChainOverride) -> bool {
    let applying = OverrideReason::Applying.as_str();
    in_force(it).is_some_and(|it| it.status == "True" && it.reason != applying)
}

/// Whether an override is over: a rate that comes back in steps may take its time.
fn is_over(it: &ChainOverride) -> bool {
    in_force(it).is_some_and(|it| it.status == "False" || it.reason == "Restoring")
}

/// What isn't in force of an override.
fn note(it: &ChainOverride) {
    let partly = in_force(it).filter(|it| it.reason == "PartlyApplied");
    if let Some(partly) = partly {
        say(&format!("Not fully in force: {}.", partly.message));
    }
}

pub(super) async fn resume(options: ResumeOptions, program: &str) -> Result<ExitCode, Error> {
    let ResumeOptions {
        chain,
        stage,
        lasts,
        reason,
        name,
        dry_run,
        place,
    } = options;
    if let (Some(lasts), Some(reason)) = (lasts, reason) {
        let making = Making {
            lasts,
            reason,
            name,
            restore_over: None,
            dry_run,
            place,
        };
        let planned = Planned::run(&chain, &stage, &making);
        return make(planned, &making, program).await;
    }
    let mut target = Target::of(&place).await?;
    let namespace = target.namespace(&place);
    let all = target.list(Some(&namespace)).await?;
    let pauses = |it: &&ChainOverride| {
        it.spec.chain == chain && it.spec.paused == Some(true) && it.names(&stage) && is_live(it)
    };
    let pauses: Vec<ChainOverride> = all.iter().filter(pauses).cloned().collect();
    let alone = format!(
        "or override the pause of this stage alone: {program} resume {chain} {stage} --for 30m --reason …"
    );
    if pauses.is_empty() {
        return Err(Error::Refused(format!(
            "no override pauses stage {stage} of chain {chain}: see what pauses it with {program} why {chain}, {alone}"
        )));
    }
    if let Some(more) = pauses.iter().find(|it| it.spec.stages != [stage.as_str()]) {
        let name = more.name_any();
        return Err(Error::Refused(format!(
            "override {name} pauses {}, not only {stage}: end the whole override ({}), {alone}",
            more.spec.stages.join(", "),
            undo_command(&place, &namespace, &name, program),
        )));
    }
    end(&mut target, (&place, &namespace), &pauses, dry_run, program).await
}

fn is_restoring(it: &ChainOverride) -> bool {
    in_force(it).is_some_and(|it| it.reason == "Restoring")
}

/// Whether it is in force, or will be.
fn is_live(it: &ChainOverride) -> bool {
    let ended = it
        .status
        .as_ref()
        .is_some_and(|status| status.ended_at.is_some());
    !it.spec.ended && !ended
}

pub(super) async fn undo(options: UndoOptions, program: &str) -> Result<ExitCode, Error> {
    let mut target = Target::of(&options.place).await?;
    let namespace = target.namespace(&options.place);
    let all = target.list(Some(&namespace)).await?;
    let found: Vec<ChainOverride> = match &options.name {
        Some(name) => {
            let found = all.into_iter().find(|it| it.name_any() == *name);
            let found = found.ok_or_else(|| {
                Error::Refused(format!(
                    "namespace {namespace} has no override {name}. To restore an earlier spec of a chain: {program} undo CHAIN --to REVISION"
                ))
            })?;
            if !is_live(&found) && !is_restoring(&found) {
                return Err(Error::Refused(format!("override {name} has ended already")));
            }
            vec![found]
        }
        None => all.into_iter().filter(is_live).collect(),
    };
    match &found[..] {
        [_] => {}
        [] => {
            return Err(Error::Refused(format!(
                "no override is in force in namespace {namespace}"
            )));
        }
        several => {
            let names: Vec<String> = several.iter().map(ResourceExt::name_any).collect();
            return Err(Error::Refused(format!(
                "several overrides are in force in namespace {namespace}: name one of {}",
                names.join(", ")
            )));
        }
    }
    end(
        &mut target,
        (&options.place, &namespace),
        &found,
        options.dry_run,
        program,
    )
    .await
}

/// Prints the plan, ends overrides of one chain, and waits until they are gone.
async fn end(
    target: &mut Target,
    (place, namespace): (&Place, &str),
    overrides: &[ChainOverride],
    dry_run: bool,
    program: &str,
) -> Result<ExitCode, Error> {
    let Some(first) = overrides.first() else {
        return Ok(ExitCode::SUCCESS);
    };
    let request = PlanRequest {
        namespace: namespace.to_owned(),
        chain: first.spec.chain.clone(),
        edit: PlannedEdit::Undo(overrides.iter().map(ResourceExt::name_any).collect()),
    };
    // An override of a chain that is gone can be ended all the same.
    let plan = match target.plan(&request).await {
        Err(Error::Refused(reason)) => Err(Gap::Operator(reason)),
        // Whatever else is wrong with the chain: what nobody ends would be in force again later.
        Ok(Ok(PlanReply {
            refused: Some(refused),
            ..
        })) => Err(Gap::Operator(refused)),
        plan => plan?,
    };
    if let Some(code) = show(plan, dry_run, program)? {
        return Ok(code);
    }
    let by = target.who().await;
    let mut code = ExitCode::SUCCESS;
    for it in overrides {
        let name = it.name_any();
        let begin = Instant::now();
        target.end(namespace, it, by.clone()).await?;
        match wait(target, namespace, &name, is_over).await? {
            Ok(it) => {
                say(&format!(
                    "{name} has ended, after {:.1} s.",
                    begin.elapsed().as_secs_f64()
                ));
                if let Some(restore) = it.spec.restore.filter(|_| is_restoring(&it)) {
                    let again = undo_command(place, namespace, &name, program);
                    say(&format!(
                        "The rate returns to the chain's value in steps over {}. To restore it at once: {again}",
                        restore.over
                    ));
                }
            }
            Err(waits) => {
                say(&format!("{name} is ended, and still in force: {waits}"));
                code = ExitCode::from(CANT_TELL);
            }
        }
    }
    Ok(code)
}

/// Waits for a state of an override; what it waits for if it doesn't come.
async fn wait(
    target: &mut Target,
    namespace: &str,
    name: &str,
    is_there: impl Fn(&ChainOverride) -> bool,
) -> Result<Result<ChainOverride, String>, Error> {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = target.get(namespace, name).await?;
        let Some(found) = found else {
            return Ok(Err("it was deleted".to_owned()));
        };
        if is_there(&found) {
            return Ok(Ok(found));
        }
        if Instant::now() >= until {
            let waits = in_force(&found).map_or_else(
                || {
                    "no operator has seen it. It takes effect as soon as an operator leads"
                        .to_owned()
                },
                |it| format!("{}: {}", it.reason, it.message),
            );
            return Ok(Err(waits));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Prints a plan. An exit code ends the command.
pub(super) fn show(
    plan: Result<PlanReply, Gap>,
    dry_run: bool,
    program: &str,
) -> Result<Option<ExitCode>, Error> {
    match plan {
        Ok(PlanReply {
            refused: Some(refused),
            ..
        }) => Err(Error::Refused(refused)),
        Ok(reply) => {
            terminal::print(&console::text::plan(&reply));
            Ok(dry_run.then_some(ExitCode::SUCCESS))
        }
        Err(gap) => {
            eprintln!("{program}: no plan: {gap}");
            Ok(dry_run.then_some(ExitCode::from(CANT_TELL)))
        }
    }
}

pub(super) async fn plan(options: PlanOptions) -> Result<ExitCode, Error> {
    let manifest = Manifest::read(&options.file, None)?;
    let mut target = Target::of(&options.place).await?;
    let default = target.namespace(&options.place);
    let chain = manifest.chain;
    let request = PlanRequest {
        namespace: options
            .place
            .namespace
            .clone()
            .or(chain.namespace())
            .unwrap_or(default),
        chain: chain.name_any(),
        edit: PlannedEdit::Spec(Box::new(chain.spec)),
    };
    let reply = match target.plan(&request).await? {
        Ok(reply) => reply,
        Err(gap @ Gap::Right(_)) => return Err(Error::NoRight(gap)),
        Err(gap @ (Gap::Operator(_) | Gap::Unlisted(_))) => return Err(Error::Unseen(vec![gap])),
    };
    let is_refused = reply.refused.is_some();
    let text = match options.output {
        Some(_) => terminal::json(&reply),
        None => console::text::plan(&reply),
    };
    terminal::print(&text);
    Ok(ExitCode::from(u8::from(is_refused)))
}

fn undo_command(place: &Place, namespace: &str, name: &str, program: &str) -> String {
    match &place.dev {
        Some(address) => format!("{program} undo {name} --dev {address}"),
        None => format!("{program} undo {name} -n {namespace}"),
    }
}

pub(super) fn say(line: &str) {
    terminal::print(&format!("{line}\n"));
}
