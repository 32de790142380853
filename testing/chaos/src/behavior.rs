//! How handlers behave in each run: drawn and noted here, outside of the processes that do it.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use testkit::server::{Given, number, serve, status, text};

use crate::chain::{HANDLER_TIMEOUT, Stage, stage_named, task_number};
use crate::handler_processes::Generations;
use crate::seed::Seed;
use crate::trace::Trace;
use crate::tracker::Tracker;

/// Of a thousand tasks, those whose every run kills the handler.
const POISON: u64 = 5;
/// Of a thousand tasks, the poisonous ones included, those whose every run fails.
const FOR_EVER: u64 = 100;

/// The worker's headers that a handler passes on when it asks.
pub const ASKED: [&str; 3] = ["executor-stage", "executor-task", "executor-attempt"];
/// The handler's own: whose it is, and which of its processes asks.
pub const SLOT: &str = "chaos-slot";
/// See [`SLOT`].
pub const GENERATION: &str = "chaos-generation";

/// How a handler is to end a run. When it is told, it does so at once: hanging and lateness are
/// this end's, so that a run whose process has died meanwhile is never noted as a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behavior {
    Answer(u16),
    /// With 429 and `Retry-After`: a failed attempt.
    RetryAfter,
    /// With the verdict `later`: no attempt.
    Later,
    /// With the connection closed in place of an answer.
    Cut,
    Die,
    /// With the end of its process in the middle of a 200.
    DieAnswering,
}

impl std::fmt::Display for Behavior {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Answer(code) => write!(f, "{code}"),
            Self::RetryAfter => f.write_str("retry after"),
            Self::Later => f.write_str("later"),
            Self::Cut => f.write_str("cut"),
            Self::Die => f.write_str("die"),
            Self::DieAnswering => f.write_str("die answering"),
        }
    }
}

impl FromStr for Behavior {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "cut" => Self::Cut,
            "retry after" => Self::RetryAfter,
            "later" => Self::Later,
            "die" => Self::Die,
            "die answering" => Self::DieAnswering,
            code => Self::Answer(code.parse()?),
        })
    }
}

/// Now and then all handlers fail, as after a bad deploy.
#[derive(Debug, Clone, Copy)]
struct Breakdown {
    begin: Instant,
}

/// A breakdown begins so often, and lasts so long.
const BREAKDOWN_EACH: Duration = Duration::from_secs(20);
const BREAKDOWN: Duration = Duration::from_secs(2);

impl Default for Breakdown {
    fn default() -> Self {
        let begin = Instant::now();
        Self { begin }
    }
}

impl Breakdown {
    fn is_under_way(self) -> bool {
        let time = self.begin.elapsed().as_millis() % BREAKDOWN_EACH.as_millis();
        time + BREAKDOWN.as_millis() >= BREAKDOWN_EACH.as_millis()
    }
}

/// The tenant of a task: nearly all tasks of one fail in every run.
pub fn tenant(seed: Seed, task: usize) -> String {
    let number = u64::try_from(task).unwrap_or(u64::MAX);
    let fails = (POISON..FOR_EVER).contains(&seed.of("fate", "", number).of_1000());
    let draw = seed.of("tenant", "", number).of_1000();
    if fails && draw < 900 {
        "sick".to_owned()
    } else {
        format!("tenant-{}", draw % 20)
    }
}

pub async fn start(
    seed: Seed,
    tracker: Arc<Tracker>,
    generations: Arc<Generations>,
    trace: Arc<Trace>,
) -> std::io::Result<SocketAddr> {
    let breakdown = Breakdown::default();
    serve(move |request| {
        let (tracker, generations, trace) = (
            Arc::clone(&tracker),
            Arc::clone(&generations),
            Arc::clone(&trace),
        );

        async move {
            let headers = request.headers();
            let [stage, task, attempt] = ASKED.map(|name| text(headers, name));
            let (Some(stage), Some(number_of_task)) = (stage_named(stage), task_number(task))
            else {
                return status(400);
            };
            tracker.runs(number_of_task, stage);
            let behavior = draw(number_of_task, stage, attempt, seed, &tracker, breakdown).await;
            match behavior {
                // Before the handler hears of it: from here on a worker may have got the 2xx.
                Behavior::Answer(200..300) => tracker.answered(number_of_task),
                Behavior::Answer(_) | Behavior::RetryAfter | Behavior::Cut => {}
                Behavior::Later => tracker.put_off(number_of_task, stage),
                // Before it dies, so that a push that is hit by it ends after this.
                Behavior::Die | Behavior::DieAnswering => {
                    let slot = usize::try_from(number(headers, SLOT)).unwrap_or(usize::MAX);
                    generations.ends(slot, number(headers, GENERATION));
                }
            }
            trace.run(task, stage.name, attempt, behavior);
            answer(behavior)
        }
    })
    .await
}

#[expect(clippy::unnecessary_wraps, reason = "what a server gives")]
fn answer(behavior: Behavior) -> Given {
    Ok(Response::new(Full::new(Bytes::from(behavior.to_string()))))
}

/// Draws a behavior, and returns when it is due. Dropped before, where the handler hangs up: because
/// its worker has, or because it is dead.
async fn draw(
    task: usize,
    stage: &Stage,
    attempt: &str,
    seed: Seed,
    tracker: &Tracker,
    breakdown: Breakdown,
) -> Behavior {
    let number = u64::try_from(task).unwrap_or(u64::MAX);
    let draw = seed.of(stage.name, attempt, number);
    let kind = seed.of("fate", "", number).of_1000();
    let dice = match kind {
        0..POISON => {
            tracker.poison(task);
            return die(draw).await;
        }
        _ if breakdown.is_under_way() => 0,
        // What fails for ever draws from the failures alone.
        POISON..FOR_EVER => draw.of_1000() * 3 / 10,
        _ => draw.of_1000(),
    };
    match dice {
        0..100 => Behavior::Answer(500),
        100..160 => Behavior::Answer(404),
        // Not each time for the same attempt, or it would go on for ever.
        175..180 if tracker.handled.get().is_multiple_of(2) => Behavior::Later,
        160..180 => Behavior::RetryAfter,
        180..220 => {
            tokio::time::sleep(HANDLER_TIMEOUT * 3).await;
            Behavior::Answer(500)
        }
        220..295 => Behavior::Cut,
        295..300 => die(draw).await,
        300..400 => {
            tokio::time::sleep(draw.between(50, 350)).await;
            Behavior::Answer(200)
        }
        _ => Behavior::Answer(204),
    }
}

/// In the middle of the run, so that others have begun theirs beside it.
async fn die(draw: Seed) -> Behavior {
    let draw = draw.of("death", "", 0);
    tokio::time::sleep(draw.between(0, 100)).await;
    if draw.of_1000() < 500 {
        Behavior::Die
    } else {
        Behavior::DieAnswering
    }
}
