//! The handler of all stages, which does what it is told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use testkit::Receiver;
use testkit::server::{serve, status, text};

use crate::situation::{Behavior, Reason, WELL};

/// The handler of all stages.
#[derive(Clone, Default)]
pub struct Handler(Arc<Mutex<BTreeMap<String, Behavior>>>);

impl Handler {
    /// From now on the handler of this stage does this.
    pub fn set(&self, stage: &str, behavior: Behavior) {
        self.lock().insert(stage.to_owned(), behavior);
    }

    /// Serves it.
    pub async fn serve(&self) -> SocketAddr {
        let behaviors = self.clone();
        let served = serve(move |request| {
            let stage = text(request.headers(), "executor-stage").to_owned();
            let task = text(request.headers(), "executor-task").to_owned();
            let is_of_kind = !text(request.headers(), "x-kind").is_empty();
            let behavior = behaviors.lock().get(&stage).copied().unwrap_or(WELL);
            async move {
                tokio::time::sleep(behavior.takes).await;
                let drawn = if behavior.is_by_task {
                    draw(&task)
                } else {
                    fastrand::f64()
                };
                if drawn >= behavior.fails || (behavior.is_by_kind && !is_of_kind) {
                    return status(200);
                }
                let mut response = status(behavior.status)?;
                let reason = match behavior.reason {
                    Reason::None => None,
                    Reason::One(reason) => Some(reason.to_owned()),
                    Reason::Any => Some(format!("reason-{}", fastrand::u16(..))),
                };
                if let Some(reason) = reason {
                    let value = HeaderValue::from_str(&reason).expect("it is a word");
                    response.headers_mut().insert("executor-reason", value);
                }
                Ok(response)
            }
        });
        served.await.expect("a port for the handler")
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Behavior>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ID of a task that fails as often as any, where the same tasks fail at each attempt.
pub fn any_task() -> String {
    format!("{:016x}", fastrand::u64(..))
}

/// The ID of a task that fails wherever the same tasks fail at each attempt.
pub fn failing_task() -> String {
    format!("000000{:010x}", fastrand::u64(..1 << 40))
}

/// What decides whether a task fails, from 0 to 1: the beginning of its ID, which is random.
fn draw(task: &str) -> f64 {
    let draw = u32::from_str_radix(&task[..6.min(task.len())], 16);
    f64::from(draw.unwrap_or_default()) / f64::from(1 << 24)
}

/// A receiver of notifications that answers with the status that it is told.
pub fn receiver(told: Arc<Mutex<u16>>) -> Receiver {
    Receiver::start(move |_| {
        let status = *told.lock().unwrap_or_else(PoisonError::into_inner);
        std::future::ready((status, Vec::new(), Vec::new()))
    })
}
