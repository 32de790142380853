//! What becomes of each run of a handler: drawn and noted here, outside of the processes that
//! carry it out.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use testkit::server::{Given, number, serve, status, text};

use crate::account::Account;
use crate::chain::{HANDLER_TIMEOUT, Stage, task_number};
use crate::chance::Seed;
use crate::lives::Lives;
use crate::trace::Trace;

/// Of a thousand tasks, those whose every run kills the handler.
const POISON: u64 = 5;
/// Of a thousand tasks, the poisonous ones included, those whose every run fails.
const FOR_EVER: u64 = 100;

/// The worker's headers that a handler passes on when it asks.
pub const ASKED: [&str; 3] = ["executor-stage", "executor-task", "executor-attempt"];
/// The handler's own: whose it is, and which of its lives asks.
pub const SLOT: &str = "chaos-slot";
/// See [`SLOT`].
pub const LIFE: &str = "chaos-life";

/// How a handler is to end a run. When it is told, it does so at once: hanging and lateness are
/// this end's, so that a run whose process has died meanwhile is never noted as a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// With this status.
    Answer(u16),
    /// With the connection closed in place of an answer.
    Cut,
    /// With the end of its process.
    Die,
    /// With the end of its process in the middle of a 200.
    DieAnswering,
}

impl std::fmt::Display for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answer(code) => write!(f, "{code}"),
            Self::Cut => f.write_str("cut"),
            Self::Die => f.write_str("die"),
            Self::DieAnswering => f.write_str("die answering"),
        }
    }
}

impl FromStr for Fate {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "cut" => Self::Cut,
            "die" => Self::Die,
            "die answering" => Self::DieAnswering,
            code => Self::Answer(code.parse()?),
        })
    }
}

/// Starts what the handlers ask.
pub async fn start(
    seed: Seed,
    account: Arc<Account>,
    lives: Arc<Lives>,
    trace: Arc<Trace>,
) -> std::io::Result<SocketAddr> {
    serve(move |request| {
        let (account, lives, trace) =
            (Arc::clone(&account), Arc::clone(&lives), Arc::clone(&trace));
        async move {
            let headers = request.headers();
            let [stage, task, attempt] = ASKED.map(|name| text(headers, name));
            let (Some(stage), Some(number_of_task)) = (Stage::named(stage), task_number(task))
            else {
                return status(400);
            };
            account.runs(number_of_task, stage);
            let fate = fate(number_of_task, stage, attempt, seed, &account).await;
            match fate {
                // Before the handler hears of it: from here on a worker may have got the 2xx.
                Fate::Answer(200..300) => account.done(number_of_task),
                Fate::Answer(_) | Fate::Cut => {}
                // Before it dies, so that a push that is hit by it ends after this.
                Fate::Die | Fate::DieAnswering => {
                    let slot = usize::try_from(number(headers, SLOT)).unwrap_or(usize::MAX);
                    lives.doom(slot, number(headers, LIFE));
                }
            }
            trace.run(task, stage.name, attempt, fate);
            told(fate)
        }
    })
    .await
}

#[expect(clippy::unnecessary_wraps, reason = "what a server gives")]
fn told(fate: Fate) -> Given {
    Ok(Response::new(Full::new(Bytes::from(fate.to_string()))))
}

/// Draws a fate, and returns when it is due. Dropped before, where the handler hangs up: because
/// its worker has, or because it is dead.
async fn fate(task: usize, stage: &Stage, attempt: &str, seed: Seed, account: &Account) -> Fate {
    let number = u64::try_from(task).unwrap_or(u64::MAX);
    let draw = seed.of(stage.name, attempt, number);
    let kind = seed.of("fate", "", number).of_1000();
    let dice = match kind {
        0..POISON => {
            account.poison(task);
            return die(draw).await;
        }
        // What fails for ever draws from the failures alone.
        POISON..FOR_EVER => draw.of_1000() * 3 / 10,
        _ => draw.of_1000(),
    };
    match dice {
        0..100 => Fate::Answer(500),
        100..160 => Fate::Answer(404),
        160..180 => Fate::Answer(429),
        180..220 => {
            tokio::time::sleep(HANDLER_TIMEOUT * 3).await;
            Fate::Answer(500)
        }
        220..295 => Fate::Cut,
        295..300 => die(draw).await,
        300..400 => {
            tokio::time::sleep(draw.between(50, 350)).await;
            Fate::Answer(200)
        }
        _ => Fate::Answer(204),
    }
}

/// In the middle of the run, so that others have begun theirs beside it.
async fn die(draw: Seed) -> Fate {
    let draw = draw.of("death", "", 0);
    tokio::time::sleep(draw.between(0, 100)).await;
    if draw.of_1000() < 500 {
        Fate::Die
    } else {
        Fate::DieAnswering
    }
}
