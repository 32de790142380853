//! Between a worker and Cloud Tasks: passes calls on, and kills before or after a create.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use testkit::calls::{Error, intercept};

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
        let emulator = self.emulator;
        let pass = move |emulator, call| self.clone().pass(emulator, call);
        let (addr, mut accepting) = intercept(emulator, pass).await;
        accepting.detach_all();
        addr
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
        let [before, after] = self.script.next_create();
        if self.script.strikes(stage, before, None) {
            self.trace.note(stage.name, "killed before its create");
            worker.kill().await;
            return Err("killed".into());
        }
        let response = emulator.send_request(call).await?;
        self.script.created(stage);
        if self.script.strikes(stage, after, None) {
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
