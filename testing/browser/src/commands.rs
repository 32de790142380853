//! Commands of chromedriver that the standard does not have.

use fantoccini::wd::WebDriverCompatibleCommand;
use http::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

/// A command of Chromium's.
#[derive(Debug)]
pub(crate) enum ChromiumCommand {
    /// A method of the `DevTools` protocol.
    DevTools { method: &'static str, params: Value },
    /// The entries of a log since the last call: `browser` or `performance`.
    Log(&'static str),
}

impl WebDriverCompatibleCommand for ChromiumCommand {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.unwrap_or_default();
        let path = match self {
            Self::DevTools { .. } => "goog/cdp/execute",
            Self::Log(_) => "se/log",
        };
        base.join(&format!("session/{session}/{path}"))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = match self {
            Self::DevTools { method, params } => json!({"cmd": method, "params": params}),
            Self::Log(name) => json!({"type": name}),
        };
        (Method::POST, Some(body.to_string()))
    }
}
