//! Namespaces whose chains are missing.

/// Says which chains are missing, where an operator can't list some of its namespaces. `None` if it can.
pub fn unlisted(namespaces: &[String]) -> Option<String> {
    let all = match namespaces {
        [] => return None,
        [one] => format!("namespace {one}"),
        more => format!("namespaces {}", more.join(", ")),
    };
    Some(format!(
        "the chains in {all} are missing: the operator can't list them. Check the operator's rights there, and its log"
    ))
}

#[cfg(test)]
mod tests {
    use super::unlisted;

    #[test]
    fn each_namespace_that_is_missing_is_named() {
        assert_eq!(unlisted(&[]), None);
        let yard = unlisted(&["yard".to_owned()]).unwrap();
        assert!(
            yard.starts_with("the chains in namespace yard are missing"),
            "{yard}"
        );
        let both = unlisted(&["hall".to_owned(), "yard".to_owned()]).unwrap();
        assert!(
            both.starts_with("the chains in namespaces hall, yard are"),
            "{both}"
        );
    }
}
