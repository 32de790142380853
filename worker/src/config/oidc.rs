//! The token that pushes must carry.

use cloudtasks::{Endpoint, OidcToken};
use http::Uri;
use worker_contract::env;

use super::error::ConfigError;
use super::parse::{EnvVars, valid};

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
                fix: "write the audiences to accept in tokens, separated by commas. To accept every push, set no OIDC_ variable",
            });
        }
        if emails.is_empty() {
            return Err(ConfigError::Missing {
                variable: env::OIDC_SERVICE_ACCOUNT_EMAILS,
                fix: "write the service accounts to accept in tokens, separated by commas, such as pusher@my-project.iam.gserviceaccount.com",
            });
        }
        for email in &emails {
            service_account(env::OIDC_SERVICE_ACCOUNT_EMAILS, email)?;
        }
        let keys_url = keys_url.unwrap_or_else(|| match endpoint {
            Endpoint::Google => GOOGLE_KEYS.to_owned(),
            Endpoint::Emulator(host) => format!("http://{host}/jwks"),
        });
        Ok(Some(OidcConfig {
            audiences,
            emails,
            issuers: if issuers.is_empty() {
                default_issuers(endpoint)
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

    /// The token that notifications carry; none if no variable is set.
    pub(super) fn notifier_oidc(&self) -> Result<Option<OidcToken>, ConfigError> {
        let (account, audience) = (
            self.get(env::NOTIFIER_OIDC_SERVICE_ACCOUNT_EMAIL),
            self.get(env::NOTIFIER_OIDC_AUDIENCE),
        );
        match (account, audience) {
            (None, None) => Ok(None),
            (Some(service_account_email), Some(audience)) => {
                let variable = env::NOTIFIER_OIDC_SERVICE_ACCOUNT_EMAIL;
                service_account(variable, &service_account_email)?;
                Ok(Some(OidcToken {
                    service_account_email,
                    audience,
                }))
            }
            (None, Some(_)) => Err(ConfigError::Missing {
                variable: env::NOTIFIER_OIDC_SERVICE_ACCOUNT_EMAIL,
                fix: "write the service account of the token that notifications carry, or set no NOTIFIER_OIDC_ variable",
            }),
            (Some(_), None) => Err(ConfigError::Missing {
                variable: env::NOTIFIER_OIDC_AUDIENCE,
                fix: "write the audience of the token that notifications carry, or set no NOTIFIER_OIDC_ variable",
            }),
        }
    }
}

fn service_account(variable: &'static str, email: &str) -> Result<(), ConfigError> {
    let is_one = email.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    let fix = "write service accounts, such as pusher@my-project.iam.gserviceaccount.com";
    valid(is_one.then_some(()), variable, email, fix)
}

/// The issuers of Cloud Tasks' tokens. The emulator signs its tokens itself.
pub(super) fn default_issuers(endpoint: &Endpoint) -> Vec<String> {
    match endpoint {
        Endpoint::Google => GOOGLE_ISSUERS.map(str::to_owned).into(),
        Endpoint::Emulator(host) => vec![format!("http://{host}")],
    }
}

fn web_address(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_web && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}
