//! The parameters of a request.

use std::fmt;

use console::page::Listing;

use crate::view::ChainName;

/// What can be searched for: more than a namespace and a name have is found nowhere.
const MAX_FILTER: usize = 320;

/// The parameters of a request. Others are ignored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    namespace: Option<String>,
    name: Option<String>,
    filter: String,
    page: usize,
}

/// Only one half of a chain's name was given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HalfAName;

impl Query {
    /// Of the part of an address after the question mark.
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let mut found = Self::default();
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*key {
                "namespace" => found.namespace = Some(value.into_owned()),
                "name" => found.name = Some(value.into_owned()),
                "q" => found.filter = value.trim().chars().take(MAX_FILTER).collect(),
                // Pages of people begin with 1.
                "page" => found.page = value.parse::<usize>().unwrap_or_default().saturating_sub(1),
                _ => {}
            }
        }
        found
    }

    /// The chain that is asked for; `None` if it is all of them.
    pub(crate) fn chain(&self) -> Result<Option<ChainName>, HalfAName> {
        match (self.namespace.clone(), self.name.clone()) {
            (Some(namespace), Some(name)) => Ok(Some(ChainName { namespace, name })),
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => Err(HalfAName),
        }
    }

    /// The part of the list that is asked for.
    pub(crate) fn listing(self) -> Listing {
        Listing {
            page: self.page,
            filter: self.filter,
        }
    }
}

impl ChainName {
    /// The query that asks for it.
    pub(crate) fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("namespace", &self.namespace);
        query.append_pair("name", &self.name);
        query.finish()
    }
}

impl fmt::Display for HalfAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("namespace and name belong together: give both, or neither for all chains")
    }
}

#[cfg(test)]
mod tests {
    use super::{ChainName, HalfAName, Listing, Query};

    #[test]
    fn a_query_comes_back_as_it_was_written() {
        let chain = ChainName {
            namespace: "a&b".into(),
            name: "c d=".into(),
        };
        let parsed = Query::parse(Some(&chain.query()));
        assert_eq!(parsed.chain(), Ok(Some(chain)));

        for listing in [
            Listing::default(),
            Listing {
                page: 3,
                filter: "shop/ä&=%".into(),
            },
        ] {
            assert_eq!(Query::parse(Some(&listing.query())).listing(), listing);
        }
    }

    #[test]
    fn what_makes_no_sense_shows_the_first_page() {
        for query in [
            None,
            Some(""),
            Some("page=0"),
            Some("page=-1"),
            Some("page=x&z=1"),
        ] {
            assert_eq!(
                Query::parse(query).listing(),
                Listing::default(),
                "{query:?}"
            );
        }
        assert_eq!(Query::parse(Some("name=a")).chain(), Err(HalfAName));
    }
}
