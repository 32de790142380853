//! The token that pushes must carry.

use cloudtasks::Endpoint;
use http::Uri;
use worker_contract::env;

use super::env_vars::{EnvVars, valid};
use super::error::ConfigError;

/// Google's tokens have one of these.
const GOOGLE_ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// The public keys that Google signs tokens with.
const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// The token that each push must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcConfig {
    /// The audiences that are accepted.
    pub audiences: Vec<String>,
    /// The service accounts that are accepted. The audience alone proves nothing: anybody with a Google
    /// account can get a token for any audience.
    pub emails: Vec<String>,
    /// The issuers that are accepted.
    pub issuers: Vec<String>,
    /// The URL of the issuer's keys, a JSON Web Key Set.
    pub keys_url: Uri,
}

impl EnvVars<'_> {
    /// None if no variable is set: then every push is accepted.
    pub(super) fn oidc(&self, endpoint: &Endpoint) -> Result<Option<OidcConfig>, ConfigError> {
        let audiences: Vec<String> = self.list(env::OIDC_AUDIENCES)?;
        let emails: Vec<String> = self.list(env::OIDC_SERVICE_ACCOUNT_EMAILS)?;
        let issuers: Vec<String> = self.list(env::OIDC_ISSUERS)?;
        let keys_url = self.get(env::OIDC_JWKS_URL);
        if audiences.is_empty() && emails.is_empty() && issuers.is_empty() && keys_url.is_none() {
            return Ok(None);
        }
        if audiences.is_empty() {
            return Err(ConfigError::Missing {
                variable: env::OIDC_AUDIENCES,
                fix: "write the audiences that a push's token may have, with commas between; or set no OIDC_ variable, which accepts every push",
            });
        }
        if emails.is_empty() {
            return Err(ConfigError::Missing {
                variable: env::OIDC_SERVICE_ACCOUNT_EMAILS,
                fix: "write the service accounts that pushes may come from, with commas between, such as pusher@my-project.iam.gserviceaccount.com",
            });
        }
        for email in &emails {
            let is_one = email.split_once('@').is_some_and(|(name, domain)| {
                !name.is_empty() && !domain.is_empty() && !domain.contains('@')
            });
            let fix = "write service accounts, such as pusher@my-project.iam.gserviceaccount.com";
            let variable = env::OIDC_SERVICE_ACCOUNT_EMAILS;
            valid(is_one.then_some(()), variable, email, fix)?;
        }
        let (default_issuers, default_keys) = match endpoint {
            Endpoint::Google => (GOOGLE_ISSUERS.map(str::to_owned).into(), GOOGLE_KEYS.into()),
            // The emulator signs its tokens itself.
            Endpoint::Emulator(host) => {
                let issuer = format!("http://{host}");
                let keys = format!("{issuer}/jwks");
                (vec![issuer], keys)
            }
        };
        let keys_url = keys_url.unwrap_or(default_keys);
        Ok(Some(OidcConfig {
            audiences,
            emails,
            issuers: if issuers.is_empty() {
                default_issuers
            } else {
                issuers
            },
            keys_url: valid(
                web_address(&keys_url),
                env::OIDC_JWKS_URL,
                &keys_url,
                "write an http or https URL, such as https://www.googleapis.com/oauth2/v3/certs",
            )?,
        }))
    }
}

fn web_address(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_web && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}
