//! The canary: a few tasks are moved first and followed, and the others only if those do well.
//!
//! Which tasks it is, and how it ended, is noted in the parking queue before anything follows from it. So a
//! mover that is killed goes on with the same canary, and one that has failed stays failed.

use std::collections::HashSet;
use std::time::Duration;

use cloudtasks::{CreateOutcome, QueuePath, TaskId, TaskState};
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use parking::{
    Canary, CanaryCounts, CanaryMember, CanaryVerdict, Move, Note, NoteKind, RedrivePhase, Step,
    Trail,
};
use tokio::time::Instant;
use tracing::{info, warn};

use super::calls::{Halt, Mover};
use super::list::Lister;
use super::moves::Moves;

/// Between two looks at the canary's tasks.
const LOOK: Duration = Duration::from_secs(1);
/// Tasks that are looked at at once.
const LOOKS: usize = 16;
/// Between two tries to read a note that a newer release wrote.
const NOTE_BACKOFF: Duration = Duration::from_secs(5);

/// What the notes say.
enum Noted {
    /// No canary has begun.
    Nothing,
    /// It has begun with these tasks.
    Chosen(Vec<CanaryMember>),
    /// It has done well.
    Passed,
    /// It has not done well, as far as its counts are known.
    Failed(Option<CanaryCounts>),
}

/// What has become of one of the canary's tasks.
#[derive(Debug, Clone)]
enum Fate {
    Open(Trail),
    Succeeded,
    Failed,
}

/// Tries the canary, or goes on with it. Whether the other tasks follow.
pub(super) async fn try_canary(
    mover: &Mover,
    to: &Move,
    canary: &Canary,
    lister: &mut Lister,
    batches: &mut Moves,
) -> Result<bool, Halt> {
    lister.restart();
    let mut part = lister.part(mover, &batches.skipped).await?;
    let members = match noted(mover).await? {
        Noted::Passed => return Ok(true),
        Noted::Failed(counts) => {
            mover.progress.send_modify(|it| it.canary = counts);
            return Ok(false);
        }
        Noted::Chosen(members) => members,
        Noted::Nothing => {
            let mut members = std::mem::take(&mut part.candidates);
            // The ids are hashes, so these are as good as any.
            members.sort_by(|a, b| a.parked.cmp(&b.parked));
            members.truncate(usize::try_from(canary.tasks).unwrap_or(usize::MAX));
            if members.is_empty() {
                return Ok(true);
            }
            if !write(mover, &Note::Chosen(members.clone())).await? {
                // Another mover was faster, or the note was deleted.
                return Box::pin(try_canary(mover, to, canary, lister, batches)).await;
            }
            info!(tasks = members.len(), "the canary's tasks are chosen");
            members
        }
    };
    mover.enter(RedrivePhase::Canary);
    let open = u32::try_from(members.len()).unwrap_or(u32::MAX);
    tell(
        mover,
        CanaryCounts {
            open,
            ..CanaryCounts::default()
        },
    );
    // After a restart some are moved already, and are not among those that were counted.
    let counted: HashSet<&TaskId> = part.matches.iter().collect();
    let is_counted = |id: &&TaskId| counted.contains(id) || !part.is_whole();
    let parked = members.iter().map(|member| &member.parked);
    let parked: Vec<TaskId> = parked.filter(is_counted).cloned().collect();
    batches.all(mover, parked).await?;

    // After a restart the time begins anew: rather too late a verdict than one too early.
    let since = Instant::now();
    let fates = members.into_iter().map(|CanaryMember { parked, root }| {
        if batches.skipped.contains(&parked) {
            Fate::Failed
        } else {
            Fate::Open(Trail::new(root, to.to.clone()))
        }
    });
    let mut fates: Vec<Fate> = fates.collect();
    loop {
        fates = stream::iter(fates)
            .map(|fate| follow(mover, to, fate))
            .buffer_unordered(LOOKS)
            .try_collect()
            .await?;
        let counts = counts(&fates);
        tell(mover, counts);
        let verdict = canary.verdict(counts, since.elapsed());
        let (goes_on, note) = match verdict {
            CanaryVerdict::Wait => {
                mover.sleep(LOOK).await?;
                continue;
            }
            CanaryVerdict::GoOn => (true, Note::Passed(counts)),
            CanaryVerdict::Stop => (false, Note::Failed(counts)),
        };
        let CanaryCounts {
            succeeded,
            failed,
            open,
        } = counts;
        info!(?verdict, succeeded, failed, open, "the canary's verdict");
        write(mover, &note).await?;
        delete(mover, NoteKind::Chosen).await?;
        if !goes_on {
            // Those that are parked again are counted.
            lister.restart();
            lister.part(mover, &batches.skipped).await?;
        }
        return Ok(goes_on);
    }
}

