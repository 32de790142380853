//! Records: what is written of a benchmark's run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::figure::Figure;
use crate::load::Load;
use crate::machine::Machine;
use crate::plot::Plot;

#[derive(Debug)]
pub struct Measured {
    pub figures: Vec<Figure>,
    pub plots: Vec<Plot>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub name: String,
    pub arguments: String,
    pub machine: Machine,
    pub load: Load,
    pub versions: BTreeMap<String, String>,
    pub seed: u64,
    pub seconds: u64,
    pub figures: Vec<Figure>,
    /// Few benchmarks have any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plots: Vec<Plot>,
}

impl Record {
    /// Writes it into the folder, in place of the last one of its name.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the folder {} can't be made", folder.display()))?;
        let path = file(folder, &self.name);
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(&path, text + "\n")
            .with_context(|| format!("{} can't be written", path.display()))
    }

    pub fn read(folder: &Path, name: &str) -> anyhow::Result<Option<Self>> {
        let path = file(folder, name);
        if !path.exists() {
            return Ok(None);
        }
        let what = || format!("{} can't be read: make it anew", path.display());
        let text = std::fs::read_to_string(&path).with_context(what)?;
        serde_json::from_str(&text).map(Some).with_context(what)
    }
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).with_extension("json")
}
