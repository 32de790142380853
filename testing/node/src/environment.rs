//! What a worker is told, and what is different on this machine.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use http::Uri;
use http::uri::Authority;
use k8s_openapi::api::core::v1::PodSpec;

/// Where a pod's worker listens.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// For pushes.
    pub tasks: SocketAddr,
    /// For health.
    pub admin: SocketAddr,
}

/// The worker's program as its container would start it; pods share one machine here, so the ports
/// are its own, and the handler is where the test has it.
pub fn command(program: &Path, spec: &PodSpec, ports: Ports, handler: SocketAddr) -> Command {
    let mut command = Command::new(program);
    let worker = spec.containers.iter().find(|it| it.name == "worker");
    // A mover is the same program with an argument.
    command.args(worker.and_then(|it| it.args.as_ref()).into_iter().flatten());
    for variable in worker.and_then(|it| it.env.as_ref()).into_iter().flatten() {
        // Kubernetes takes $$ for $. References to other variables aren't used.
        let value = variable.value.as_deref().unwrap_or_default();
        let value = value.replace("$$", "$");
        let value = match variable.name.as_str() {
            "HANDLER_URL" => moved(&value, handler),
            _ => value,
        };
        command.env(&variable.name, value);
    }
    command
        .env("LISTEN_ADDR", ports.tasks.to_string())
        .env("ADMIN_ADDR", ports.admin.to_string())
        .env("RUST_LOG", "warn");
    command
}

/// A URL on another host, with its path.
fn moved(url: &str, to: SocketAddr) -> String {
    let parts = url.parse::<Uri>().map(Uri::into_parts);
    let Ok(mut parts) = parts else {
        return url.to_owned();
    };
    parts.authority = to.to_string().parse::<Authority>().ok();
    Uri::from_parts(parts).map_or_else(|_| url.to_owned(), |uri| uri.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_keeps_its_path() {
        let here = SocketAddr::from(([127, 0, 0, 1], 99));
        assert_eq!(
            moved("http://127.0.0.1:8080/run?a=1", here),
            "http://127.0.0.1:99/run?a=1"
        );
        assert_eq!(moved("http://127.0.0.1:8080", here), "http://127.0.0.1:99/");
    }
}
