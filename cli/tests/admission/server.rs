//! A real API server that admits manifests in dry runs.

use crds::ExecutorChain;
use kube::api::{Api, DeleteParams, PostParams};
use kube::core::Request;
use kube::{Client, Resource};
use serde_json::Value;
use testkit::ApiServer;

pub const CRD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crds/executorchains.yaml");

/// An API server with the CRD, and a namespace in it.
pub struct Server {
    client: Client,
    namespace: String,
}

impl Server {
    pub async fn ready() -> Self {
        let server = ApiServer::shared_with_crd().await;
        Self {
            client: server.client().await,
            namespace: server.namespace("admission").await,
        }
    }

    /// Whether the server admits the manifest, as an update of `old` if there is one.
    pub async fn admits(&self, old: Option<&Value>, manifest: &Value) -> Result<(), String> {
        match old {
            None => self.create(manifest).await,
            Some(old) => self.update(old, manifest).await,
        }
    }

    async fn create(&self, manifest: &Value) -> Result<(), String> {
        let request = self.requests().create(&dry_run(), bytes(manifest));
        self.send_strict(request).await
    }

    async fn update(&self, old: &Value, manifest: &Value) -> Result<(), String> {
        let chains: Api<ExecutorChain> = Api::namespaced(self.client.clone(), &self.namespace);
        let old: ExecutorChain = serde_json::from_value(old.clone()).expect("old is a chain");
        let old = chains
            .create(&PostParams::default(), &old)
            .await
            .expect("old is admitted");
        let mut manifest = manifest.clone();
        manifest["metadata"]["resourceVersion"] = old.metadata.resource_version.into();
        let name = old.metadata.name.expect("it was created");
        let request = self.requests().replace(&name, &dry_run(), bytes(&manifest));
        let answer = self.send_strict(request).await;
        let deleted = chains.delete(&name, &DeleteParams::default()).await;
        deleted.expect("it can be deleted");
        answer
    }

    fn requests(&self) -> Request {
        Request::new(ExecutorChain::url_path(&(), Some(&self.namespace)))
    }

    /// Unknown and duplicate fields are errors, as in kubectl.
    async fn send_strict<E: std::fmt::Debug>(
        &self,
        request: Result<http::Request<Vec<u8>>, E>,
    ) -> Result<(), String> {
        let mut request = request.expect("a request");
        let uri = format!("{}&fieldValidation=Strict", request.uri());
        *request.uri_mut() = uri.parse().expect("a URI");
        match self.client.request_text(request).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) => Err(status.message),
            Err(error) => panic!("the API server: {error}"),
        }
    }
}

fn dry_run() -> PostParams {
    PostParams {
        dry_run: true,
        ..PostParams::default()
    }
}

fn bytes(manifest: &Value) -> Vec<u8> {
    serde_json::to_vec(manifest).expect("a value is JSON")
}