/// Deletes all notes of a redrive that is done.
pub(super) async fn delete_notes(mover: &Mover) -> Result<(), Halt> {
    for kind in NoteKind::ALL {
        delete(mover, kind).await?;
    }
    Ok(())
}

fn tell(mover: &Mover, counts: CanaryCounts) {
    mover
        .progress
        .send_modify(|progress| progress.canary = Some(counts));
}

fn counts(fates: &[Fate]) -> CanaryCounts {
    let mut counts = CanaryCounts::default();
    for fate in fates {
        match fate {
            Fate::Open(_) => counts.open += 1,
            Fate::Succeeded => counts.succeeded += 1,
            Fate::Failed => counts.failed += 1,
        }
    }
    counts
}

/// What has become of a task since the last look.
async fn follow(mover: &Mover, to: &Move, fate: Fate) -> Result<Fate, Halt> {
    let Fate::Open(mut trail) = fate else {
        return Ok(fate);
    };
    let mut stages: Vec<QueuePath> = to.stages.clone();
    if !stages.contains(&to.to) {
        stages.push(to.to.clone());
    }
    loop {
        let here = trail.here();
        let state = mover.insist(async || mover.cloud.get_task(&here).await);
        match state.await? {
            TaskState::Exists(_) => return Ok(Fate::Open(trail)),
            // Nobody knows whether it has ever run.
            TaskState::Unknown if trail.is_at_first() => return Ok(Fate::Open(trail)),
            TaskState::Ended | TaskState::Unknown => {}
        }
        let mut found = None;
        for step in trail.next(&stages, &mover.order.parked) {
            let state = mover.insist(async || mover.cloud.get_task(step.path()).await);
            if !matches!(state.await?, TaskState::Unknown) {
                found = Some(step);
                break;
            }
        }
        trail = match found.map(|step: Step| trail.after(step)) {
            Some(Some(trail)) => trail,
            Some(None) => return Ok(Fate::Failed),
            None => return Ok(Fate::Succeeded),
        };
    }
}

async fn noted(mover: &Mover) -> Result<Noted, Halt> {
    let order = &*mover.order;
    // The end first: until it is written, what was chosen is there.
    for kind in [NoteKind::Passed, NoteKind::Failed, NoteKind::Chosen] {
        let path = kind.path(&order.selection.redrive, &order.parked);
        let whole = loop {
            let whole = mover.insist(async || mover.cloud.get_whole_task(&path).await);
            match whole.await?.map(|whole| Note::read(&whole)).transpose() {
                Ok(note) => break note,
                Err(unreadable) => {
                    mover.problem(&unreadable, NOTE_BACKOFF);
                    mover.sleep(NOTE_BACKOFF).await?;
                }
            }
        };
        match whole {
            Some(Note::Passed(_)) => return Ok(Noted::Passed),
            Some(Note::Failed(counts)) => return Ok(Noted::Failed(Some(counts))),
            Some(Note::Chosen(members)) => return Ok(Noted::Chosen(members)),
            None => {}
        }
        let state = mover.insist(async || mover.cloud.get_task(&path).await);
        if matches!(state.await?, TaskState::Unknown) {
            continue;
        }
        // It was deleted, by the mover that was done, or outside of it.
        match kind {
            NoteKind::Passed => return Ok(Noted::Passed),
            NoteKind::Failed => return Ok(Noted::Failed(None)),
            NoteKind::Chosen => {
                warn!("the note that lists the canary's tasks was deleted: the canary fails");
                return Ok(Noted::Failed(None));
            }
        }
    }
    Ok(Noted::Nothing)
}

/// Writes a note. Whether it was not there before.
async fn write(mover: &Mover, note: &Note) -> Result<bool, Halt> {
    let order = &*mover.order;
    let task = note.task(&order.selection.redrive, &order.parked, Timestamp::now());
    let created = mover.insist(async || mover.cloud.create_task(&order.parked, &task).await);
    Ok(created.await? == CreateOutcome::Created)
}

async fn delete(mover: &Mover, kind: NoteKind) -> Result<(), Halt> {
    let order = &*mover.order;
    let path = kind.path(&order.selection.redrive, &order.parked);
    mover
        .insist(async || mover.cloud.delete_task(&path).await)
        .await
}
