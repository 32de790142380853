//! What a chain has parked, for people who look.

use cloudtasks::Error as CallError;
use console::{ParkedQuery, ParkedReply};
use console_serve::NotListed;
use jiff::Timestamp;
use plan::location;

use crate::cache::parked_listings::Unknown;
use crate::chain::NamespacedName;
use crate::context::Context;

/// What a chain has parked.
pub async fn parked_tasks(
    context: &Context,
    name: NamespacedName,
    query: ParkedQuery,
) -> Result<ParkedReply, NotListed> {
    let chains = &context.caches.served_chains;
    let (namespace, chain) = &name;
    let known = chains.get(&name).ok_or_else(|| {
        NotListed::Absent(if chains.is_free(&name) {
            format!("there is no chain {namespace}/{chain}")
        } else {
            format!(
                "this operator doesn't serve namespace {namespace}, or can't read chain {chain}"
            )
        })
    })?;
    let spec = &known.spec;
    let parking = spec.parking.as_ref().ok_or_else(|| {
        NotListed::Absent(format!(
            "chain {namespace}/{chain} has no parking: set spec.parking.queue. Tasks that end without a success are then parked"
        ))
    })?;
    let (project, place) = (spec.project.as_deref(), spec.location.as_deref());
    let parent = location(project, place, &context.settings);
    let parent = parent.map_err(|problem| NotListed::Failed(problem.message))?;
    let id = parking.queue.parse();
    let id = id.map_err(|error: cloudtasks::NameError| NotListed::Failed(error.to_string()))?;
    let queue = parent.queue(id);
    let found = context.caches.parked.look(queue).await;
    let found = found.map_err(|unknown| not_listed(unknown, &parking.queue, &name))?;
    let queue = parking.queue.clone();
    // Up to 20,000 tasks are read, which must not hold up reconciles.
    let reply = tokio::task::spawn_blocking(move || {
        let now = Timestamp::now();
        found.listing.reply(&queue, query, found.stale, now)
    });
    Ok(reply.await.expect("it doesn't panic, and isn't canceled"))
}

fn not_listed(unknown: Unknown, queue: &str, (namespace, chain): &NamespacedName) -> NotListed {
    match unknown {
        Unknown::Cloud(CallError::Missing { .. }) => NotListed::Absent(format!(
            "the parking queue {queue} doesn't exist: the conditions of chain {chain} in namespace {namespace} say why the operator hasn't created it"
        )),
        Unknown::Cloud(error @ CallError::Forbidden { .. }) => NotListed::Failed(format!(
            "the operator needs the permission cloudtasks.tasks.list to list parked tasks: {error}"
        )),
        Unknown::Cloud(error) => {
            NotListed::Failed(format!("parked tasks can't be listed now: {error}"))
        }
        Unknown::NoCallLeft { wait } => NotListed::TooOften(format!(
            "the operator has used up its 30 calls a minute for lists of parked tasks: try again in {} s",
            wait.as_secs() + 1
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_could_not_be_listed_is_a_sentence_that_says_what_to_do() {
        let name = ("shop".to_owned(), "orders".to_owned());
        let resource = || "projects/p/locations/l/queues/orders-parked".to_owned();
        let message = || "no".to_owned();
        let sentence = |unknown| match not_listed(unknown, "orders-parked", &name) {
            NotListed::Standby(standby) => panic!("{standby:?}"),
            NotListed::Absent(text) => ("absent", text),
            NotListed::Failed(text) => ("failed", text),
            NotListed::TooOften(text) => ("too often", text),
        };
        let cloud = |error| sentence(Unknown::Cloud(error));
        for ((kind, text), wanted, part) in [
            (
                cloud(CallError::Missing {
                    resource: resource(),
                    message: message(),
                }),
                "absent",
                "the parking queue orders-parked doesn't exist: the conditions of chain orders in namespace shop say why",
            ),
            (
                cloud(CallError::Forbidden {
                    resource: resource(),
                    message: message(),
                }),
                "failed",
                "the operator needs the permission cloudtasks.tasks.list to list parked tasks: no permission for projects",
            ),
            (
                cloud(CallError::Quota {
                    resource: resource(),
                    message: message(),
                }),
                "failed",
                "parked tasks can't be listed now: a quota for projects",
            ),
            (
                sentence(Unknown::NoCallLeft {
                    wait: Duration::from_millis(19_300),
                }),
                "too often",
                "a minute for lists of parked tasks: try again in 20 s",
            ),
        ] {
            assert_eq!(kind, wanted, "{text}");
            assert!(text.contains(part), "{text}");
        }
    }
}
