//! The connection to Cloud Tasks.

use gcloud_sdk::google::cloud::tasks::v2::cloud_tasks_client::CloudTasksClient;
use gcloud_sdk::google_cloud_auth::credentials::anonymous;
use gcloud_sdk::{GoogleApi, GoogleAuthMiddleware};

use crate::error::Error;

/// The gRPC client on an authenticated channel.
pub(crate) type Api = GoogleApi<CloudTasksClient<GoogleAuthMiddleware>>;

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

    pub(crate) async fn connect(&self) -> Result<Api, Error> {
        let connected = match self {
            Self::Google => GoogleApi::from_function(CloudTasksClient::new, GOOGLE, None).await,
            Self::Emulator(host) => {
                let credentials = anonymous::Builder::new().build();
                let url = format!("http://{host}");
                GoogleApi::from_function_with_credentials(
                    CloudTasksClient::new,
                    url,
                    None,
                    credentials,
                )
                .await
            }
        };
        connected.map_err(|error| Error::Setup {
            message: format!("{}: {}", self.address(), error_chain(&error)),
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
