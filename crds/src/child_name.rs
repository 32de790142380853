//! The name of a stage's Deployment and Service.

use crate::short_hash::hash;

/// Service names are DNS labels.
const LONGEST: usize = 63;

/// The name of a stage's Deployment and Service. Chain and stage have up to 63 characters each. A
/// name that is too long is cut, and a hash makes it unique.
pub fn child_name(chain: &str, stage: &str) -> String {
    let name = format!("{chain}-{stage}");
    if name.len() <= LONGEST {
        return name;
    }
    let hash = hash(&name);
    let kept: String = name.chars().take(LONGEST - hash.len() - 1).collect();
    format!("{}-{hash}", kept.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_kept_apart() {
        assert_eq!(child_name("orders", "fast"), "orders-fast");
        let one = child_name(&"a".repeat(60), "first-stage");
        let two = child_name(&"a".repeat(60), "first-stagf");
        assert_eq!(one.len(), 63);
        assert_ne!(one, two);
        assert!(!child_name(&format!("{}-b", "a".repeat(52)), "xxxxxxxxxxxxxx").contains("--"));
    }
}
