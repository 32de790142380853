//! The program `executor-chain`, which is `kubectl-chain` as well.

use std::process::ExitCode;

use executor_chain::program::Program;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // rustls panics at its first use if two providers are linked and none is installed.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let program = Program::of(std::env::args_os().next().as_deref());
    // Before anything is printed: the shell reads standard output.
    #[cfg(feature = "cluster")]
    if executor_chain::inspect::completion::complete(&program) {
        return ExitCode::SUCCESS;
    }
    run(&program)
}

#[tokio::main]
async fn run(program: &Program) -> ExitCode {
    // The output is printed. The log is for RUST_LOG.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let command = match program.parse(std::env::args_os()) {
        Ok(command) => command,
        Err(error) => {
            // Not clap's own exit code 2, which says that `why` has found something.
            let is_failure = error.use_stderr();
            let _ = error.print();
            return ExitCode::from(u8::from(is_failure));
        }
    };
    match executor_chain::run(command, program).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}: {error}", program.name());
            ExitCode::from(error.exit_code())
        }
    }
}
