//! Prometheus' own reading of expressions.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::binaries::promql;

/// What Prometheus makes of an expression.
#[derive(Debug)]
pub enum Read {
    /// It can't be read.
    Error(String),
    /// The metrics that it asks for.
    Metrics(BTreeSet<String>),
}

/// Reads expressions, each without the others.
pub fn read(expressions: &[&str]) -> Vec<Read> {
    let program = promql();
    let mut child = Command::new(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}: run make test", program.display()));
    let mut pipe = child.stdin.take().expect("standard input is piped");
    let lines: Vec<String> = expressions
        .iter()
        .map(|it| Value::from(*it).to_string())
        .collect();
    // It answers line by line, and what it answers fits into the pipe.
    writeln!(pipe, "{}", lines.join("\n")).expect("it reads all lines");
    drop(pipe);
    let output = child.wait_with_output().expect("a child can be waited for");
    let text = String::from_utf8_lossy(&output.stdout);
    let reads: Vec<Read> = text.lines().map(answer).collect();
    assert_eq!(reads.len(), expressions.len(), "{text}");
    reads
}

fn answer(line: &str) -> Read {
    let answer: Value = serde_json::from_str(line).expect("an answer is JSON");
    if let Some(error) = answer["error"].as_str() {
        return Read::Error(error.to_owned());
    }
    let metrics = answer["metrics"].as_array().into_iter().flatten();
    let metrics = metrics.filter_map(|it| it.as_str().map(str::to_owned));
    Read::Metrics(metrics.collect())
}
