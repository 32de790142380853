//! Verifies pushes. If a stage requires tokens, each push must carry one that Cloud Tasks got from
//! Google for the pusher's service account, because anybody may reach the worker's address.

mod key_cache;
mod key_source;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use tracing::warn;

use crate::config::OidcConfig;
use crate::telemetry::WorkerMetrics;
use key_cache::KeyCache;
use key_source::KeySource;
use token::{TokenError, TokenValidator};

#[cfg(test)]
pub(crate) use key_source::FETCH_TIMEOUT;
pub(crate) use token::token_origin;

/// Each reason is logged at most once in this time, so that a flood of forged tokens is one line.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Verifies the tokens of pushes.
#[derive(Debug)]
pub(crate) struct PushVerifier {
    validator: TokenValidator,
    keys: Arc<KeyCache>,
    last_logged: Mutex<HashMap<TokenError, Instant>>,
}

impl PushVerifier {
    pub(crate) fn new(oidc: &OidcConfig) -> Self {
        Self {
            validator: TokenValidator::new(oidc),
            keys: Arc::new(KeyCache::default()),
            last_logged: Mutex::default(),
        }
    }

    /// Whether any push could be verified.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Verifies the token in a push's headers. That costs one RSA verification, some tens of
    /// microseconds; a key that isn't cached costs a fetch, within the limits of [`KeyCache`].
    pub(crate) async fn verify(
        &self,
        headers: &HeaderMap,
        metrics: &WorkerMetrics,
    ) -> Result<(), TokenError> {
        let verified = self.check(headers).await;
        if let Err(error) = verified {
            metrics.refused(error.as_str());
            self.log(error);
        }
        verified
    }

    async fn check(&self, headers: &HeaderMap) -> Result<(), TokenError> {
        let token = token::bearer(headers)?;
        let id = token::key_id(token)?;
        let key = self.keys.find(&id).await.ok_or(TokenError::UnknownKey)?;
        self.validator.validate(token, &key)
    }

    /// The token itself is never logged: a reader of the log could push with it for an hour.
    fn log(&self, error: TokenError) {
        let now = Instant::now();
        let mut last_logged = self
            .last_logged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let is_due = last_logged
            .get(&error)
            .is_none_or(|then| now.duration_since(*then) >= LOG_INTERVAL);
        if is_due {
            last_logged.insert(error, now);
            warn!(
                reason = error.as_str(),
                %error,
                at_most_once_in = ?LOG_INTERVAL,
                "push refused; see executor_worker_pushes_refused_total for how many"
            );
        }
    }
}

/// Refreshes the issuer's keys until it is dropped.
pub(crate) async fn refresh_keys(
    verifier: &PushVerifier,
    oidc: &OidcConfig,
    metrics: &WorkerMetrics,
) {
    let source = KeySource::new(oidc.keys_url.clone());
    verifier.keys.refresh(&source, metrics).await;
}
