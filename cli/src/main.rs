//! `executor-chain`: runs a chain on this machine, and sends tasks into it.

use std::process::ExitCode;

use clap::Parser;
use executor_chain::args::Args;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    // A process that links two TLS providers must choose one before the first use.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // What a person wants to see is printed; the log is for those who ask for it.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match executor_chain::run(Args::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("executor-chain: {error}");
            ExitCode::FAILURE
        }
    }
}
