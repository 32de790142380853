//! Whether the chains of a namespace may use what a chain names.

use std::fmt::Display;
use std::iter::once;

use crds::conditions::Reason;

use crate::model::host_name::HostName;
use crate::model::tenants::{Allowed, Permission, Tenant, TenantField, Tenants};
use crate::model::{Desired, Problem, Push};

const ASK: &str = "ask the administrator to change the operator's tenants (a value of its chart)";

/// Refuses a chain that names what its namespace may not use. That isn't even read: call this before
/// anything is observed.
pub fn refuse_not_allowed(desired: &Desired, tenants: &Tenants) -> Result<(), Problem> {
    let namespace = desired.namespace.as_str();
    let tenant = match tenants.of(namespace) {
        Permission::Anything => return Ok(()),
        Permission::Entry(tenant) => tenant,
        Permission::Nothing => {
            return Err(Problem::new(
                Reason::NotAllowed,
                format!(
                    "the operator's tenants have no entry for namespace {namespace}, so its chains may use nothing: {ASK}"
                ),
            ));
        }
    };
    let Tenant {
        projects,
        queue_prefixes,
        service_accounts,
        push_hosts,
    } = tenant;
    let notifier = &desired.notifier;

    let project = &notifier.queue.parent.project;
    let list = List::new(namespace, TenantField::Projects, projects);
    list.refuse(&format!("project {project}"), |it| it == project)?;

    let list = List::new(namespace, TenantField::QueuePrefixes, queue_prefixes);
    let stages = desired.stages.iter();
    let stages = stages.map(|it| (&it.queue, format!("of stage {}", it.name)));
    let parking = desired.parking_queue();
    let parking = parking.map(|it| (it, "of parking".to_owned()));
    let notifiers = once((&notifier.queue, "of the notifier".to_owned()));
    for (queue, of) in notifiers.chain(parking).chain(stages) {
        list.refuse(&format!("queue {} {of}", queue.id), |it| it.begins(queue))?;
    }

    let list = List::new(namespace, TenantField::ServiceAccounts, service_accounts);
    let of_pushes = desired.oidc.iter();
    let of_pushes = of_pushes.map(|it| (&it.service_account_email, "oidc"));
    let of_notifier = notifier.oidc.iter();
    let of_notifier = of_notifier.map(|it| (&it.service_account_email, "notifier.oidc"));
    for (account, of) in of_pushes.chain(of_notifier) {
        let what = format!("service account {account} of {of}");
        list.refuse(&what, |it| it.is(account))?;
    }

    let list = List::new(namespace, TenantField::PushHosts, push_hosts);
    for (what, host) in hosts(desired) {
        let is_matched_by = |host: &HostName| list.refuse(&what, |it| it.matches(host));
        host.map_or_else(|| list.refuse(&what, |_| false), |it| is_matched_by(&it))?;
    }
    Ok(())
}

/// The hosts to which a chain sends tokens. The cluster address of its own Services is none.
fn hosts(desired: &Desired) -> Vec<(String, Option<HostName>)> {
    let stages = desired.stages.iter();
    let stages = stages.map(|stage| {
        let host = &stage.address.host;
        let what = format!("host {host} of stage {}", stage.name);
        (what, host.parse().ok())
    });
    let notifier = &desired.notifier;
    let of_notifier = notifier.oidc.iter().map(|_| {
        let what = format!(
            "the host of notifier.url {} with notifier.oidc",
            notifier.url
        );
        (what, notifier.host())
    });
    match desired.push {
        Push::Cluster => of_notifier.collect(),
        Push::Url | Push::Gateway(_) => stages.chain(of_notifier).collect(),
    }
}

/// A list of the entry that applies to a namespace.
struct List<'a, T> {
    namespace: &'a str,
    field: TenantField,
    allowed: &'a Allowed<T>,
}

impl<'a, T: Display> List<'a, T> {
    fn new(namespace: &'a str, field: TenantField, allowed: &'a Allowed<T>) -> Self {
        Self {
            namespace,
            field,
            allowed,
        }
    }

    /// Refuses what fits nothing in the list.
    fn refuse(&self, what: &str, fits: impl FnMut(&T) -> bool) -> Result<(), Problem> {
        let Some(list) = self.allowed.refuses(fits) else {
            return Ok(());
        };
        let (kind, only) = match self.field {
            TenantField::Projects => ("projects", "the projects"),
            TenantField::QueuePrefixes => ("queues", "queues that begin with"),
            TenantField::ServiceAccounts => ("service accounts", "the service accounts"),
            TenantField::PushHosts => ("push hosts", "the push hosts"),
        };
        let list: Vec<String> = list.iter().map(ToString::to_string).collect();
        let may = match list.as_slice() {
            [] => format!("no {kind}. To use it,"),
            list => format!("only {only} {}. Use one of these, or", list.join(", ")),
        };
        Err(Problem::new(
            Reason::NotAllowed,
            format!(
                "{what} is not allowed: chains in namespace {} may use {may} {ASK}",
                self.namespace
            ),
        ))
    }
}
