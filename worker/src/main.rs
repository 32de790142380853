//! The program `executor-worker`: the worker of one stage, configured by its environment. With the argument
//! `redrive` it is a mover instead, which carries out one redrive.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::thread::available_parallelism;

use executor_worker::{Config, JsonFields, JsonLine, MoverConfig};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<ExitCode> {
    runtime()?.block_on(run())
}

/// With one processor, as in a pod with a CPU limit of one or less, a second thread only costs time.
fn runtime() -> std::io::Result<Runtime> {
    let alone = available_parallelism().is_ok_and(|processors| processors.get() == 1);
    let mut builder = if alone {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    builder.enable_all().build()
}

async fn run() -> anyhow::Result<ExitCode> {
    // If two providers are linked and none is installed, the first use of TLS panics.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    log();
    // An argument and not a variable: a worker's pod can't become a mover by a variable of its user's.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve_stage().await,
        ["redrive"] => move_parked_tasks().await,
        _ => Ok(refuse(
            &"use no argument to start a worker, or the argument redrive to start a mover: set everything else in environment variables",
        )),
    }
}

async fn serve_stage() -> anyhow::Result<ExitCode> {
    let config = match Config::from_vars(&variable) {
        Ok(config) => config,
        Err(error) => return Ok(refuse(&error)),
    };
    let asked_to_stop = asked_to_stop()?;
    let running = executor_worker::start(config).await?;
    asked_to_stop.await;
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn move_parked_tasks() -> anyhow::Result<ExitCode> {
    let config = match MoverConfig::from_vars(&variable) {
        Ok(config) => config,
        Err(error) => return Ok(refuse(&error)),
    };
    let asked_to_stop = asked_to_stop()?;
    let mut running = executor_worker::start_mover(config).await?;
    tokio::select! {
        () = asked_to_stop => {}
        () = running.failed() => return Ok(ExitCode::FAILURE),
    }
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns at once what waits for SIGTERM or SIGINT: from then on, neither ends the process.
fn asked_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    if std::io::stdout().is_terminal() {
        log.init();
    } else {
        log.fmt_fields(JsonFields).event_format(JsonLine).init();
    }
}

#[allow(
    clippy::print_stderr,
    reason = "the user who set the variable reads standard error"
)]
fn refuse(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(2)
}
