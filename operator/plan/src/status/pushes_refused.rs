//! Whether workers refused pushes because of their token.

use crds::conditions::Reason;

use super::finding::{Finding, list};
use crate::model::ChainView;

/// Whether workers refused pushes because of their token; unknown where none could be asked.
pub(super) fn finding(view: ChainView<'_>) -> Finding {
    let ChainView { desired, observed } = view;
    let refused = observed
        .auth_failures
        .iter()
        .filter(|(_, why)| !why.is_empty());
    let refused = refused.map(|(queue, why)| {
        let why: Vec<&str> = why.iter().map(String::as_str).collect();
        format!("{} ({})", queue.id, why.join(", "))
    });
    let mut silent = desired.stages.iter().map(|stage| &stage.queue);
    if let Some(refused) = list(refused) {
        let message = format!(
            "workers refused pushes because of their token in the last minutes: {refused}. Cloud Tasks retries them, and no attempt is counted"
        );
        Finding::new(Some(true), Reason::TokensRefused, message)
    } else if desired.oidc.is_none() {
        let message = "no token is required, see the condition PushesUnauthenticated";
        Finding::new(Some(false), Reason::NoTokenDemanded, message)
    } else if let Some(queue) = silent.find(|queue| !observed.auth_failures.contains_key(*queue)) {
        let message = format!(
            "no ready worker of queue {} answers on port 9481, so refused pushes can't be counted. If this lasts, allow the operator to connect to this port",
            queue.id
        );
        Finding::new(None, Reason::WorkersNotAsked, message)
    } else {
        let message = "no push was refused because of its token in the last minutes";
        Finding::new(Some(false), Reason::NoneRefused, message)
    }
}
