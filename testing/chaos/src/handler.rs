//! A handler: a process of its own beside each worker, as a container in its pod would be. It asks
//! what to do with each run, and does that, be it to die.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use testkit::server::{Cut, serve_on, status};
use tokio::io::AsyncReadExt;

use crate::behavior::{ASKED, Behavior, GENERATION, SLOT};

type Body = UnsyncBoxBody<Bytes, Infallible>;

struct Handler {
    client: Client<HttpConnector, Empty<Bytes>>,
    asked: SocketAddr,
    slot: HeaderValue,
    generation: HeaderValue,
}

/// Serves until it dies, or until who has started it is gone.
pub fn main(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut next = || arguments.next().context("too few arguments");
    let listen: SocketAddr = next()?.parse()?;
    let handler = Arc::new(Handler {
        client: Client::builder(TokioExecutor::new()).build_http(),
        asked: next()?.parse()?,
        slot: next()?.parse()?,
        generation: next()?.parse()?,
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        serve_on(listen, move |request| {
            let handler = Arc::clone(&handler);
            async move { handler.run(request.headers()).await }
        })
        .await?;
        // Nothing comes but the end.
        tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
        Ok(())
    })
}

impl Handler {
    async fn run(&self, headers: &HeaderMap) -> Result<Response<Body>, Cut> {
        // Without an answer nobody may have noted this run, and nothing that this handler says
        // could be accounted for.
        match self.ask(headers).await.unwrap_or(Behavior::Die) {
            Behavior::Answer(code) => Ok(status(code)?.map(BodyExt::boxed_unsync)),
            Behavior::RetryAfter => again(None),
            Behavior::Later => again(Some("later")),
            Behavior::Cut => Err(Cut),
            Behavior::Die => die(),
            Behavior::DieAnswering => Ok(Response::new(half())),
        }
    }

    async fn ask(&self, headers: &HeaderMap) -> anyhow::Result<Behavior> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = format!("http://{}/", self.asked).parse()?;
        let passed = ASKED.map(|name| (name, headers.get(name).cloned()));
        let own = [
            (SLOT, Some(self.slot.clone())),
            (GENERATION, Some(self.generation.clone())),
        ];
        for (name, value) in passed.into_iter().chain(own) {
            let value = value.context("no worker leaves it out")?;
            request.headers_mut().insert(name, value);
        }
        let body = self.client.request(request).await?.into_body();
        let told = body.collect().await?.to_bytes();
        Ok(std::str::from_utf8(&told)?.parse()?)
    }
}

/// An answer that asks for the task again in a second.
fn again(verdict: Option<&'static str>) -> Result<Response<Body>, Cut> {
    let mut response = status(429)?.map(BodyExt::boxed_unsync);
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    if let Some(verdict) = verdict {
        headers.insert("executor-verdict", HeaderValue::from_static(verdict));
    }
    Ok(response)
}

/// The kernel closes its connections as it does for a process that is killed. An abort would leave
/// a core file each time.
fn die() -> ! {
    std::process::exit(1)
}

/// The beginning of a body, in whose middle the process ends.
fn half() -> Body {
    let begin = stream::once(async { Ok(Frame::data(Bytes::from_static(b"do"))) });
    let end = stream::once(async {
        // Until the beginning is on its way.
        tokio::time::sleep(Duration::from_millis(2)).await;
        die()
    });
    StreamBody::new(begin.chain(end)).boxed_unsync()
}
