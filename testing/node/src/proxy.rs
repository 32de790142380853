//! The way from Cloud Tasks to the Services: an HTTP proxy, since their names are known in a cluster
//! alone.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use testkit::server::{Cut, Given, serve};

use crate::routes::Routes;

/// Starts it on a free port.
pub async fn start(routes: Arc<Routes>) -> std::io::Result<SocketAddr> {
    // No connection is used twice: pods come and go on them.
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build_http();
    serve(move |request| forward(request, Arc::clone(&routes), client.clone())).await
}

/// A Service without endpoints refuses connections; here the connection is cut.
async fn forward(
    request: Request<Incoming>,
    routes: Arc<Routes>,
    client: Client<HttpConnector, Full<Bytes>>,
) -> Given {
    let (mut head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let host = head.uri.host().ok_or(Cut)?;
    let pod = routes.one_of(host).ok_or(Cut)?;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = format!("http://{pod}{path}")
        .parse::<Uri>()
        .map_err(|_| Cut)?;
    let request = Request::from_parts(head, Full::new(body));
    let response = client.request(request).await.map_err(|_| Cut)?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    Ok(http::Response::from_parts(head, Full::new(body)))
}
