//! The lease: who of several operators is the leader.
//!
//! A `Lease` of Kubernetes is written with the resource version that was read, so of two that want it
//! one is refused. Others' clocks are not believed: a lease is over when it has not changed for as
//! long as it lasts, by the clock of whoever looks.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client, Config, ResourceExt};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::admin::Readiness;
use crate::claim::Claim;
use crate::error::Error;

#[cfg(test)]
mod tests;

/// How long others let an unchanged lease stand.
const LASTS: Duration = Duration::from_secs(7);
/// How long its holder counts on it, from before it asked. What is under way at that end has the
/// difference, 1.5 s, to arrive before anybody else begins; and clocks may run at different speeds.
const CLAIMED: Duration = Duration::from_millis(5500);
/// How often the holder renews, and how often others look. One renewal may time out before the claim
/// is over.
const RENEWED: Duration = Duration::from_millis(1500);
const LOOK: Duration = Duration::from_secs(1);
/// After a failure.
const AGAIN: Duration = Duration::from_millis(500);
/// For one call. A connection that is silent for so long is given up with it.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// One that wants to lead.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    claim: Claim,
    readiness: Readiness,
    /// The lease as we wrote it last, for as long as we count on it.
    held: Option<Lease>,
    others: Others,
    is_failing: bool,
}

impl Candidate {
    /// With connections of its own: those of the rest may wait for minutes, and try again by
    /// themselves.
    pub fn new(
        mut config: Config,
        namespace: &str,
        name: &str,
        claim: Claim,
        readiness: Readiness,
    ) -> Result<Self, Error> {
        config.connect_timeout = Some(CALL_TIMEOUT);
        config.read_timeout = Some(CALL_TIMEOUT);
        config.write_timeout = Some(CALL_TIMEOUT);
        config.reset_reader_on_write = true;
        config.default_retry = false;
        let client =
            Client::try_from(config).map_err(|error| Error::NoCluster(error.to_string()))?;
        // A container that is restarted in its pod is not who it was: what the other had under way
        // may still arrive.
        let host = std::env::var("HOSTNAME").unwrap_or_default();
        let identity = format!("{host}_{:016x}", fastrand::u64(..));
        Ok(Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity,
            claim,
            readiness,
            held: None,
            others: Others::default(),
            is_failing: false,
        })
    }

    /// Takes the lease whenever it is free and renews it, until `retire`; then it is given back at
    /// once. Ready as soon as the lease could be read: a standby could take over.
    pub async fn stand(mut self, retire: CancellationToken) {
        loop {
            // Never cut off in the middle: then nobody would know which version to give back.
            let pause = self.go().await;
            tokio::select! {
                () = retire.cancelled() => break,
                () = sleep(pause) => {}
            }
        }
        self.release().await;
    }

    /// One look or one renewal; how long to wait before the next.
    async fn go(&mut self) -> Duration {
        if self.held.is_some() && !self.claim.holds() {
            tracing::warn!(lease = self.name, "the lease could not be renewed in time");
            self.held = None;
        }
        let went = match self.held.take() {
            Some(held) => self.renew(held).await,
            None => self.look().await,
        };
        match went {
            Ok(pause) => {
                self.readiness.can_lead();
                self.is_failing = false;
                pause
            }
            Err(error) => {
                // Once: it may go on for hours, and twice a second.
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%error, lease = self.name, "the lease can't be asked for");
                }
                AGAIN
            }
        }
    }

    /// Looks whose the lease is, and takes it if it is nobody's.
    async fn look(&mut self) -> Result<Duration, kube::Error> {
        let found = limited(self.api.get_opt(&self.name)).await?;
        let left = self
            .others
            .left(found.as_ref(), &self.identity, Instant::now());
        if !left.is_zero() {
            return Ok(left.min(LOOK));
        }
        let mut lease = found.unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: None,
        });
        let spec = lease.spec.get_or_insert_default();
        spec.acquire_time = Some(MicroTime(Timestamp::now()));
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default() + 1);
        match self.write(lease).await {
            Ok(pause) => {
                tracing::info!(lease = self.name, identity = self.identity, "taken");
                Ok(pause)
            }
            Err(error) if code(&error) == Some(409) => Ok(LOOK),
            Err(error) => Err(error),
        }
    }

    async fn renew(&mut self, held: Lease) -> Result<Duration, kube::Error> {
        let error = match self.write(held.clone()).await {
            Ok(pause) => return Ok(pause),
            Err(error) => error,
        };
        self.held = Some(held);
        // Written or deleted since we read it.
        if !matches!(code(&error), Some(404 | 409)) {
            return Err(error);
        }
        // Ours all the same, if somebody put a label on it, or an answer to us was lost.
        let found = limited(self.api.get_opt(&self.name)).await?;
        let is_ours = |it: &Lease| {
            let holder = it.spec.as_ref().and_then(|it| it.holder_identity.as_ref());
            holder == Some(&self.identity)
        };
        self.held = found.filter(is_ours);
        if self.held.is_none() {
            tracing::warn!(lease = self.name, "somebody else has taken the lease");
            self.claim.end();
        }
        Ok(Duration::ZERO)
    }

    /// Writes the lease as ours, and counts on it from before that was sent.
    async fn write(&mut self, mut lease: Lease) -> Result<Duration, kube::Error> {
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = i32::try_from(LASTS.as_secs()).ok();
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        let parameters = PostParams::default();
        let sent = Instant::now();
        let written = if lease.metadata.resource_version.is_some() {
            limited(self.api.replace(&self.name, &parameters, &lease)).await?
        } else {
            limited(self.api.create(&parameters, &lease)).await?
        };
        self.held = Some(written);
        self.others = Others::default();
        self.claim.extend(sent + CLAIMED);
        Ok(RENEWED)
    }

    /// Gives it back, so that nobody has to wait for its end.
    async fn release(&mut self) {
        self.claim.end();
        let Some(mut lease) = self.held.take() else {
            return;
        };
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = None;
        spec.renew_time = None;
        spec.acquire_time = None;
        let parameters = PostParams::default();
        match limited(self.api.replace(&self.name, &parameters, &lease)).await {
            Ok(_) => tracing::info!(lease = self.name, "given back"),
            Err(error) => tracing::warn!(%error, lease = self.name, "the lease is not given back"),
        }
    }
}

