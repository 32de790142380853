//! Who may talk to the API server, and how service accounts' tokens are signed.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::KeyPair;
use serde_json::{Value, json};

/// It guards a server on loopback that lives for a test run.
const ADMIN_TOKEN: &str = "testkit";

/// The files that the API server is told of.
pub(super) struct Credentials {
    pub(super) token_file: PathBuf,
    pub(super) signing_key: PathBuf,
    pub(super) verifying_key: PathBuf,
}

impl Credentials {
    /// Writes them into `dir`.
    pub(super) fn write(dir: &Path) -> Self {
        let key = KeyPair::generate().expect("a key can be generated");
        Self {
            token_file: write(
                &dir.join("tokens.csv"),
                &format!("{ADMIN_TOKEN},admin,admin,system:masters\n"),
            ),
            signing_key: write(&dir.join("signing.key"), &key.serialize_pem()),
            verifying_key: write(&dir.join("verifying.key"), &key.public_key_pem()),
        }
    }
}

/// Writes the administrator's kubeconfig. `certificate` is the server's own, which it signed.
pub(super) fn write_kubeconfig(path: &Path, port: u16, certificate: &Path) {
    let name = "testkit";
    let content = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            "certificate-authority": certificate,
        }}],
        "users": [{"name": name, "user": {"token": ADMIN_TOKEN}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    });
    // JSON is YAML, and spares tests a YAML writer.
    write(path, &content.to_string());
}

/// Writes a copy of the kubeconfig `admin` with another token.
pub(super) fn write_kubeconfig_with_token(path: &Path, admin: &str, token: &str) {
    let mut content: Value = serde_json::from_str(admin).expect("written as JSON");
    content["users"][0]["user"]["token"] = json!(token);
    write(path, &content.to_string());
}

/// Writes a copy of the kubeconfig `direct` that leads to another port of this machine. The server's
/// certificate is for its address, whatever the port.
pub(super) fn write_kubeconfig_with_port(path: &Path, direct: &str, port: u16) {
    let mut content: Value = serde_json::from_str(direct).expect("written as JSON");
    content["clusters"][0]["cluster"]["server"] = json!(format!("https://127.0.0.1:{port}"));
    write(path, &content.to_string());
}

fn write(path: &Path, content: &str) -> PathBuf {
    fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    path.to_owned()
}
