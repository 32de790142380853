//! Hosts of URLs, and patterns of them.

use std::fmt;
use std::str::FromStr;

/// The longest label of a DNS name, and the longest name (RFC 1035, section 2.3.4).
const LONGEST_LABEL: usize = 63;
const LONGEST_NAME: usize = 253;

/// A DNS name or an IPv4 address, in lower case: two that are equal are the same host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostName(String);

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let fits = name.len() <= LONGEST_NAME && name.split('.').all(is_label);
        fits.then_some(Self(name)).ok_or_else(|| {
            format!(
                "{text:?} is not a host: write only a name such as push.example.com, without scheme, port, and path"
            )
        })
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LONGEST_LABEL).contains(&label.len()) && label.bytes().all(is_inner)
}

/// One host, or all hosts below a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// This host.
    Is(HostName),
    /// `*.` and a domain: the hosts with one or more labels before it. The domain itself isn't one.
    Below(HostName),
}

impl HostPattern {
    /// Whether a host is one of these.
    pub fn matches(&self, host: &HostName) -> bool {
        match self {
            Self::Is(name) => name == host,
            Self::Below(HostName(domain)) => {
                let rest = host.0.strip_suffix(domain.as_str());
                rest.is_some_and(|rest| rest.ends_with('.'))
            }
        }
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("*.") {
            Some(domain) if !domain.contains('*') => domain.parse().map(Self::Below),
            None if !text.contains('*') => text.parse().map(Self::Is),
            Some(_) | None => Err(format!(
                "in {text:?}, * is not the first of several labels: write *.push.example.com for every host below a domain"
            )),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(name) => name.fmt(f),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_a_host_or_every_host_below_a_domain() {
        for (pattern, host, matches) in [
            ("push.example.com", "push.example.com", true),
            ("push.example.com", "PUSH.example.com.", true),
            ("Push.Example.com", "push.example.com", true),
            ("push.example.com", "a.push.example.com", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "badexample.com", false),
            ("*.example.com", "example.com.evil.org", false),
            ("10.0.0.1", "10.0.0.1", true),
        ] {
            let (parsed, host): (HostPattern, HostName) =
                (pattern.parse().unwrap(), host.parse().unwrap());
            assert_eq!(parsed.matches(&host), matches, "{pattern} {host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = format!("{}.", "x".repeat(60)).repeat(5);
        for text in [
            "",
            ".",
            "a..b",
            "*",
            "a.*.b",
            "*.*.b",
            "*a.b",
            "*.",
            "https://a.b",
            "a.b:443",
            "a.b/c",
            "user@a.b",
            "a.b%2f.example.com",
            "[::1]",
            "{namespace}.b",
            &long,
        ] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }
}
