//! The controller: watches chains, and starts reconciles.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::{Stream, StreamExt, TryStreamExt};
use kube::Resource;
use kube_runtime::controller::{self, Action, Config};
use kube_runtime::reflector::ObjectRef;
use kube_runtime::reflector::store::Writer;
use kube_runtime::utils::Backoff;
use kube_runtime::{Controller, WatchStreamExt, watcher};
use tokio_util::sync::CancellationToken;

use crate::api_server::RETRY_PAUSE;
use crate::args::Args;
use crate::chain::Chain;
use crate::context::Context;
use crate::error::Error;
use crate::namespaces::TriggersByScope;
use crate::reconcile::error_policy::error_policy;
use crate::reconcile::events::{write_all_events, write_late_events};
use crate::reconcile::overrides::report_overrides;
use crate::reconcile::reconcile;
use crate::reconcile::redrives::carry_out_redrives;
use crate::reconcile::revisions::{keep_due_revisions, keep_revisions};

type Failed = controller::Error<Error, watcher::Error>;

/// How long reconciles may take to end after SIGTERM. Most take well under a second; one that takes
/// longer waits for something unavailable.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Serves chains until `stop`, or until it is dropped: then reconciles are canceled.
pub async fn serve_chains(
    args: &Args,
    context: Arc<Context>,
    writers: Vec<Writer<Chain>>,
    triggered: impl Stream<Item = ObjectRef<Chain>>,
    stop: CancellationToken,
) {
    let scopes = args.namespaces().scopes();
    let (by_scope, triggered_in) = TriggersByScope::new(&scopes);
    // The limit is for all namespaces together.
    let count = u16::try_from(scopes.len()).unwrap_or(u16::MAX);
    let concurrency = (args.concurrency / count.max(1)).max(1);
    let stores = context.caches.served_chains.stores().zip(writers);
    let controllers = stores
        .zip(triggered_in)
        .map(|((store, writer), triggered)| {
            let client = &context.client;
            let (scope, reader) = store;
            let (filter, before) = (Arc::clone(&context), Arc::clone(&context));
            let chains = watcher(scope.api::<Chain>(client), watcher::Config::default())
                // Managed fields take half of the memory of a chain, and are never read.
                .modify(|chain| chain.meta_mut().managed_fields = None)
                .inspect_ok(move |event| before.caches.served_chains.changes(event))
                .reflect(writer)
                .applied_objects()
                .try_filter(move |chain| ready(!filter.caches.status_echo.is_echo(chain)));
            Controller::for_stream(chains, reader.clone())
                .with_config(Config::default().concurrency(concurrency))
                .trigger_backoff(ConstantBackoff)
                .reconcile_on(triggered)
                .graceful_shutdown_on(stop.clone().cancelled_owned())
                .run(reconcile, error_policy, Arc::clone(&context))
                .for_each(|outcome| after(outcome, &context))
        });
    let controllers = join_all(controllers);
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
    };
    tokio::select! {
        _ = controllers => {}
        () = keep_revisions(&context) => {}
        () = write_late_events(&context) => {}
        () = carry_out_redrives(&context) => {}
        () = async { by_scope.forward(triggered).await; std::future::pending().await } => {}
        () = late => tracing::warn!("reconciles that still run are canceled"),
    }
    // A next leader does not know what waits for a lull.
    if stop.is_cancelled() {
        let rest = async { tokio::join!(keep_due_revisions(&context), write_all_events(&context)) };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, rest).await.is_err() {
            tracing::warn!("revisions or Events that waited are not written");
        }
    }
}

/// One watch that fails backs off all watches together, by default for up to half a minute. An edit in
/// an incident can't wait for that.
struct ConstantBackoff;

impl Iterator for ConstantBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(RETRY_PAUSE)
    }
}

impl Backoff for ConstantBackoff {
    fn reset(&mut self) {}
}

/// What follows a reconcile. Its failures are logged by [`error_policy`].
async fn after(outcome: Result<(ObjectRef<Chain>, Action), Failed>, context: &Context) {
    match outcome {
        Ok(_) | Err(controller::Error::ReconcilerFailed(..)) => {}
        // The chain no longer exists: it was deleted, or its finalizer was removed by hand.
        Err(controller::Error::ObjectNotFound(chain)) => {
            let namespace = chain.namespace.unwrap_or_default();
            context.caches.forget(&namespace, &chain.name);
            context.metrics.conditions.remove(&namespace, &chain.name);
            report_overrides(&(namespace, chain.name), None, context).await;
        }
        Err(error @ (controller::Error::QueueError(_) | controller::Error::RunnerError(_))) => {
            context.metrics.watch_failed();
            tracing::warn!(%error, "a watch has failed");
        }
    }
}
