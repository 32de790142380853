//! Calls to the API server, under a time limit.

use std::time::Duration;

use crate::error::Error;

/// How long one call may take: the client itself would wait forever on a half-open connection.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before something that is missing or has failed is tried again.
pub const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// A call to the API server, under a time limit. A write goes through `Context::write` instead.
pub async fn call<T>(
    action: impl Into<String>,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(Error::Kubernetes {
            action: action.into(),
            source: Box::new(source),
        }),
        Err(_) => Err(Error::TimedOut {
            action: action.into(),
            after: CALL_TIMEOUT,
        }),
    }
}
