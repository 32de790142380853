//! Prints the chart's README: README.md.in with the table of its values.

use std::io::Write;
use std::process::ExitCode;

mod values;

const VALUES: &str = include_str!("../executor-chain/values.yaml");
const README: &str = include_str!("../README.md.in");

fn main() -> ExitCode {
    let table = match values::read(VALUES) {
        Ok(values) => values::table(&values),
        Err(error) => {
            eprintln!("chartgen: values.yaml: {error}");
            return ExitCode::FAILURE;
        }
    };
    let readme = README.replace("VALUES\n", &table);
    match std::io::stdout().write_all(readme.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chartgen: {error}");
            ExitCode::FAILURE
        }
    }
}
