//! The program `executor-chain`.

use std::process::ExitCode;

use clap::Parser;
use executor_chain::args::Args;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    // rustls panics at its first use if two providers are linked and none is installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // The output is printed. The log is for RUST_LOG.
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
