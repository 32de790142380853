//! The handler, which fails in every way that a handler can, and whose runs are counted here and
//! not by the worker.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::account::Account;
use crate::chain::{HANDLER_TIMEOUT, Stage, task_number};
use crate::chance::Seed;
use crate::server::{Cut, Given, serve, status, text};

/// Of a thousand tasks, those whose every run fails.
const FOR_EVER: u64 = 100;

/// Starts it.
pub async fn start(seed: Seed, account: Arc<Account>) -> std::io::Result<SocketAddr> {
    serve(move |request| {
        let headers = request.headers();
        let stage = Stage::named(text(headers, "executor-stage"));
        let task = task_number(text(headers, "executor-task"));
        let draw = seed.of(
            text(headers, "executor-stage"),
            text(headers, "executor-attempt"),
            task.and_then(|task| u64::try_from(task).ok())
                .unwrap_or(u64::MAX),
        );
        let account = Arc::clone(&account);
        async move {
            let (Some(stage), Some(task)) = (stage, task) else {
                return status(400);
            };
            account.runs(task, stage);
            run(task, seed, draw, &account).await
        }
    })
    .await
}

async fn run(task: usize, seed: Seed, draw: Seed, account: &Account) -> Given {
    let fate = seed
        .of("fate", "", u64::try_from(task).unwrap_or(u64::MAX))
        .of_1000();
    let dice = draw.of_1000();
    // What fails for ever draws from the failures alone.
    let dice = if fate < FOR_EVER { dice * 3 / 10 } else { dice };
    match dice {
        0..100 => status(500),
        100..160 => status(404),
        160..180 => status(429),
        180..220 => {
            tokio::time::sleep(HANDLER_TIMEOUT * 3).await;
            status(500)
        }
        220..300 => Err(Cut),
        300..400 => {
            tokio::time::sleep(draw.between(50, 350)).await;
            account.done(task);
            status(200)
        }
        _ => {
            account.done(task);
            status(204)
        }
    }
}
