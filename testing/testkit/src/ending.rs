//! A notification of a task's end, as a client reads it.

use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The first task's id.
    pub task: String,
    /// The event's id.
    pub id: String,
    /// Which life of the task ended, from 1.
    pub life: u64,
    /// Succeeded, or else Failed.
    pub succeeded: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    task: String,
    #[serde(default = "first")]
    life: u64,
}

/// Of a task that was never redriven, events don't say which life it is.
fn first() -> u64 {
    1
}

impl Ending {
    /// What a notification that has come says, if it is one and came whole.
    pub async fn of(request: Request<Incoming>) -> Option<Self> {
        let body = request.into_body().collect().await.ok()?;
        Self::read(&body.to_bytes())
    }

    /// What the body of a notification says, if it is one.
    pub fn read(event: &[u8]) -> Option<Self> {
        let event: Event = serde_json::from_slice(event).ok()?;
        let succeeded = match event.kind.as_str() {
            "dev.executor-chain.task.succeeded.v1" => true,
            "dev.executor-chain.task.failed.v1" => false,
            _ => return None,
        };
        Some(Self {
            task: event.data.task,
            id: event.id,
            life: event.data.life,
            succeeded,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Ending;

    #[test]
    fn what_is_no_end_is_not_taken_for_one() {
        let read = |kind: &str| {
            let event = format!(r#"{{"type": "{kind}", "id": "a", "data": {{"task": "t-1"}}}}"#);
            Ending::read(event.as_bytes())
        };
        let ending = |succeeded| {
            let (task, id) = ("t-1".to_owned(), "a".to_owned());
            Some(Ending {
                task,
                id,
                life: 1,
                succeeded,
            })
        };
        assert_eq!(read("dev.executor-chain.task.succeeded.v1"), ending(true));
        assert_eq!(read("dev.executor-chain.task.failed.v1"), ending(false));
        assert_eq!(read("dev.executor-chain.task.failed.v2"), None);
        assert_eq!(Ending::read(b"{}"), None);
    }
}
