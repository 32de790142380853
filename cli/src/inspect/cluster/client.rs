//! The client of a kubeconfig, and its errors.

use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::time::timeout;

use crate::error::Error;
use crate::inspect::args::Place;
use crate::inspect::seen::{Gap, Right};

/// For one call.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A client, and the namespace of its context.
pub(super) async fn of(place: &Place) -> Result<(Client, String), Error> {
    let config = config(place).await.map_err(Error::Kubeconfig)?;
    let namespace = config.default_namespace.clone();
    let client = Client::try_from(config).map_err(|error| Error::Kubeconfig(error.to_string()))?;
    Ok((client, namespace))
}

async fn config(place: &Place) -> Result<Config, String> {
    let options = KubeConfigOptions {
        context: place.context.clone(),
        ..KubeConfigOptions::default()
    };
    let config = match &place.kubeconfig {
        Some(file) => {
            let read = Kubeconfig::read_from(file).map_err(|error| error.to_string())?;
            Config::from_custom_kubeconfig(read, &options).await
        }
        None if options.context.is_some() => Config::from_kubeconfig(&options).await,
        // In a pod there is none, and a service account.
        None => return Config::infer().await.map_err(|error| error.to_string()),
    };
    config.map_err(|error| error.to_string())
}

/// The result of a call, or the right that it needs, or why there is no answer.
pub(crate) async fn limited<T>(
    right: Right,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, Gap> {
    let Ok(result) = timeout(TIMEOUT, call).await else {
        let late = format!("no answer of the API server in {} s", TIMEOUT.as_secs());
        return Err(Gap::Operator(late));
    };
    result.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 403 => {
            Gap::Right(right.refused(&status.message))
        }
        kube::Error::Api(status) => Gap::Operator(format!("the API server: {}", status.message)),
        error => Gap::Operator(format!("the API server: {}", with_causes(&error))),
    })
}

/// hyper's own text is "client error (Connect)".
fn with_causes(error: &dyn std::error::Error) -> String {
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
