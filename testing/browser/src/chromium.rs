//! A Chromium of its own for each test, driven by chromedriver.

use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use testkit::{Process, eventually, free_port};

use crate::commands::ChromiumCommand;

/// A Chromium that has started on a busy machine.
const STARTED: Duration = Duration::from_secs(30);

/// How the page is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The width of the window.
    pub width: u32,
    /// Whether the person prefers dark pages.
    pub dark: bool,
    /// Whether scripts run.
    pub scripts: bool,
}

impl Look {
    /// A desktop.
    pub const WIDE: Self = Self {
        width: 1280,
        dark: false,
        scripts: true,
    };
    /// A small telephone.
    pub const NARROW: Self = Self {
        width: 320,
        ..Self::WIDE
    };
}

/// A Chromium.
#[derive(Debug)]
pub struct Chromium {
    client: Client,
    _driver: Process,
}

impl Chromium {
    /// Starts one. It ends with this value.
    pub async fn start(look: Look) -> Self {
        // `--port=0` of two chromedrivers at once may get the same port.
        let port = free_port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let driver = Process::spawn(&command);
        let what = "chromedriver, which `make browser` installs";
        eventually(what, STARTED, async || {
            let log = driver.log();
            (log.contains("started successfully"), log)
        })
        .await;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(look))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium starts: see chromedriver's log");
        let chromium = Self {
            client,
            _driver: driver,
        };
        chromium.look(look).await;
        chromium
    }

    /// Looks from now on in this way. Whether scripts run stays as it was at the start.
    pub async fn look(&self, look: Look) {
        let metrics = json!({
            "width": look.width,
            "height": 900,
            "deviceScaleFactor": 1,
            "mobile": look.width < 600,
        });
        self.dev_tools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let scheme = if look.dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.dev_tools("Emulation.setEmulatedMedia", media).await;
    }

    /// Goes to an address, and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.expect("the page loads");
    }

    /// The text of the first element that matches, as people see it. `None` if there is none.
    pub async fn text(&self, css: &str) -> Option<String> {
        loop {
            let found = self.client.find(Locator::Css(css)).await.ok()?;
            // It may be replaced in this instant, by another one.
            if let Ok(text) = found.text().await {
                return Some(text);
            }
        }
    }

    /// How many elements match.
    pub async fn count(&self, css: &str) -> usize {
        let found = self.client.find_all(Locator::Css(css)).await;
        found.map_or(0, |found| found.len())
    }

    /// Clicks the first element that matches.
    pub async fn click(&self, css: &str) {
        eventually(css, STARTED, async || {
            // It may be replaced between the two.
            let found = self.client.find(Locator::Css(css)).await?;
            found.click().await
        })
        .await;
    }

    /// What a script returns.
    pub async fn run(&self, script: &str) -> Value {
        let result = self.client.execute(script, vec![]).await;
        result.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// What has been said on the console since the last call: errors of scripts, resources that are missing,
    /// violations of the security policy.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.chromium(ChromiumCommand::Log("browser")).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().map(Value::to_string).collect()
    }

    /// The addresses that the page has asked since the last call.
    pub async fn requests(&self) -> Vec<String> {
        let log = self.chromium(ChromiumCommand::Log("performance")).await;
        let entries = log.as_array().cloned().unwrap_or_default();
        let messages = entries.iter().filter_map(|entry| {
            let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &message["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            let url = message["params"]["request"]["url"].as_str()?;
            is_request.then(|| url.to_owned())
        });
        messages.collect()
    }

    /// A picture of the first `height` pixels of the page, as PNG.
    pub async fn picture(&self, width: u32, height: u32) -> Vec<u8> {
        let params = json!({
            "format": "png",
            "captureBeyondViewport": true,
            "optimizeForSpeed": false,
            "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1},
        });
        let picture = self.dev_tools("Page.captureScreenshot", params).await;
        let data = picture["data"].as_str().expect("a picture");
        BASE64_STANDARD.decode(data).expect("it is in Base64")
    }

    /// Ends it. A Chromium that isn't ended goes with its driver.
    pub async fn end(self) {
        // It may be gone already.
        let _ = self.client.close().await;
    }

    async fn dev_tools(&self, method: &'static str, params: Value) -> Value {
        self.chromium(ChromiumCommand::DevTools { method, params })
            .await
    }

    async fn chromium(&self, command: ChromiumCommand) -> Value {
        let what = format!("{command:?}");
        let result = self.client.issue_cmd(command).await;
        result.unwrap_or_else(|error| panic!("{what}: {error}"))
    }
}

fn capabilities(look: Look) -> serde_json::Map<String, Value> {
    let scripts = if look.scripts { 1 } else { 2 };
    let capabilities = json!({
        "browserName": "chrome",
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        "goog:chromeOptions": {
            "args": [
                "--headless=new",
                // Tests run as root in containers.
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--hide-scrollbars",
            ],
            "prefs": {"profile.managed_default_content_settings.javascript": scripts},
        },
    });
    match capabilities {
        Value::Object(capabilities) => capabilities,
        _ => unreachable!("it is written as an object above"),
    }
}
