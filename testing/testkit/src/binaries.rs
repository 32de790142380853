//! Where the programs are that tests start.

use std::path::{Path, PathBuf};

/// The path of a binary of this workspace, from the same build as the running test.
///
/// Cargo builds a package's binaries for its own integration tests only, so that another package's
/// binary is there after `cargo test --workspace`. A program finds what stands beside it.
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own path");
    // Tests are in target/<profile>/deps, binaries in target/<profile>.
    let mut folders = own.ancestors().skip(1).take(2);
    folders
        .find_map(|folder| Some(folder.join(name)).filter(|path| path.is_file()))
        .unwrap_or_else(|| {
            panic!("{name} is missing: `make test` or `cargo test --workspace` builds it")
        })
}

/// A program of the control plane, such as `etcd`.
pub(crate) fn control_plane(name: &str) -> PathBuf {
    let path = assets().join(name);
    assert!(
        path.is_file(),
        "{} is missing: run make test, or hack/kube/build",
        path.display()
    );
    path
}

/// The controller manager beside the control plane, or where hack/kube/build puts it.
pub(crate) fn controller_manager() -> PathBuf {
    let mut folders = [assets(), built()].into_iter();
    folders
        .find_map(|folder| {
            let path = folder.join("kube-controller-manager");
            path.is_file().then_some(path)
        })
        .unwrap_or_else(|| {
            panic!("kube-controller-manager is missing: run make test, or hack/kube/build")
        })
}

/// The CRDs of the Gateway API, or those of GKE's policies, each a document of YAML, as those who
/// publish them have them.
pub(crate) fn crds_of(group: &str) -> Vec<String> {
    let folder = built().with_file_name("crds");
    let files = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}: run hack/gateway/crds", folder.display()));
    let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    let is_of = |path: &&PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(&format!("{group}_")))
    };
    let crds = paths.iter().filter(is_of);
    crds.map(|path| std::fs::read_to_string(path).expect("a file that was just listed"))
        .collect()
}

/// kubectl beside the control plane, or else the one on `PATH`.
pub fn kubectl() -> PathBuf {
    [assets(), built()]
        .into_iter()
        .map(|folder| folder.join("kubectl"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from("kubectl"))
}

/// helm where hack/kube/build puts it, or else the one on `PATH`.
pub(crate) fn helm() -> PathBuf {
    let path = built().join("helm");
    if path.is_file() {
        return path;
    }
    PathBuf::from("helm")
}

/// Where hack/kube/build puts the program that reads Prometheus' expressions.
pub(crate) fn promql() -> PathBuf {
    built().join("promql")
}

fn assets() -> PathBuf {
    std::env::var_os("KUBEBUILDER_ASSETS").map_or_else(built, PathBuf::from)
}

/// Where hack/kube/build puts what it builds.
fn built() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kube/bin")
}
