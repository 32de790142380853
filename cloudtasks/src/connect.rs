//! The connection to Cloud Tasks.

use crate::error::Error;
use crate::transport::{self, Transport};

const GOOGLE: &str = "https://cloudtasks.googleapis.com";

/// Google's Cloud Tasks, or an emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Google's, with Application Default Credentials.
    Google,
    /// An emulator at `host:port`, without TLS or credentials.
    Emulator(String),
}

impl Endpoint {
    /// The endpoint that `CLOUD_TASKS_EMULATOR_HOST` names, as other SDKs read it. Unset or empty is
    /// Google.
    pub fn from_emulator_host(host: Option<String>) -> Self {
        host.filter(|host| !host.is_empty())
            .map_or(Self::Google, Self::Emulator)
    }

    /// For messages.
    fn address(&self) -> &str {
        match self {
            Self::Google => GOOGLE,
            Self::Emulator(host) => host,
        }
    }

    pub(crate) async fn connect(&self) -> Result<Transport, Error> {
        let transport = match self {
            Self::Google => transport::google(GOOGLE).await,
            Self::Emulator(host) => transport::emulator(format!("http://{host}")).await,
        };
        transport.map_err(|error| Error::Setup {
            message: format!("{}: {}", self.address(), error_chain(error.as_ref())),
        })
    }
}

/// An error and its causes in one line: the transport's own Display is only "transport error".
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
