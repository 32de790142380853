//! What the chains of each namespace may use: the allow-list of the operator's administrator.

mod names;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use cloudtasks::ProjectId;
use serde_json::Value;

use super::host_name::HostPattern;

pub use names::{QueuePrefix, ServiceAccount};

/// The key for the namespaces that have no entry of their own.
const OTHERS: &str = "*";

/// What the chains of each namespace may use. Without entries they may use anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tenants(BTreeMap<String, Tenant>);

/// What the chains of one namespace may use.
#[derive(Debug, Clone, Copy)]
pub enum Permission<'a> {
    /// Anything: there is no allow-list.
    Anything,
    /// What an entry allows.
    Entry(&'a Tenant),
    /// Nothing: the allow-list has no entry for them.
    Nothing,
}

/// An entry of the allow-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// The projects whose queues they may use.
    pub projects: Allowed<ProjectId>,
    /// How the ids of their queues may begin, the notifier's too.
    pub queue_prefixes: Allowed<QueuePrefix>,
    /// The accounts whose tokens pushes and notifications may carry.
    pub service_accounts: Allowed<ServiceAccount>,
    /// The hosts that they may push to, and send notifications with a token to.
    pub push_hosts: Allowed<HostPattern>,
}

/// A list of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed<T> {
    /// The entry has no such list.
    Anything,
    /// What is in the list.
    Only(Vec<T>),
}

/// The lists of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantField {
    /// See [`Tenant::projects`].
    Projects,
    /// See [`Tenant::queue_prefixes`].
    QueuePrefixes,
    /// See [`Tenant::service_accounts`].
    ServiceAccounts,
    /// See [`Tenant::push_hosts`].
    PushHosts,
}

/// Why an allow-list can't be read. Each sentence says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantsError {
    /// It isn't JSON.
    #[error("it is not JSON ({0}): write a map such as {example}", example = EXAMPLE)]
    Json(String),
    /// It is JSON and no map.
    #[error("it is not a map of namespaces: write a map such as {example}", example = EXAMPLE)]
    NotAMap,
    /// A key that is no namespace.
    #[error("{0:?} is not the name of a namespace: write one, or * for all that are not named")]
    Namespace(String),
    /// The entry of a namespace that is no map.
    #[error(
        "the entry of {0} is not a map: write what its chains may use, such as {{\"projects\": [\"my-project\"]}}, or {{}} for anything"
    )]
    Entry(String),
    /// A field that an entry doesn't have.
    #[error(
        "the entry of {0} has the unknown field {1:?}: use projects, queuePrefixes, serviceAccounts, and pushHosts"
    )]
    Field(String, String),
    /// A field that is no list of strings.
    #[error(
        "{1} in the entry of {0} is not a list of strings: write a list, [] for nothing, or omit {1} to allow anything"
    )]
    List(String, TenantField),
    /// An item that can't be one.
    #[error("{1} in the entry of {0}: {2}")]
    Item(String, TenantField, String),
}

const EXAMPLE: &str = r#"{"shop": {"projects": ["my-project"], "queuePrefixes": ["shop-"]}}"#;

impl Tenants {
    /// What the chains of a namespace may use: what its own entry says, or else the one for all others.
    pub fn of(&self, namespace: &str) -> Permission<'_> {
        if self.0.is_empty() {
            return Permission::Anything;
        }
        let entry = self.0.get(namespace).or_else(|| self.0.get(OTHERS));
        entry.map_or(Permission::Nothing, Permission::Entry)
    }
}

impl FromStr for Tenants {
    type Err = TenantsError;

    /// Reads JSON. An error anywhere refuses the whole list: half of one would allow too much.
    fn from_str(text: &str) -> Result<Self, TenantsError> {
        let json: Value =
            serde_json::from_str(text).map_err(|error| TenantsError::Json(error.to_string()))?;
        let Value::Object(entries) = json else {
            return Err(TenantsError::NotAMap);
        };
        let entries = entries.into_iter().map(|(namespace, entry)| {
            if !is_namespace(&namespace) && namespace != OTHERS {
                return Err(TenantsError::Namespace(namespace));
            }
            let tenant = Tenant::read(&namespace, &entry)?;
            Ok((namespace, tenant))
        });
        entries.collect::<Result<_, _>>().map(Self)
    }
}

/// Whether a namespace can have this name: a label as of RFC 1123.
fn is_namespace(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

impl Tenant {
    fn read(namespace: &str, entry: &Value) -> Result<Self, TenantsError> {
        let Value::Object(fields) = entry else {
            return Err(TenantsError::Entry(namespace.to_owned()));
        };
        let is_known = |field: &&String| TenantField::ALL.iter().any(|it| it.as_str() == *field);
        if let Some(unknown) = fields.keys().find(|field| !is_known(field)) {
            return Err(TenantsError::Field(namespace.to_owned(), unknown.clone()));
        }
        let list = |field: TenantField| (field, fields.get(field.as_str()));
        Ok(Self {
            projects: Allowed::read(namespace, list(TenantField::Projects))?,
            queue_prefixes: Allowed::read(namespace, list(TenantField::QueuePrefixes))?,
            service_accounts: Allowed::read(namespace, list(TenantField::ServiceAccounts))?,
            push_hosts: Allowed::read(namespace, list(TenantField::PushHosts))?,
        })
    }
}

impl<T> Allowed<T> {
    /// The list, if nothing in it fits.
    pub fn refuses(&self, fits: impl FnMut(&T) -> bool) -> Option<&[T]> {
        match self {
            Self::Anything => None,
            Self::Only(list) => (!list.iter().any(fits)).then_some(list),
        }
    }

    /// Reads a list. Null isn't one: YAML has it where a value was forgotten, and it would allow anything.
    fn read(
        namespace: &str,
        (field, list): (TenantField, Option<&Value>),
    ) -> Result<Self, TenantsError>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let Some(list) = list else {
            return Ok(Self::Anything);
        };
        let no_list = || TenantsError::List(namespace.to_owned(), field);
        let items = list.as_array().ok_or_else(no_list)?.iter().map(|item| {
            let parsed = item.as_str().ok_or_else(no_list)?.parse();
            parsed.map_err(|why: T::Err| {
                TenantsError::Item(namespace.to_owned(), field, why.to_string())
            })
        });
        items.collect::<Result<_, _>>().map(Self::Only)
    }
}

