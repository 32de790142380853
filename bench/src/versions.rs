//! The versions of what takes part.

use std::collections::BTreeMap;

use anyhow::Context;

const LOCK: &str = include_str!("../../Cargo.lock");
const KUBE: &str = include_str!("../../hack/kube/go.mod");
const ETCD: &str = include_str!("../../hack/etcd/go.mod");
const PEER: &str = include_str!("../peer-go/go.mod");

pub fn versions() -> anyhow::Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::new();
    for name in ["executor-operator", "cloud-tasks-emulator", "kube"] {
        let version = locked(name).with_context(|| format!("{name} is not in Cargo.lock"))?;
        versions.insert(name.to_owned(), version.to_owned());
    }
    let programs = [
        ("kube-apiserver", KUBE, "k8s.io/kubernetes"),
        ("etcd", ETCD, "go.etcd.io/etcd/server/v3"),
        ("controller-runtime", PEER, "sigs.k8s.io/controller-runtime"),
    ];
    for (name, modules, module) in programs {
        let version =
            required(modules, module).with_context(|| format!("no go.mod has {module}"))?;
        versions.insert(name.to_owned(), version.to_owned());
    }
    Ok(versions)
}

fn locked(name: &str) -> Option<&'static str> {
    let wanted = format!("name = \"{name}\"");
    let mut lines = LOCK.lines().skip_while(|line| *line != wanted).skip(1);
    let version = lines.next()?.strip_prefix("version = ")?;
    Some(version.trim_matches('"'))
}

fn required<'a>(modules: &'a str, module: &str) -> Option<&'a str> {
    let mut lines = modules.lines().map(str::split_whitespace);
    lines.find_map(|mut words| {
        words.find(|word| *word == module)?;
        words.next().map(|version| version.trim_start_matches('v'))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn all_are_known() {
        let versions = super::versions().unwrap();
        assert_eq!(versions.len(), 6, "{versions:?}");
        for version in versions.values() {
            assert!(
                version.starts_with(|it: char| it.is_ascii_digit()),
                "{version}"
            );
        }
    }
}
