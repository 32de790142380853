//! One who is on call: who types commands with the chart's roles for viewers and for people on call, and nothing
//! more.

use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::eventually;

use crate::billing::NAMESPACE;
use crate::harness::{Harness, SOON};
use crate::plugin::{Ended, Plugin};

/// Makes the account that the chart's values name.
pub async fn account(plugin: &Plugin) -> anyhow::Result<PathBuf> {
    plugin.account(NAMESPACE, "oncall").await
}

/// In one incident.
pub struct OnCall<'a> {
    harness: &'a Harness,
    plugin: &'a Plugin,
    account: &'a Path,
    typed: usize,
}

impl<'a> OnCall<'a> {
    pub fn new(harness: &'a Harness, plugin: &'a Plugin, account: &'a Path) -> Self {
        Self {
            harness,
            plugin,
            account,
            typed: 0,
        }
    }

    /// How many commands were typed.
    pub fn typed(&self) -> usize {
        self.typed
    }

    /// An alert would come from the same numbers.
    pub async fn is_paged(&self, chain: &str, cause: &str, stage: &str) {
        eventually("a finding that pages", SOON, async || {
            let seen = self.sees_json(&["why", chain]).await?;
            let found = &seen["findings"][0];
            let is_it = found["cause"] == cause && found["stage"] == stage;
            anyhow::ensure!(is_it, "{found}");
            Ok(())
        })
        .await;
    }

    /// Types a command that has nothing to complain of.
    pub async fn types(&mut self, words: &[&str]) -> anyhow::Result<Ended> {
        let ended = self.tries(words).await?;
        anyhow::ensure!(ended.stderr.is_empty(), "{ended:?}");
        Ok(ended)
    }

    /// Types a command.
    pub async fn tries(&mut self, words: &[&str]) -> anyhow::Result<Ended> {
        self.typed += 1;
        let ended = self.plugin.run(self.account, words).await?;
        let typed = words.iter().map(|word| {
            if word.contains(' ') {
                format!("\"{word}\"")
            } else {
                (*word).to_owned()
            }
        });
        let typed: Vec<String> = typed.collect();
        let printed = format!("{}{}", ended.stdout, ended.stderr);
        self.harness.say(format!(
            "$ kubectl chain {}\n{}",
            typed.join(" "),
            printed.trim_end()
        ));
        Ok(ended)
    }

    /// What a command shows, without a word of it.
    pub async fn sees(&self, words: &[&str]) -> anyhow::Result<Ended> {
        self.plugin.run(self.account, words).await
    }

    /// The same as JSON.
    pub async fn sees_json(&self, words: &[&str]) -> anyhow::Result<Value> {
        let seen = self.sees(&[words, &["-o", "json"]].concat()).await?;
        Ok(serde_json::from_str(&seen.stdout)?)
    }
}
