//! The controller: watches chains, and starts rounds.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::{Stream, StreamExt, TryStreamExt};
use kube::Resource;
use kube_runtime::controller::{self, Action, Config};
use kube_runtime::reflector::{self, ObjectRef};
use kube_runtime::utils::Backoff;
use kube_runtime::{Controller, WatchStreamExt, watcher};
use tokio_util::sync::CancellationToken;

use crate::args::Args;
use crate::context::Context;
use crate::error::Error;
use crate::namespaces::Sorted;
use crate::reconcile::{Chain, again, reconcile};

type Failed = controller::Error<Error, watcher::Error>;

/// How long to wait before asking again for what isn't there yet.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// What runs when we are told to stop has so long to end: a round takes well under a second, and what
/// takes longer waits for something that is away.
const LEAVE: Duration = Duration::from_secs(3);

/// Serves chains until `stop`, or until it is dropped: then rounds end where they are.
pub async fn serve(
    args: &Args,
    context: Arc<Context>,
    changed: impl Stream<Item = ObjectRef<Chain>>,
    stop: CancellationToken,
) {
    let scopes = args.namespaces().scopes();
    let (sorted, changed_in) = Sorted::new(&scopes);
    // All namespaces together start no more rounds at once than one would.
    let count = u16::try_from(scopes.len()).unwrap_or(u16::MAX);
    let concurrency = (args.concurrency / count.max(1)).max(1);
    let controllers = scopes.iter().zip(changed_in).map(|(scope, changed)| {
        let client = &context.client;
        let (reader, writer) = reflector::store();
        let echoes = Arc::clone(&context);
        let chains = watcher(scope.api::<Chain>(client), watcher::Config::default())
            // Who wrote which field is half of what a chain takes up here, and nobody reads it.
            .modify(|chain| chain.meta_mut().managed_fields = None)
            .reflect(writer)
            .applied_objects()
            .try_filter(move |chain| ready(!echoes.echoes.is_one(chain)));
        Controller::for_stream(chains, reader)
            .with_config(Config::default().concurrency(concurrency))
            .trigger_backoff(Steady)
            .reconcile_on(changed)
            .graceful_shutdown_on(stop.clone().cancelled_owned())
            .run(reconcile, again, Arc::clone(&context))
            .for_each(|outcome| async { said(outcome, &context) })
    });
    let controllers = join_all(controllers);
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(LEAVE).await;
    };
    tokio::select! {
        _ = controllers => {}
        () = async { sorted.pass_on(changed).await; std::future::pending().await } => {}
        () = late => tracing::warn!("rounds that still run are cut off"),
    }
}

/// One watch that fails backs off all of them together, by default for up to half a minute; an edit
/// in an incident can't wait for that.
struct Steady;

impl Iterator for Steady {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(PATIENCE)
    }
}

impl Backoff for Steady {
    fn reset(&mut self) {}
}

/// What [`again`] has not said already: a watch that fails makes the operator deaf.
fn said(outcome: Result<(ObjectRef<Chain>, Action), Failed>, context: &Context) {
    match outcome {
        Ok(_) | Err(controller::Error::ReconcilerFailed(..)) => {}
        // It is gone, by its deletion or because somebody removed its finalizer.
        Err(controller::Error::ObjectNotFound(chain)) => {
            let namespace = chain.namespace.unwrap_or_default();
            context.inventory.forget(&namespace, &chain.name);
            context.refusals.forget(&namespace, &chain.name);
            context.kinds.forget(&namespace, &chain.name);
            context.metrics.chains.gone(&namespace, &chain.name);
        }
        Err(error @ (controller::Error::QueueError(_) | controller::Error::RunnerError(_))) => {
            context.metrics.watch_failed();
            tracing::warn!(%error, "a watch has failed");
        }
    }
}
