//! The host of each stage under a Gateway.

use crds::short_hash::digits;

/// The longest label of a DNS name, and the longest name (RFC 1035, section 2.3.4).
const LONGEST_LABEL: usize = 63;

const LONGEST_NAME: usize = 253;

/// So many hex digits keep cut names apart: of a million stages two collide with a chance of one in
/// two million.
const HASH: usize = 15;

/// The stage of a chain.
#[derive(Debug, Clone, Copy)]
pub struct StageNames<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its chain's name.
    pub chain: &'a str,
    /// Its name.
    pub stage: &'a str,
}

/// The host that a template gives for a stage; else what is wrong with it.
///
/// A label that gets too long is cut, and ends with a hash of the stage's whole name. So those that
/// begin alike stay apart, and even those that fill into the same text, as `a-b` and `c` do with `a`
/// and `b-c`.
pub fn host(template: &str, of: StageNames<'_>) -> Result<String, String> {
    let labels: Vec<String> = template
        .split('.')
        .map(|label| shortened(fill(label, of), of))
        .collect();
    let host = labels.join(".");
    let wrong = |what: &str| format!("gives {host:?}, which is not a valid host ({what})");
    if let Some(label) = labels.iter().find(|label| !is_label(label)) {
        return Err(wrong(&format!(
            "{label:?} must begin and end with a letter or a digit, and have only these and hyphens"
        )));
    }
    if labels.len() < 2 {
        return Err(wrong("it has no domain"));
    }
    if host.len() > LONGEST_NAME {
        return Err(wrong(&format!(
            "it has {} characters, and a host has at most {LONGEST_NAME}",
            host.len()
        )));
    }
    if labels
        .iter()
        .all(|label| label.bytes().all(|byte| byte.is_ascii_digit()))
    {
        return Err(wrong("it is an IP address, and a route needs a name"));
    }
    Ok(host)
}

/// A template with a stage's names filled in.
pub fn fill(template: &str, of: StageNames<'_>) -> String {
    template
        .replace("{namespace}", of.namespace)
        .replace("{chain}", of.chain)
        .replace("{stage}", of.stage)
}

fn shortened(label: String, of: StageNames<'_>) -> String {
    if label.len() <= LONGEST_LABEL {
        return label;
    }
    // None of the names can have a slash.
    let hash = digits(&fill("{namespace}/{chain}/{stage}", of), HASH);
    let kept: String = label.chars().take(LONGEST_LABEL - HASH - 1).collect();
    format!("{}-{hash}", kept.trim_end_matches('-'))
}

fn is_label(label: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LONGEST_LABEL).contains(&label.len())
        && label.bytes().all(is_inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHOP: StageNames = StageNames {
        namespace: "shop",
        chain: "orders",
        stage: "fast",
    };

    #[test]
    fn names_are_filled_in() {
        for (template, filled) in [
            (
                "{stage}-{chain}-{namespace}.push.example.com",
                "fast-orders-shop.push.example.com",
            ),
            ("{stage}.{chain}.example.com", "fast.orders.example.com"),
            ("push.example.com", "push.example.com"),
            ("{stage}.1.2.3", "fast.1.2.3"),
        ] {
            assert_eq!(host(template, SHOP), Ok(filled.to_owned()));
        }
    }

    #[test]
    fn what_is_no_host_says_why() {
        let long = "x".repeat(62);
        for (template, why) in [
            ("{stage}", "no domain"),
            ("{stage}..example.com", "\"\" must begin"),
            ("-{stage}.example.com", "\"-fast\" must begin"),
            ("{stage}-.example.com", "\"fast-\" must begin"),
            ("{stage}.example.com.", "\"\" must begin"),
            ("{stage.example.com", "\"{stage\" must begin"),
            ("10.0.0.1", "it is an IP address"),
            (
                &format!("{{stage}}.{long}.{long}.{long}.{long}.com"),
                "a host has at most 253",
            ),
        ] {
            let said = host(template, SHOP).unwrap_err();
            assert!(said.contains(why), "{template}: {said}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_kept_apart() {
        let template = "{stage}-{chain}-{namespace}.push.example.com";
        let chain = "c".repeat(60);
        let of = |stage| StageNames {
            chain: &chain,
            stage,
            ..SHOP
        };
        let one = host(template, of("a-b")).unwrap();
        let other = host(template, of("a-c")).unwrap();
        assert_eq!(one.find('.'), Some(63), "{one}");
        assert_ne!(one, other);
        assert_eq!(one, host(template, of("a-b")).unwrap());
        insta::assert_snapshot!(one, @"a-b-ccccccccccccccccccccccccccccccccccccccccccc-4577c3a236dba37.push.example.com");
    }

    proptest! {
        #[test]
        fn stages_of_long_names_have_hosts_of_their_own(
            stages in proptest::collection::hash_set("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", 2),
            chain in "[a-z]([a-z0-9-]{55,61}[a-z0-9])",
        ) {
            let template = "{stage}-{chain}-{namespace}.push.example.com";
            let hosts = stages.iter().map(|stage| {
                let of = StageNames { chain: &chain, stage, ..SHOP };
                host(template, of).unwrap()
            });
            let hosts: std::collections::BTreeSet<String> = hosts.collect();
            prop_assert_eq!(hosts.len(), stages.len());
        }
    }
}
