//! Leader election by a `Lease` of Kubernetes.
//!
//! The Lease is written with the resource version that was read, so of two operators that want it one
//! is refused. Other clocks are not trusted: a Lease has ended when the reader has seen no change for as
//! long as it lasts.

use std::time::Duration;

use execute::Fence;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client, Config, ResourceExt};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::leader::holder::{Holder, identity};
use crate::telemetry::admin_server::Readiness;

#[cfg(test)]
mod tests;

/// When an unchanged Lease ends for other operators.
const LEASE_DURATION: Duration = Duration::from_secs(7);
/// When it ends for its holder, counted from before it was written. The difference, 1.5 s, is for writes
/// in flight and for clocks that run at different speeds.
const GRANT: Duration = Duration::from_millis(5500);
/// How often the holder renews. One renewal may time out before the grant ends.
const RENEW_INTERVAL: Duration = Duration::from_millis(1500);
/// How often others read the Lease.
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// The pause after a failure.
const FAILURE_PAUSE: Duration = Duration::from_millis(500);
/// For one call. A connection that is silent for so long is dropped.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// An operator that wants to be the leader.
pub struct LeaseCandidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    fence: Fence,
    readiness: Readiness,
    /// The Lease as we wrote it last, while we hold it.
    held: Option<Lease>,
    other: OtherHolder,
    /// Who holds it, for those who ask this operator.
    holder: Holder,
    is_failing: bool,
}

impl LeaseCandidate {
    /// It has its own connections: those of the rest of the operator may wait for minutes, and retry by
    /// themselves.
    pub fn new(
        mut config: Config,
        namespace: &str,
        name: &str,
        fence: Fence,
        holder: Holder,
        readiness: Readiness,
    ) -> Result<Self, Error> {
        config.connect_timeout = Some(CALL_TIMEOUT);
        config.read_timeout = Some(CALL_TIMEOUT);
        config.write_timeout = Some(CALL_TIMEOUT);
        config.reset_reader_on_write = true;
        config.default_retry = false;
        let client =
            Client::try_from(config).map_err(|error| Error::NoCluster(error.to_string()))?;
        let pod = std::env::var("HOSTNAME").unwrap_or_default();
        Ok(Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity(&pod),
            fence,
            holder,
            readiness,
            held: None,
            other: OtherHolder::default(),
            is_failing: false,
        })
    }

    /// Takes the Lease whenever it is free and renews it, until `retire`; then releases it. Ready once
    /// the Lease could be read: a standby could take over.
    pub async fn run(mut self, retire: CancellationToken) {
        loop {
            // Never canceled in the middle: then the version to release would be unknown.
            let pause = self.step().await;
            tokio::select! {
                () = retire.cancelled() => break,
                () = sleep(pause) => {}
            }
        }
        self.release().await;
    }

    /// One read or renewal. Returns how long to wait before the next.
    async fn step(&mut self) -> Duration {
        if self.held.is_some() && !self.fence.is_granted() {
            tracing::warn!(lease = self.name, "the lease could not be renewed in time");
            self.held = None;
        }
        let stepped = match self.held.take() {
            Some(held) => self.renew(held).await,
            None => self.acquire().await,
        };
        match stepped {
            Ok(pause) => {
                self.readiness.can_lead();
                self.is_failing = false;
                pause
            }
            Err(error) => {
                if self.held.is_none()
                    && self
                        .other
                        .left(None, &self.identity, Instant::now())
                        .is_zero()
                {
                    self.holder.set(None);
                }
                // Logged once: it may fail for hours, twice a second.
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%error, lease = self.name, "the lease can't be read or written");
                }
                FAILURE_PAUSE
            }
        }
    }

    /// Reads the Lease, and takes it if it is free.
    async fn acquire(&mut self) -> Result<Duration, kube::Error> {
        let found = limited(self.api.get_opt(&self.name)).await?;
        let left = self
            .other
            .left(found.as_ref(), &self.identity, Instant::now());
        let spec = found.as_ref().and_then(|lease| lease.spec.as_ref());
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref());
        self.holder.set(holder.filter(|_| !left.is_zero()));
        if !left.is_zero() {
            return Ok(left.min(READ_INTERVAL));
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
                tracing::info!(
                    lease = self.name,
                    identity = self.identity,
                    "lease acquired"
                );
                Ok(pause)
            }
            Err(error) if code(&error) == Some(409) => Ok(READ_INTERVAL),
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
        // It may still be ours: a label was added, or an answer to us was lost.
        let found = limited(self.api.get_opt(&self.name)).await?;
        let is_ours = |it: &Lease| {
            let holder = it.spec.as_ref().and_then(|it| it.holder_identity.as_ref());
            holder == Some(&self.identity)
        };
        self.held = found.filter(is_ours);
        if self.held.is_none() {
            tracing::warn!(lease = self.name, "another operator has taken the lease");
            self.fence.revoke();
        }
        Ok(Duration::ZERO)
    }

    /// Writes the Lease as ours. The grant counts from before the request was sent.
    async fn write(&mut self, mut lease: Lease) -> Result<Duration, kube::Error> {
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = i32::try_from(LEASE_DURATION.as_secs()).ok();
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        let parameters = PostParams::default();
        let sent = Instant::now();
        let written = if lease.metadata.resource_version.is_some() {
            limited(self.api.replace(&self.name, &parameters, &lease)).await?
        } else {
            limited(self.api.create(&parameters, &lease)).await?
        };
        self.held = Some(written);
        self.other = OtherHolder::default();
        self.holder.set(Some(&self.identity));
        self.fence.grant_until(sent + GRANT);
        Ok(RENEW_INTERVAL)
    }

    /// Releases the Lease, so that no operator has to wait for its end.
    async fn release(&mut self) {
        self.fence.revoke();
        let Some(mut lease) = self.held.take() else {
            return;
        };
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = None;
        spec.renew_time = None;
        spec.acquire_time = None;
        let parameters = PostParams::default();
        match limited(self.api.replace(&self.name, &parameters, &lease)).await {
            Ok(_) => tracing::info!(lease = self.name, "lease released"),
            Err(error) => {
                tracing::warn!(%error, lease = self.name, "the lease could not be released");
            }
        }
    }
}

/// The version of another holder's Lease that was read last, and when it ends without a newer one.
#[derive(Default)]
struct OtherHolder(Option<(Option<String>, Instant)>);

impl OtherHolder {
    /// For how long an operator other than `me` may still hold the Lease, read at `now`.
    fn left(&mut self, lease: Option<&Lease>, me: &str, now: Instant) -> Duration {
        if let Some(lease) = lease {
            let version = lease.resource_version();
            let is_other = |spec: &&LeaseSpec| {
                let holder = spec.holder_identity.as_deref().unwrap_or_default();
                !holder.is_empty() && holder != me
            };
            match lease.spec.as_ref().filter(is_other) {
                // Released, or ours.
                None => self.0 = None,
                Some(spec) if self.0.as_ref().is_none_or(|(known, _)| *known != version) => {
                    let lasts = spec.lease_duration_seconds.unwrap_or_default();
                    let lasts = Duration::from_secs(u64::try_from(lasts).unwrap_or_default());
                    self.0 = Some((version, now + lasts.max(LEASE_DURATION)));
                }
                Some(_) => {}
            }
        }
        // A deleted Lease still counts until its end.
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
