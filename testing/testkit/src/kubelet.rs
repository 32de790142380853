//! Stands in for a kubelet that forwards ports of pods: `kubectl port-forward` reaches a server of the
//! test. A real one runs in the end-to-end test.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use http::{HeaderValue, StatusCode};
use k8s_openapi::api::core::v1::{DaemonEndpoint, Node, NodeAddress, NodeDaemonEndpoints};
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use crate::ApiServer;

/// Channels of a port: its bytes, and what went wrong. Each begins with the number of the port.
const DATA: u8 = 0;
const ERROR: u8 = 1;
const PROTOCOL: &str = "v4.channel.k8s.io";

/// The pods of the node, by their names, and where their ports lead.
type Pods = Arc<BTreeMap<String, SocketAddr>>;

/// Makes a node of this name, on which a port of each of these pods leads to an address of this machine.
pub async fn forward_ports(server: &ApiServer, node: &str, pods: BTreeMap<String, SocketAddr>) {
    let acceptor = acceptor();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.expect("this machine has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let pods = Arc::new(pods);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, pods) = (acceptor.clone(), pods.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    forward(stream, &pods).await;
                }
            });
        }
    });
    register(server, node, port).await;
}

/// The API server trusts any certificate of a kubelet, as it was started.
fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
    let made = made.expect("a certificate can be made");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], PrivateKeyDer::from(key))
        .expect("the key is the certificate's");
    Arc::new(config).into()
}

async fn register(server: &ApiServer, name: &str, port: u16) {
    let nodes: Api<Node> = Api::all(server.client().await);
    let node = Node {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..Node::default()
    };
    let created = nodes.create(&PostParams::default(), &node).await;
    created.unwrap_or_else(|error| panic!("node {name}: {error}"));
    let address = NodeAddress {
        address: "127.0.0.1".into(),
        type_: "InternalIP".into(),
    };
    let endpoint = DaemonEndpoint { port: port.into() };
    let endpoints = NodeDaemonEndpoints {
        kubelet_endpoint: Some(endpoint),
    };
    let status = json!({"status": {"addresses": [address], "daemonEndpoints": endpoints}});
    let patch = Patch::Merge(status);
    let reported = nodes
        .patch_status(name, &PatchParams::default(), &patch)
        .await;
    reported.unwrap_or_else(|error| panic!("node {name}: {error}"));
}

/// One forwarded port, until an end closes it.
async fn forward(stream: TlsStream<TcpStream>, pods: &Pods) {
    let mut target = None;
    #[expect(clippy::result_large_err, reason = "the type that tungstenite calls")]
    let upgrade = |request: &Request, mut response: Response| {
        target = target_of(request.uri(), pods);
        if target.is_none() {
            let mut refused = ErrorResponse::new(None);
            *refused.status_mut() = StatusCode::NOT_FOUND;
            return Err(refused);
        }
        let protocol = HeaderValue::from_static(PROTOCOL);
        response
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let Ok(socket) = accept_hdr_async(stream, upgrade).await else {
        return;
    };
    let Some((port, address)) = target else {
        return;
    };
    let (mut sink, mut source) = socket.split();
    for channel in [DATA, ERROR] {
        let [low, high] = port.to_le_bytes();
        let message = Message::binary(vec![channel, low, high]);
        if sink.send(message).await.is_err() {
            return;
        }
    }
    let Ok(mut pod) = TcpStream::connect(address).await else {
        let refused = [&[ERROR], &b"connection refused"[..]].concat();
        let _ = sink.send(Message::binary(refused)).await;
        return;
    };
    let mut buffer = vec![0; 16 * 1024];
    loop {
        tokio::select! {
            read = pod.read(&mut buffer) => {
                let length = read.unwrap_or_default();
                if length == 0 {
                    let _ = sink.close().await;
                    return;
                }
                let bytes = [&[DATA], &buffer[..length]].concat();
                if sink.send(Message::binary(bytes)).await.is_err() {
                    return;
                }
            }
            message = source.next() => {
                let Some(Ok(Message::Binary(bytes))) = message else {
                    return;
                };
                if bytes.first() == Some(&DATA) && pod.write_all(&bytes[1..]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The port that `/portForward/NAMESPACE/POD?port=PORT` asks for, and where it leads.
fn target_of(uri: &http::Uri, pods: &Pods) -> Option<(u16, SocketAddr)> {
    let pod = uri
        .path()
        .strip_prefix("/portForward/")?
        .split('/')
        .nth(1)?;
    let mut parameters = uri.query()?.split('&');
    let port = parameters.find_map(|it| it.strip_prefix("port="))?;
    Some((port.parse().ok()?, *pods.get(pod)?))
}
