//! The handler of an incident: it succeeds, but with one kind of tasks while the incident lasts.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use clap::Args;
use http::HeaderMap;
use simulation::Fault;
use testkit::server::{Given, serve_on, status};
use tokio::time::sleep;

/// The producer's header that names the kind of a task, and the kind that the incident strikes.
pub const CATEGORY: &str = "x-category";
pub const AFFECTED: &str = "affected";
/// The producer's header that names whose task it is.
pub const TENANT: &str = "x-tenant";

/// Longer than any time-out.
const HANG: Duration = Duration::from_hours(1);

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where it listens
    #[arg(long)]
    listen: SocketAddr,
    /// When the incident begins, in milliseconds of Unix time
    #[arg(long)]
    from: u64,
    /// When it is over
    #[arg(long)]
    until: u64,
    /// Whether a run hangs, and doesn't fail at once
    #[arg(long)]
    hangs: bool,
    /// How long a run takes that succeeds
    #[arg(long)]
    millis: u64,
}

/// As a scenario has it, for [`Options`].
pub fn arguments(
    listen: SocketAddr,
    incident: [u64; 2],
    fault: Fault,
    takes: Duration,
) -> Vec<String> {
    let [from, until] = incident;
    let mut arguments = vec![
        "handle".to_owned(),
        format!("--listen={listen}"),
        format!("--from={from}"),
        format!("--until={until}"),
        format!("--millis={}", takes.as_millis()),
    ];
    if fault == Fault::Hangs {
        arguments.push("--hangs".to_owned());
    }
    arguments
}

/// Serves until it is killed.
pub async fn serve(options: &Options) -> anyhow::Result<()> {
    let told = options.clone();
    serve_on(options.listen, move |request| {
        let told = told.clone();
        async move { told.run(request.headers()).await }
    })
    .await?;
    std::future::pending().await
}

impl Options {
    async fn run(&self, headers: &HeaderMap) -> Given {
        let is_affected = headers.get(CATEGORY).is_some_and(|it| it == AFFECTED);
        if is_affected && (self.from..self.until).contains(&unix_millis(SystemTime::now())) {
            if self.hangs {
                // Until the worker hangs up, which ends this.
                sleep(HANG).await;
            }
            return status(500);
        }
        sleep(Duration::from_millis(self.millis)).await;
        status(200)
    }
}

/// As processes tell each other the time.
pub fn unix_millis(at: SystemTime) -> u64 {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status for a task of this category, in an incident of this window.
    async fn answered(category: &'static str, [from, until]: [u64; 2]) -> u16 {
        let options = Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            from,
            until,
            hangs: false,
            millis: 0,
        };
        let headers =
            [(CATEGORY, category)].map(|(name, it)| (name.parse().unwrap(), it.parse().unwrap()));
        let answer = options.run(&HeaderMap::from_iter(headers)).await;
        answer.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn what_is_struck_fails_while_the_incident_lasts() {
        let (now, past) = ([0, u64::MAX], [0, 1]);
        assert_eq!(answered(AFFECTED, now).await, 500);
        assert_eq!(answered(AFFECTED, past).await, 200);
        assert_eq!(answered("healthy", now).await, 200);
    }
}
