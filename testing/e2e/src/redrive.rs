//! An incident in which tasks fail for good: they are parked, and run again once the handler is fixed, by one who is
//! on call, with the chart's roles for that and nothing more.

use std::path::Path;
use std::time::Instant;

use serde_json::json;
use testkit::eventually;

use crate::billing::NAMESPACE;
use crate::harness::{Harness, SOON};
use crate::invoices::{CHAIN, FIXED, Invoices, UNFIXED};
use crate::oncall::OnCall;
use crate::plugin::{Ended, Plugin};

/// Tasks that are tried while the handler is still broken.
const TRIED: usize = 5;
const TRY: &str = "inc-43-try";

const WHY: &[&str] = &["why", CHAIN];
/// Few tasks fail meanwhile; the others wait, and keep their attempts.
const THROTTLE: &[&str] = &[
    "throttle",
    CHAIN,
    "fast",
    "--rate",
    "2",
    "--for",
    "30m",
    "--reason",
    "INC-43 no stock is found",
];
const WHERE: &str = "reason=no-stock";
/// To the stage that isn't throttled.
const TOO_SOON: &[&str] = &[
    "redrive",
    CHAIN,
    "--to",
    "slow",
    "--rate",
    "20",
    "--where",
    WHERE,
    "--reason",
    "INC-43 is it fixed?",
    "--canary",
    "5",
    "--name",
    TRY,
];
const REDRIVE: &[&str] = &[
    "redrive",
    CHAIN,
    "--to",
    "fast",
    "--rate",
    "20",
    "--where",
    WHERE,
    "--reason",
    "INC-43 is fixed",
    "--canary",
    "10",
];
const DISCARD: &[&str] = &[
    "discard",
    CHAIN,
    "--where",
    "reason=no-address",
    "--reason",
    "INC-43 nobody knows the address",
];

/// Each life of each task is told once, and what was not meant stays parked.
pub async fn from_the_page_to_new_lives(
    harness: &Harness,
    plugin: &Plugin,
    account: &Path,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let invoices = Invoices::begin(harness).await?;
    let mut oncall = OnCall::new(harness, plugin, account);
    oncall.is_paged(CHAIN, "OneFailure", "fast").await;
    let top = oncall.types(&["top"]).await?;
    has(&top, 0, "Failing")?;
    let why = oncall.types(WHY).await?;
    let first = why.stdout.lines().next().unwrap_or_default();
    let failure = format!("runs fail with reason {FIXED}, status 409");
    anyhow::ensure!(why.code == 2 && first.contains(&failure), "{why:?}");
    let throttled = oncall.types(THROTTLE).await?;
    has(&throttled, 0, ", in force after ")?;

    let too_soon = oncall.types(TOO_SOON).await?;
    has(&too_soon, 1, "CanaryFailed: ")?;
    eventually("a second end of those that were tried", SOON, async || {
        let again = invoices.failed(FIXED, 2);
        (again == TRIED, again)
    })
    .await;

    invoices.fix();
    harness.say("the handler is fixed");
    let undo = undo(&throttled)?;
    let undone = oncall.types(&undo).await?;
    anyhow::ensure!(undone.code == 0, "{undone:?}");
    invoices.have_ended().await;
    let parked = invoices.failed(FIXED, 1);
    are_parked(&oncall, FIXED, parked).await;
    let looks = oncall.types(&["parked", CHAIN, "--limit", "3"]).await?;
    has(&looks, 0, UNFIXED)?;
    let redriven = oncall.types(REDRIVE).await?;
    let done = format!("Done: {parked} tasks were moved to stage fast");
    has(&redriven, 0, &done)?;
    eventually("nothing that is wrong any more", SOON, async || {
        let seen = oncall.sees_json(WHY).await?;
        let found = &seen["findings"];
        anyhow::ensure!(*found == json!([]), "{found}");
        Ok(())
    })
    .await;
    let why = oncall.types(WHY).await?;
    has(&why, 3, "Nothing found")?;

    let ended = invoices.stop().await?;
    let left = ended.parked();
    are_parked(&oncall, UNFIXED, left).await;
    let kept = oncall.tries(DISCARD).await?;
    let missing = format!(
        "you lack the right to create chaindiscards in namespace {NAMESPACE}; the chart's value rbac.discard gives the right"
    );
    let is_refused = kept.code == 4 && kept.stderr.contains(&missing);
    let is_asked = kept.stdout.contains("Type ");
    anyhow::ensure!(is_refused && !is_asked, "{kept:?}");
    oncall.types(&["redrives", CHAIN]).await?;
    ended.account_for_all(harness, parked, TRIED).await?;
    ended.delete_chain(harness).await?;
    harness.say(format!(
        "chain {CHAIN} is deleted, and its parked tasks are not; all of it in {:.0} s, with {} commands",
        began.elapsed().as_secs_f64(),
        oncall.typed()
    ));
    Ok(())
}

fn has(ended: &Ended, code: i32, text: &str) -> anyhow::Result<()> {
    let is_so = ended.code == code && ended.stdout.contains(text);
    anyhow::ensure!(is_so, "{ended:?}");
    Ok(())
}

/// The command that a throttle has printed.
fn undo(throttled: &Ended) -> anyhow::Result<Vec<&str>> {
    let mut lines = throttled.stdout.lines();
    let undo = lines.find_map(|line| line.strip_prefix("Undo: kubectl chain "));
    let undo = undo.ok_or_else(|| anyhow::anyhow!("{throttled:?}"))?;
    Ok(undo.split(' ').collect())
}

/// Waits until a list has so many. It may be some seconds old.
async fn are_parked(oncall: &OnCall<'_>, reason: &str, tasks: usize) {
    let only = format!("reason={reason}");
    let words = ["parked", CHAIN, "--where", &only];
    eventually("the tasks that are parked", SOON, async || {
        let seen = oncall.sees_json(&words).await?;
        anyhow::ensure!(seen["tasks"] == tasks, "{}, not {tasks}", seen["tasks"]);
        Ok(())
    })
    .await;
}
