//! Starting etcd and kube-apiserver.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::client::try_connect;
use super::credentials::{self, Credentials};
use crate::binaries::control_plane;
use crate::ports::free_port;
use crate::process::{Process, new_dir};

/// It takes 5 s on two idle cores, and tests' machines are seldom idle.
const READY_WITHIN: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(100);

/// In the API server's folder.
pub(super) const AUDIT_LOG: &str = "audit";
/// Who asked for what, and not what was sent.
const AUDIT_POLICY: &str = r#"{"apiVersion":"audit.k8s.io/v1","kind":"Policy",
"omitStages":["RequestReceived"],"rules":[{"level":"Metadata"}]}"#;

/// Both processes.
#[derive(Debug)]
pub(super) struct ControlPlane {
    pub(super) addr: SocketAddr,
    pub(super) kubeconfig: PathBuf,
    pub(super) server: Process,
    etcd: Process,
}

impl ControlPlane {
    /// The end of both logs.
    pub(super) fn log_tail(&self) -> String {
        let (server, etcd) = (self.server.log_tail(), self.etcd.log_tail());
        format!("kube-apiserver's log ends:\n{server}\netcd's log ends:\n{etcd}")
    }
}

/// Starts both and waits until the API server is ready. `audited`: with further arguments, and an
/// audit log.
pub(super) async fn start(audited: Option<&[&str]>) -> Result<ControlPlane, String> {
    let started = Instant::now();
    // Before anything is made that would have to be removed again.
    let programs = [control_plane("etcd"), control_plane("kube-apiserver")];
    let (etcd, etcd_url) = start_etcd(&programs[0]);
    let dir = new_dir();
    let kubeconfig = dir.join("kubeconfig");
    let port = free_port();
    let server = start_server(&programs[1], port, &dir, &kubeconfig, &etcd_url, audited);
    let server = ControlPlane {
        addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        kubeconfig,
        server,
        etcd,
    };
    while let Err(seen) = ready(&server).await {
        let ended = [&server.etcd, &server.server]
            .into_iter()
            .find(|process| process.exit_code().is_some());
        let reason = match ended {
            Some(process) => format!("{process:?} ended"),
            None if started.elapsed() < READY_WITHIN => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            None => format!("not ready within {READY_WITHIN:?}: {seen}"),
        };
        return Err(format!("the API server: {reason}\n{}", server.log_tail()));
    }
    Ok(server)
}

fn start_etcd(program: &Path) -> (Process, String) {
    let dir = new_dir();
    let url = format!("http://127.0.0.1:{}", free_port());
    let peers = format!("http://127.0.0.1:{}", free_port());
    let mut command = Command::new(program);
    command
        .arg("--data-dir")
        .arg(dir.join("data"))
        .args(["--name", "testkit"])
        .args(["--listen-client-urls", &url])
        .args(["--advertise-client-urls", &url])
        .args(["--listen-peer-urls", &peers])
        .args(["--initial-advertise-peer-urls", &peers])
        .args(["--initial-cluster", &format!("testkit={peers}")])
        .args(["--log-level", "warn"])
        // Nobody wants the data after a crash.
        .arg("--unsafe-no-fsync");
    let log = dir.join("log");
    (Process::spawn_in(dir, log, &command), url)
}

fn start_server(
    program: &Path,
    port: u16,
    dir: &Path,
    kubeconfig: &Path,
    etcd: &str,
    audited: Option<&[&str]>,
) -> Process {
    let certificates = dir.join("certificates");
    let credentials = Credentials::write(dir);
    // The server generates this one as it starts.
    credentials::write_kubeconfig(kubeconfig, port, &certificates.join("apiserver.crt"));
    let mut command = Command::new(program);
    let files = [
        ("--cert-dir", &certificates),
        ("--token-auth-file", &credentials.token_file),
        ("--service-account-key-file", &credentials.verifying_key),
        (
            "--service-account-signing-key-file",
            &credentials.signing_key,
        ),
    ];
    for (flag, path) in files {
        command.arg(flag).arg(path);
    }
    command
        .arg(format!("--etcd-servers={etcd}"))
        .arg(format!("--secure-port={port}"))
        .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg("--service-cluster-ip-range=10.96.0.0/16")
        .arg("--authorization-mode=RBAC")
        // There is no node: the service `kubernetes` needs no endpoints.
        .arg("--endpoint-reconciler-type=none")
        // No controller makes the service accounts that it would ask of each pod.
        .arg("--disable-admission-plugins=ServiceAccount")
        // It would queue bursts of tests as it queues a misbehaving client.
        .arg("--enable-priority-and-fairness=false");
    if let Some(args) = audited {
        let policy = dir.join("audit-policy");
        fs::write(&policy, AUDIT_POLICY).expect("a file can be written there");
        command.arg("--audit-policy-file").arg(policy);
        command.arg("--audit-log-path").arg(dir.join(AUDIT_LOG));
        command.args(args);
    }
    Process::spawn_in(dir.to_owned(), dir.join("log"), &command)
}

/// Whether the server answers that all of its start-up work is done.
async fn ready(server: &ControlPlane) -> Result<(), String> {
    let look = async {
        let client = try_connect(&server.kubeconfig).await?;
        let request = http::Request::get("/readyz")
            .body(Vec::new())
            .expect("a path is a valid request");
        client.request_text(request).await
    };
    match tokio::time::timeout(Duration::from_secs(5), look).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer to /readyz".to_owned()),
    }
}
