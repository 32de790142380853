//! Handlers that can't be reached, or whose TLS doesn't work.

use std::process::{Child, Command, Stdio};

use testkit::{Receiver, eventually, free_port};

use crate::pushes::{get, head, push};
use crate::testbed::{SOON, Testbed};
use crate::tls_handler::{Authority, tls_handler};

#[tokio::test]
async fn only_a_handler_that_can_not_be_reached_costs_no_attempt() {
    let testbed = Testbed::new().await;
    let authority = Authority::new();
    let untrusted = tls_handler(&authority, "localhost").await;
    let plain = Receiver::answering(200);
    let closed = free_port();
    for (url, answer) in [
        (format!("http://127.0.0.1:{closed}"), 503),
        ("http://handler.invalid".to_owned(), 503),
        // TLS that doesn't work never will, so the task must not wait for it.
        (format!("https://localhost:{}", untrusted.port()), 477),
        (format!("https://{}", plain.addr()), 477),
    ] {
        let worker = testbed.worker(&plain, &[("HANDLER_URL", &url)]).await;
        let got = push(worker.addr(), &head("order-1", 0, 0, None)).await;
        assert_eq!(got, answer, "{url}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn the_event_says_that_tls_failed() {
    let testbed = Testbed::new().await;
    let authority = Authority::new();
    let untrusted = tls_handler(&authority, "localhost").await;
    let url = format!("https://localhost:{}", untrusted.port());
    let more = [("HANDLER_URL", url.as_str()), ("MAX_ATTEMPTS", "1")];
    let worker = testbed.worker(&testbed.client, &more).await;
    testbed.queue("incoming", worker.addr()).await;
    testbed
        .send("order-1", cloudtasks::Method::Post, &[], b"{}")
        .await;
    let event = testbed.end(&["incoming"]).await;
    assert_eq!(event["data"]["reason"], "tls");
    worker.stop().await;
}

/// A worker in a process of its own, ended with this.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn an_added_certificate_authority_is_trusted() {
    let testbed = Testbed::new().await;
    let authority = Authority::new();
    let handler = tls_handler(&authority, "localhost").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let (pushes, admin) = (free_port(), free_port());
    let process = Command::new(env!("CARGO_BIN_EXE_executor-worker"))
        .env("SSL_CERT_FILE", &file)
        .env("CHAIN", "orders")
        .env("STAGE", "fast")
        .env("QUEUE", "projects/p/locations/l/queues/incoming")
        .env("MAX_ATTEMPTS", "1")
        .env("NOTIFY_ON", "None")
        .env(
            "HANDLER_URL",
            format!("https://localhost:{}", handler.port()),
        )
        .env("LISTEN_ADDR", format!("127.0.0.1:{pushes}"))
        .env("ADMIN_ADDR", format!("127.0.0.1:{admin}"))
        .env(
            "CLOUD_TASKS_EMULATOR_HOST",
            testbed.emulator.addr().to_string(),
        )
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let _process = Process(process);
    let admin = ([127, 0, 0, 1], admin).into();
    eventually("the worker's readiness", SOON, async || {
        tokio::net::TcpStream::connect(admin)
            .await
            .map_err(|e| e.to_string())?;
        let (status, body) = get(admin, "/readyz").await;
        (status == 200).then_some(()).ok_or(body)
    })
    .await;
    let pushes = ([127, 0, 0, 1], pushes).into();
    assert_eq!(push(pushes, &head("order-1", 0, 0, None)).await, 200);
}
