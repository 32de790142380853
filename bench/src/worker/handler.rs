//! The handler of the push path's benchmark: it takes what comes and says yes, or no.

use std::convert::Infallible;
use std::net::SocketAddr;

use clap::Args;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where it listens
    #[arg(long)]
    listen: SocketAddr,
    /// What it answers
    #[arg(long, default_value_t = 200)]
    status: u16,
}

/// Serves until it is killed.
pub async fn serve(options: &Options) -> anyhow::Result<()> {
    let status = StatusCode::from_u16(options.status)?;
    let listener = TcpListener::bind(options.listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(move |request: Request<Incoming>| async move {
            // A body that breaks off is answered to nobody.
            let _ = request.into_body().collect().await;
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        });
        // A client that hangs up ends its connection, and nothing else.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
