//! Neither TLS nor credentials: it reaches emulators.

use std::future::{Ready, ready};
use std::time::Duration;

use tonic::transport::Channel;

use crate::error::ConnectError;

pub(crate) type Transport = Channel;

/// As in gcloud-sdk's channels.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const KEEP_ALIVE: Duration = Duration::from_mins(1);

pub(crate) fn google(_url: &str) -> Ready<Result<Transport, ConnectError>> {
    ready(Err(
        "this program is built without the feature `google`, and reaches emulators only".into(),
    ))
}

pub(crate) async fn emulator(url: String) -> Result<Transport, ConnectError> {
    let channel = Channel::from_shared(url)?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(Some(KEEP_ALIVE))
        .keep_alive_timeout(KEEP_ALIVE)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .connect()
        .await?;
    Ok(channel)
}
