//! Pushes as Cloud Tasks sends them, each of a task of its own, one after the other on each connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::quantile::Sample;

/// Digits of a task's number in its name, so that all requests have one length.
const DIGITS: usize = 12;

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Who gets the pushes
    #[arg(long)]
    to: SocketAddr,
    #[arg(long)]
    connections: usize,
    /// Bytes of each body
    #[arg(long)]
    size: usize,
    #[arg(long)]
    millis: u64,
    /// The number of the first task: names must not come twice
    #[arg(long)]
    first: u64,
    /// The status of each answer
    #[arg(long, default_value_t = 200)]
    expect: u16,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pushed {
    pub pushes: u64,
    pub seconds: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub next: u64,
}

impl Pushed {
    pub fn per_second(&self) -> f64 {
        count(self.pushes) / self.seconds
    }
}

/// As a float: none of these counts comes near to what one can't hold.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
pub fn count(number: u64) -> f64 {
    number as f64
}

pub async fn push(options: &Options) -> anyhow::Result<Pushed> {
    let number = Arc::new(AtomicU64::new(options.first));
    let mut streams = Vec::new();
    for _ in 0..options.connections {
        let stream = TcpStream::connect(options.to).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let begin = Instant::now();
    let end = begin + Duration::from_millis(options.millis);
    let mut connections = JoinSet::new();
    for stream in streams {
        let (number, options) = (Arc::clone(&number), options.clone());
        connections.spawn(one_after_another(stream, number, options, end));
    }
    let mut took = Vec::new();
    while let Some(done) = connections.join_next().await {
        took.extend(done??);
    }
    let seconds = begin.elapsed().as_secs_f64();
    let pushes = u64::try_from(took.len())?;
    let sample = Sample::new(took);
    Ok(Pushed {
        pushes,
        seconds,
        p50_ms: sample.percentile(50),
        p99_ms: sample.percentile(99),
        next: number.load(Ordering::Relaxed),
    })
}

async fn one_after_another(
    mut stream: TcpStream,
    number: Arc<AtomicU64>,
    options: Options,
    end: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::new();
    let (mut request, place) = request(&options);
    let mut answer = vec![0; 4096];
    loop {
        let began = Instant::now();
        if began >= end {
            return Ok(took);
        }
        let task = format!("{:0DIGITS$}", number.fetch_add(1, Ordering::Relaxed));
        request[place..place + DIGITS].copy_from_slice(task.as_bytes());
        stream.write_all(&request).await?;
        answered(&mut stream, &mut answer, options.expect).await?;
        took.push(began.elapsed());
    }
}

/// The bytes of a push, and where in them the task's number goes.
fn request(options: &Options) -> (Vec<u8>, usize) {
    let Options { to, size, .. } = options;
    let head = format!(
        "POST /orders/1?source=bench HTTP/1.1\r\nhost: {to}\r\nuser-agent: Google-Cloud-Tasks\r\n\
         content-type: application/json\r\ncontent-length: {size}\r\nx-cloudtasks-queuename: incoming\r\n\
         x-cloudtasks-taskretrycount: 0\r\nx-cloudtasks-taskexecutioncount: 0\r\n\
         x-cloudtasks-tasketa: 1764000000.0\r\nx-cloudtasks-taskname: task-"
    );
    let place = head.len();
    let mut request = head.into_bytes();
    request.extend([b'0'; DIGITS]);
    request.extend(b"\r\n\r\n");
    request.resize(request.len() + size, b'x');
    (request, place)
}

async fn answered(stream: &mut TcpStream, buffer: &mut [u8], status: u16) -> anyhow::Result<()> {
    let wanted = status.to_string();
    let mut read = 0;
    loop {
        let more = stream.read(&mut buffer[read..]).await?;
        anyhow::ensure!(more > 0, "the connection was closed in the middle");
        read += more;
        let text = std::str::from_utf8(&buffer[..read])?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let first = head.lines().next().unwrap_or_default();
        let found = first.split(' ').nth(1);
        anyhow::ensure!(found == Some(wanted.as_str()), "answered {first}");
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        if body.len() >= length.context("an answer without a length")? {
            return Ok(());
        }
    }
}
