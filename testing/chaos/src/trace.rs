//! What was pushed and answered, and what handlers were told, a line each, to investigate a task that
//! went wrong.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use http::HeaderMap;
use testkit::server::{Given, text};

use crate::chain::first_task;

/// The file, if one is wanted.
#[derive(Debug)]
pub struct Trace {
    begin: Instant,
    file: Option<Mutex<BufWriter<File>>>,
}

impl Trace {
    pub fn to(path: Option<&Path>) -> std::io::Result<Self> {
        let file = path.map(File::create).transpose()?;
        Ok(Self {
            begin: Instant::now(),
            file: file.map(|file| Mutex::new(BufWriter::new(file))),
        })
    }

    pub fn push(&self, stage: &str, headers: &HeaderMap, fault: &str, given: &Given) {
        let Some(file) = &self.file else { return };
        let header = |name: &str| text(headers, &format!("x-cloudtasks-task{name}"));
        let first = first_task(headers);
        let answer = given.as_ref().map_or(0, |given| given.status().as_u16());
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        // A trace that can't be written must not end the run.
        let _ = writeln!(
            file,
            "{:.3} {first} {stage} R={} E={} P={} -> {answer} {fault}",
            self.begin.elapsed().as_secs_f64(),
            header("retrycount"),
            header("executioncount"),
            header("previousresponse"),
        );
    }

    pub fn run(&self, task: &str, stage: &str, attempt: &str, behavior: impl Display) {
        let Some(file) = &self.file else { return };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(
            file,
            "{:.3} {task} {stage} run {attempt}: {behavior}",
            self.begin.elapsed().as_secs_f64(),
        );
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = file.lock().unwrap_or_else(PoisonError::into_inner).flush();
        }
    }
}
