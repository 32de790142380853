//! Whose push it is: where the stage asks for one, each push must carry a token that Cloud Tasks got
//! from Google for the pusher's service account, as anybody may find the worker's address.

mod fetch;
mod keys;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use tracing::warn;

use crate::config::Oidc;
use crate::stats::Stats;
use keys::Keys;
use token::Demand;

pub(crate) use token::Refused;

/// A flood of forgeries is one line in this time, for each reason.
const QUIET: Duration = Duration::from_secs(10);

/// What pushes are held against.
#[derive(Debug)]
pub(crate) struct Identity {
    demand: Demand,
    keys: Arc<Keys>,
    said: Mutex<HashMap<Refused, Instant>>,
}

impl Identity {
    pub(crate) fn new(oidc: &Oidc) -> Self {
        Self {
            demand: Demand::new(oidc),
            keys: Arc::new(Keys::default()),
            said: Mutex::default(),
        }
    }

    /// Whether any push could be let in.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether the push with these headers is the pusher's. Costs one RSA verification, some tens of
    /// microseconds; a key that isn't known yet costs a fetch, within the bounds of [`Keys`].
    pub(crate) async fn verify(&self, headers: &HeaderMap, stats: &Stats) -> Result<(), Refused> {
        let verified = self.check(headers).await;
        if let Err(why) = verified {
            stats.refused(why);
            self.tell(why);
        }
        verified
    }

    async fn check(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let token = token::bearer(headers)?;
        let id = token::key_id(token)?;
        let key = self.keys.find(&id).await.ok_or(Refused::UnknownKey)?;
        self.demand.met_by(token, &key)
    }

    /// The token itself is never written: whoever reads the log could push with it for an hour.
    fn tell(&self, why: Refused) {
        let now = Instant::now();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = said
            .get(&why)
            .is_none_or(|then| now.duration_since(*then) >= QUIET);
        if is_news {
            said.insert(why, now);
            warn!(
                reason = why.as_str(),
                %why,
                quiet_for = ?QUIET,
                "a push is refused for its token, and so are others that the metrics count"
            );
        }
    }
}

/// Keeps the keys fresh until it is dropped.
pub(crate) async fn keep_keys(identity: &Identity, oidc: &Oidc, stats: &Stats) {
    let source = fetch::Source::new(oidc.keys_url.clone());
    identity.keys.keep_fresh(&source, stats).await;
}
