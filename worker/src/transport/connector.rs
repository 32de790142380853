//! The connector for requests to the handler and to the issuer of keys.

use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::{HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceBuilder};
use tracing::warn;

use super::shared_resolver::SharedResolver;

/// Connects to the host of a URL.
pub(crate) type Connector =
    BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, ConnectError>;

/// There is no connection.
#[derive(Debug, thiserror::Error)]
#[error("can't connect")]
pub(crate) struct ConnectError(#[source] BoxError);

/// HTTP, or HTTPS with the built-in root certificates and the machine's, for URLs of this scheme.
/// `timeout` is for the name lookup, the TCP connection and the TLS handshake together.
pub(crate) fn connector(scheme: Option<&Scheme>, timeout: Duration) -> Connector {
    let mut http = HttpConnector::new_with_resolver(SharedResolver::new(GaiResolver::new()));
    http.enforce_http(false);
    http.set_nodelay(true);
    // Divided among the addresses of a name, so that one that doesn't respond leaves time for the next.
    http.set_connect_timeout(Some(timeout));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls_config(scheme))
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    let limited = ServiceBuilder::new()
        .map_err(ConnectError)
        .timeout(timeout)
        .service(https);
    BoxCloneSyncService::new(limited)
}

fn tls_config(scheme: Option<&Scheme>) -> ClientConfig {
    // To read a machine's certificates takes longer than all else at the start of a worker.
    let roots = if scheme == Some(&Scheme::HTTPS) {
        roots()
    } else {
        RootCertStore::empty()
    };
    // An explicit provider, because the process may have no default one.
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("the provider has the cipher suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.into(),
    };
    // A company's certificate authority: SSL_CERT_FILE, SSL_CERT_DIR, or the machine's own store.
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        warn!(%error, "can't read root certificates");
    }
    roots.add_parsable_certificates(native.certs);
    roots
}
