//! What a push must prove, where it must prove anything.

use cloudtasks::Endpoint;
use http::Uri;

use super::{ConfigError, Vars, words, wrong_unless};

/// Google writes either into its tokens.
const GOOGLE_ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// The public halves of the keys that Google signs tokens with.
const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";

const AUDIENCES: &str = "OIDC_AUDIENCES";
const EMAILS: &str = "OIDC_SERVICE_ACCOUNT_EMAILS";
const ISSUERS: &str = "OIDC_ISSUERS";
const KEYS_URL: &str = "OIDC_JWKS_URL";

/// The token that each push must carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// For whom it may be meant: one of these.
    pub audiences: Vec<String>,
    /// Whose it may be. The audience alone proves nothing, since whoever has a Google account can
    /// have a token for any audience.
    pub emails: Vec<String>,
    /// Who may have signed it.
    pub issuers: Vec<String>,
    /// Where the issuer publishes its keys, as a JSON Web Key Set.
    pub keys_url: Uri,
}

impl Vars<'_> {
    /// None, where neither audiences nor accounts are named: then every push is taken.
    pub(super) fn oidc(&self, endpoint: &Endpoint) -> Result<Option<Oidc>, ConfigError> {
        let (audiences, emails) = (self.words(AUDIENCES), self.words(EMAILS));
        let (issuers, keys_url) = (self.words(ISSUERS), self.get(KEYS_URL));
        if audiences.is_empty() && emails.is_empty() && issuers.is_empty() && keys_url.is_none() {
            return Ok(None);
        }
        if audiences.is_empty() {
            return Err(ConfigError::Missing {
                variable: AUDIENCES,
                mend: "write the audiences that a push's token may have, with commas between; or leave out all that begins with OIDC_, and every push is taken",
            });
        }
        if emails.is_empty() {
            return Err(ConfigError::Missing {
                variable: EMAILS,
                mend: "write the service accounts that pushes may come from, with commas between, such as pusher@my-project.iam.gserviceaccount.com",
            });
        }
        for email in &emails {
            let is_one = email.split_once('@').is_some_and(|(name, domain)| {
                !name.is_empty() && !domain.is_empty() && !domain.contains('@')
            });
            let mend = "write service accounts, such as pusher@my-project.iam.gserviceaccount.com";
            wrong_unless(is_one.then_some(()), EMAILS, email, mend)?;
        }
        let (default_issuers, default_keys) = match endpoint {
            Endpoint::Google => (GOOGLE_ISSUERS.map(str::to_owned).into(), GOOGLE_KEYS.into()),
            // It signs its tokens itself.
            Endpoint::Emulator(host) => {
                let issuer = format!("http://{host}");
                let keys = format!("{issuer}/jwks");
                (vec![issuer], keys)
            }
        };
        let keys_url = keys_url.unwrap_or(default_keys);
        Ok(Some(Oidc {
            audiences,
            emails,
            issuers: if issuers.is_empty() {
                default_issuers
            } else {
                issuers
            },
            keys_url: wrong_unless(
                web_address(&keys_url),
                KEYS_URL,
                &keys_url,
                "write an http or https URL, such as https://www.googleapis.com/oauth2/v3/certs",
            )?,
        }))
    }

    fn words(&self, variable: &str) -> Vec<String> {
        let text = self.get(variable).unwrap_or_default();
        words(&text).map(str::to_owned).collect()
    }
}

fn web_address(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_web && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}
