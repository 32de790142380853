//! The token that workers require of a push.

use std::collections::BTreeSet;

use cloudtasks::OidcToken;
use crds::Oidc;

/// A token that workers require: of one of these accounts, for one of these audiences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredToken {
    /// The accounts.
    pub emails: BTreeSet<String>,
    /// The audiences.
    pub audiences: BTreeSet<String>,
}

impl RequiredToken {
    /// What the spec says.
    pub(crate) fn of(oidc: &Oidc) -> Self {
        Self {
            emails: BTreeSet::from([oidc.service_account_email.clone()]),
            audiences: oidc.audiences.iter().cloned().collect(),
        }
    }

    /// Whether workers accept a push with this token.
    pub fn accepts(&self, token: Option<&OidcToken>) -> bool {
        token.is_some_and(|token| {
            self.emails.contains(&token.service_account_email)
                && self.audiences.contains(&token.audience)
        })
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.emails.extend(other.emails);
        self.audiences.extend(other.audiences);
        self
    }
}
