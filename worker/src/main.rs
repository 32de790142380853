//! The program `executor-worker`: the worker of one stage, configured by its environment.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::thread::available_parallelism;

use executor_worker::Config;
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
    let config = match Config::from_vars(&|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => return Ok(refuse(&error)),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = executor_worker::start(config).await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    if std::io::stdout().is_terminal() {
        log.init();
    } else {
        // A push has one span, which a list of spans would repeat.
        log.json().flatten_event(true).with_span_list(false).init();
    }
}

#[allow(
    clippy::print_stderr,
    reason = "the user who set the variable reads standard error"
)]
fn refuse(error: &executor_worker::ConfigError) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(2)
}
