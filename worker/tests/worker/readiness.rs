//! When a worker is ready: not while its handler takes no connections.

use std::net::{IpAddr, SocketAddr};

use testkit::{Receiver, eventually, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::pushes::{get, head, push};
use crate::testbed::{SOON, Testbed};

#[tokio::test]
async fn a_worker_is_ready_only_while_its_handler_takes_connections() {
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let testbed = Testbed::new().await;
    let unused = Receiver::answering(500);
    let worker = testbed.worker(&unused, &[("HANDLER_URL", &url)]).await;
    let admin = worker.admin_addr();
    let is_ready = async || {
        eventually("readiness", SOON, async || {
            let (status, text) = get(admin, "/readyz").await;
            (status == 200).then_some(()).ok_or(text)
        })
        .await;
    };

    // It is connected to Cloud Tasks, and nobody listens on the handler's port.
    let (status, text) = get(admin, "/readyz").await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");

    let handler = listen(port);
    is_ready().await;
    // It is asked again only when a run could not be sent: the kubelet's probe costs it nothing.
    drop(handler);
    assert_eq!(get(admin, "/readyz").await.0, 200);
    assert_eq!(push(worker.addr(), &head("order-1", 0, 0, None)).await, 503);
    assert_eq!(get(admin, "/readyz").await.0, 503);
    assert_eq!(get(admin, "/readyz/load-balancer").await.0, 503);
    assert_eq!(get(admin, "/healthz").await.0, 200);

    // A handler that has restarted is found without a push.
    let _handler = listen(port);
    is_ready().await;
    assert_eq!(push(worker.addr(), &head("order-1", 1, 0, None)).await, 200);
    worker.stop().await;
}

fn listen(port: u16) -> Receiver {
    Receiver::start_on(port, |_| async { (200, Vec::new(), Vec::new()) })
}

#[tokio::test]
async fn a_handler_is_reached_on_either_loopback_address() {
    let testbed = Testbed::new().await;
    let mut rows: Vec<(&str, IpAddr)> = vec![
        ("127.0.0.1", [127, 0, 0, 1].into()),
        ("[::1]", std::net::Ipv6Addr::LOCALHOST.into()),
    ];
    // In a pod it has both addresses.
    let localhost = tokio::net::lookup_host("localhost:0").await.unwrap();
    rows.extend(localhost.map(|address| ("localhost", address.ip())));
    for (host, ip) in rows {
        let handler = TcpListener::bind(SocketAddr::new(ip, 0)).await.unwrap();
        let url = format!("http://{host}:{}", handler.local_addr().unwrap().port());
        tokio::spawn(answer(handler));
        let unused = Receiver::answering(500);
        let worker = testbed.worker(&unused, &[("HANDLER_URL", &url)]).await;
        eventually("readiness", SOON, async || {
            get(worker.admin_addr(), "/readyz").await.0 == 200
        })
        .await;
        let answer = push(worker.addr(), &head("order-1", 0, 0, None)).await;
        assert_eq!(answer, 200, "{host} at {ip}");
        worker.stop().await;
    }
}

/// Answers each request with 200.
async fn answer(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut request = [0; 4096];
            while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
        });
    }
}
