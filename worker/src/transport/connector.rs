//! The HTTP connector for requests to the handler and to the issuer of keys.

use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;

/// HTTP, or HTTPS with the built-in root certificates.
pub(crate) fn connector(connect_timeout: Duration) -> HttpsConnector<HttpConnector> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(connect_timeout));
    // An explicit provider, because the process may have no default one.
    HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())
        .expect("the provider has the cipher suites of TLS 1.2 and 1.3")
        .https_or_http()
        .enable_http1()
        .wrap_connector(http)
}
