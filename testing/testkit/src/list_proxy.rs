//! Lists of queues that are not as the queues are: before an emulator whose lists are. All other calls pass.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use prost::Message;
use tokio::task::JoinSet;

use crate::calls::{Error, intercept};
use crate::grpc::{Body, message_of, refusal, response};

const LIST_QUEUES: &str = "/google.cloud.tasks.v2.CloudTasks/ListQueues";

/// A way to the emulator. Dropped, it closes. It works on the runtime that made it.
#[derive(Debug)]
pub struct ListProxy {
    addr: SocketAddr,
    lists: Arc<Mutex<Lists>>,
    _accepting: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Lists {
    /// IDs of queues that no list has.
    lacking: BTreeSet<String>,
    /// What is drawn from, where lists and calls fail by chance.
    chance: u64,
    /// So many lists are left in which they do.
    left: u32,
    /// Each queue as it was listed before.
    before: BTreeMap<String, Vec<u8>>,
}

impl ListProxy {
    /// Opens a way to `emulator`, on a free port, with lists as they are.
    pub async fn start(emulator: SocketAddr) -> Self {
        let lists = Arc::new(Mutex::new(Lists::default()));
        let shared = Arc::clone(&lists);
        let (addr, accepting) = intercept(emulator, move |emulator, call| {
            let lists = Arc::clone(&shared);
            async move { pass(&lists, emulator, call).await }
        })
        .await;
        Self {
            addr,
            lists,
            _accepting: accepting,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on no list has the queue of this ID.
    pub fn lack(&self, queue: &str) {
        lock(&self.lists).lacking.insert(queue.to_owned());
    }

    /// For so many lists, each lacks one queue in eight, repeats one, and has one as it was before; and
    /// meanwhile one call in sixteen fails, half of these after they were made.
    pub fn fail_by_chance(&self, seed: u64, count: u32) {
        let mut lists = lock(&self.lists);
        // Zero would be drawn for ever.
        lists.chance = seed.wrapping_mul(2).wrapping_add(1);
        lists.left = count;
    }
}

async fn pass(
    lists: &Mutex<Lists>,
    mut emulator: SendRequest<Incoming>,
    call: Request<Incoming>,
) -> Result<Response<Body>, Error> {
    let is_list = call.uri().path() == LIST_QUEUES;
    let fate = lock(lists).draw(32);
    if fate == Some(0) {
        return Ok(refusal(14, "the call was not made"));
    }
    let answer = emulator.send_request(call).await?;
    if fate == Some(1) {
        return Ok(refusal(4, "the answer was lost"));
    }
    if !is_list {
        return Ok(answer.map(|body| body.map_err(Error::from).boxed_unsync()));
    }
    let (head, body) = answer.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned();
    let bytes = body.to_bytes();
    if bytes.is_empty() {
        let body = Full::new(bytes).map_err(|never| match never {});
        let body = body.with_trailers(std::future::ready(trailers.map(Ok)));
        return Ok(Response::from_parts(head, body.boxed_unsync()));
    }
    let mut list: ListQueuesResponse = message_of(&bytes)?;
    list.queues = lock(lists).changed(list.queues)?;
    Ok(response(&list))
}

impl Lists {
    fn changed(&mut self, queues: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
        let mut listed = Vec::new();
        self.left = self.left.saturating_sub(1);
        for queue in queues {
            let Queue { name } = Queue::decode(Bytes::from(queue.clone()))?;
            let before = self.before.insert(name.clone(), queue.clone());
            let id = name.rsplit('/').next().unwrap_or_default();
            if self.lacking.contains(id) {
                continue;
            }
            match self.draw(8) {
                Some(0) => {}
                Some(1) => listed.extend([queue.clone(), queue]),
                Some(2) => listed.push(before.unwrap_or(queue)),
                _ => listed.push(queue),
            }
        }
        Ok(listed)
    }

    /// A number below the limit (xorshift); `None` where nothing is left to chance.
    fn draw(&mut self, limit: u64) -> Option<u64> {
        if self.left == 0 {
            return None;
        }
        let state = &mut self.chance;
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        Some((*state >> 16) % limit)
    }
}

#[derive(Clone, PartialEq, Message)]
struct ListQueuesResponse {
    #[prost(bytes = "vec", repeated, tag = "1")]
    queues: Vec<Vec<u8>>,
    #[prost(string, tag = "2")]
    next_page_token: String,
}

#[derive(Clone, PartialEq, Message)]
struct Queue {
    #[prost(string, tag = "1")]
    name: String,
}

fn lock(lists: &Mutex<Lists>) -> MutexGuard<'_, Lists> {
    lists.lock().unwrap_or_else(PoisonError::into_inner)
}
