//! Between a worker and Cloud Tasks: passes calls on, and kills before or after a create.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

use crate::case::Point;
use crate::http1::Error;
use crate::script::Script;
use crate::trace::Trace;
use crate::worker::Worker;

#[derive(Clone)]
pub struct Creates {
    pub emulator: SocketAddr,
    /// The worker that calls. It starts later, because its environment has the address.
    pub worker: Arc<OnceLock<Arc<Worker>>>,
    pub script: Arc<Script>,
    pub trace: Trace,
}

impl Creates {
    /// Serves on a free port until the runtime ends.
    pub async fn serve(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(self.clone().carry(stream));
            }
        });
        addr
    }

    /// Carries a connection until its worker closes it or dies.
    async fn carry(self, stream: TcpStream) {
        let upstream = TcpStream::connect(self.emulator).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(upstream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let service = service_fn(|call| self.clone().pass(sender.clone(), call));
        // Its end is an error where the worker was killed.
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn pass(
        self,
        mut emulator: SendRequest<Incoming>,
        call: Request<Incoming>,
    ) -> Result<Response<Incoming>, Error> {
        if !call.uri().path().ends_with("/CreateTask") {
            return Ok(emulator.send_request(call).await?);
        }
        let worker = self.worker.get().expect("it is set before there are tasks");
        let stage = worker.stage;
        if self.script.strikes(stage, Point::BeforeCreate, None) {
            self.trace.note(stage.name, "killed before its create");
            worker.kill().await;
            return Err("killed".into());
        }
        let response = emulator.send_request(call).await?;
        if self.script.strikes(stage, Point::AfterCreate, None) {
            let carried_out = carried_out(response).await?;
            self.trace.note(
                stage.name,
                format_args!("killed after its create, carried out: {carried_out}"),
            );
            assert!(carried_out, "else this is another case");
            worker.kill().await;
            return Err("killed".into());
        }
        self.trace.note(stage.name, "create");
        Ok(response)
    }
}

/// Whether the whole reply says OK. A refusal stands in the headers, success in the trailers.
async fn carried_out(response: Response<Incoming>) -> Result<bool, Error> {
    let ok = |headers: &HeaderMap| {
        headers
            .get("grpc-status")
            .is_some_and(|status| status == "0")
    };
    let in_head = ok(response.headers());
    let body = response.into_body().collect().await?;
    Ok(in_head || body.trailers().is_some_and(ok))
}