impl TenantField {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Projects,
        Self::QueuePrefixes,
        Self::ServiceAccounts,
        Self::PushHosts,
    ];

    /// As JSON has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Projects => "projects",
            Self::QueuePrefixes => "queuePrefixes",
            Self::ServiceAccounts => "serviceAccounts",
            Self::PushHosts => "pushHosts",
        }
    }
}

impl fmt::Display for TenantField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_entry_applies() {
        let tenants: Tenants = r#"{"shop": {"projects": ["a"]}, "*": {"queuePrefixes": []}}"#
            .parse()
            .unwrap();
        let Permission::Entry(shop) = tenants.of("shop") else {
            panic!("it has an entry");
        };
        assert_eq!(shop.projects, Allowed::Only(vec!["a".parse().unwrap()]));
        assert_eq!(shop.queue_prefixes, Allowed::Anything, "of another entry");
        let Permission::Entry(hall) = tenants.of("hall") else {
            panic!("all others have one");
        };
        assert_eq!(hall.queue_prefixes, Allowed::Only(Vec::new()));
        assert_eq!(hall.projects, Allowed::Anything);
    }

    #[test]
    fn without_entries_anything_is_allowed_and_else_nothing_without_ones_own() {
        let none: Tenants = "{}".parse().unwrap();
        assert!(matches!(none.of("shop"), Permission::Anything));
        let others: Tenants = r#"{"hall": {}}"#.parse().unwrap();
        assert!(matches!(others.of("shop"), Permission::Nothing));
        assert!(matches!(others.of("hall"), Permission::Entry(_)));
    }

    #[test]
    fn what_cant_be_read_is_refused_with_what_to_write() {
        let rows = [
            ("", "it is not JSON (EOF while parsing a value"),
            ("shop: {}", "it is not JSON (expected value"),
            ("[]", "it is not a map of namespaces"),
            ("null", "it is not a map of namespaces"),
            (
                r#"{"Shop": {}}"#,
                r#""Shop" is not the name of a namespace: write one, or * for all"#,
            ),
            (r#"{"sh*": {}}"#, r#""sh*" is not the name of a namespace"#),
            (r#"{"": {}}"#, r#""" is not the name of a namespace"#),
            (
                r#"{"shop": null}"#,
                "the entry of shop is not a map: write what its chains may use",
            ),
            (r#"{"shop": []}"#, "the entry of shop is not a map"),
            (
                r#"{"shop": {"project": ["a"]}}"#,
                r#"the entry of shop has the unknown field "project": use projects, queuePrefixes"#,
            ),
            (
                r#"{"shop": {"projects": null}}"#,
                "projects in the entry of shop is not a list of strings: write a list, [] for nothing, or omit projects",
            ),
            (
                r#"{"*": {"projects": "a"}}"#,
                "projects in the entry of * is not a list of strings",
            ),
            (
                r#"{"shop": {"queuePrefixes": [1]}}"#,
                "queuePrefixes in the entry of shop is not a list of strings",
            ),
            (
                r#"{"shop": {"projects": ["projects/a"]}}"#,
                r#"projects in the entry of shop: "projects/a" is not a project"#,
            ),
            (
                r#"{"shop": {"queuePrefixes": [""]}}"#,
                "queuePrefixes in the entry of shop: every queue begins with an empty prefix",
            ),
            (
                r#"{"shop": {"queuePrefixes": ["shop-*"]}}"#,
                r#"no queue begins with "shop-*""#,
            ),
            (
                r#"{"shop": {"serviceAccounts": ["pusher"]}}"#,
                r#""pusher" is not the email address of a service account"#,
            ),
            (
                r#"{"shop": {"serviceAccounts": ["a@b@c"]}}"#,
                r#""a@b@c" is not the email address"#,
            ),
            (
                r#"{"shop": {"pushHosts": ["https://a.example.com"]}}"#,
                r#"pushHosts in the entry of shop: "https://a.example.com" is not a host: write only a name such as push.example.com, without scheme"#,
            ),
            (
                r#"{"shop": {"pushHosts": ["*"]}}"#,
                r#"in "*", * is not the first of several labels"#,
            ),
        ];
        for (json, sentence) in rows {
            let said = json.parse::<Tenants>().unwrap_err().to_string();
            assert!(said.contains(sentence), "{json}\n{said}");
        }
    }
}