/// What is known of a lease of somebody else's: the version that was seen, and when it is over unless
/// another one follows.
#[derive(Default)]
struct Others(Option<(Option<String>, Instant)>);

impl Others {
    /// For how long somebody other than `me` may still count on the lease, seen at `now`.
    fn left(&mut self, lease: Option<&Lease>, me: &str, now: Instant) -> Duration {
        if let Some(lease) = lease {
            let version = lease.resource_version();
            let holder = |spec: &&LeaseSpec| {
                let holder = spec.holder_identity.as_deref().unwrap_or_default();
                !holder.is_empty() && holder != me
            };
            match lease.spec.as_ref().filter(holder) {
                // Given back, or ours.
                None => self.0 = None,
                Some(spec) if self.0.as_ref().is_none_or(|(seen, _)| *seen != version) => {
                    let lasts = spec.lease_duration_seconds.unwrap_or_default();
                    let lasts = Duration::from_secs(u64::try_from(lasts).unwrap_or_default());
                    self.0 = Some((version, now + lasts.max(LASTS)));
                }
                Some(_) => {}
            }
        }
        // Of a lease that somebody has deleted what was known still counts.
        let end = self.0.as_ref().map_or(now, |(_, end)| *end);
        end.saturating_duration_since(now)
    }
}

async fn limited<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    timeout(CALL_TIMEOUT, call).await.unwrap_or_else(|_| {
        let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time");
        Err(kube::Error::Service(late.into()))
    })
}

fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}
