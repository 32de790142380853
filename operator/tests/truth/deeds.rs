//! What happens in a row's acts, done to the world.

use std::collections::BTreeMap;
use std::future::ready;

use cloudtasks::{Method, NewTask, QueueSettings, TaskPath};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use testkit::{Receiver, Way, eventually};

use crate::place::{SOON, http, queue};
use crate::rights;
use crate::row::{Deed, Hand, Signal};
use crate::world::{CHAIN, World, manifest};

impl World {
    pub async fn perform(&mut self, deed: &Deed) {
        match deed {
            Deed::Apply(spec) => drop(self.place.apply(&manifest(spec)).await),
            Deed::Edits(count) => self.edits(*count).await,
            Deed::Queue(id, hand) => self.lay_hand_on(id, hand).await,
            Deed::Task(id) => self.put_task(id).await,
            Deed::TaskEnds(id) => self.end_task(id).await,
            Deed::Pods(stage, pods) => self.kubelet.set(format!("{CHAIN}-{stage}"), *pods),
            Deed::FormerPod => self.make_former_pod().await,
            Deed::FormerPodEnds => {
                let now = DeleteParams::default().grace_period(0);
                self.pods().delete("former", &now).await.unwrap();
            }
            Deed::CloudTasks(way) => self.way.turn(*way),
            Deed::Refuses(code, words) => {
                let refusing = refusing(*code, words);
                self.way.turn(Way::Elsewhere(refusing.addr()));
                self.refusing = Some(refusing);
            }
            Deed::Kubectl(args) => drop(self.place.kubectl(args).await.expect_ok()),
            Deed::NotKubectl(args) => drop(self.place.kubectl(args).await.expect_refused()),
            Deed::Policy(deployment) => rights::refuse(&self.place, *deployment).await,
            Deed::Rights(verbs) => {
                rights::set(self.place.server, &self.place.namespace, verbs).await;
            }
            Deed::Operator(Signal::Kill) => {
                self.place.operator.kill9();
                self.place.operator.exit(SOON).await;
            }
            Deed::Operator(Signal::Start) => self.place.restart().await,
            Deed::UntilQueue(id) => {
                let path = queue(id);
                eventually("a queue", SOON, async || self.queues.get_queue(&path).await).await;
            }
            Deed::Until(kind, status) => {
                eventually("a condition", SOON, async || {
                    let chain = self.watch.last();
                    let conditions = chain["status"]["conditions"].as_array();
                    let mut conditions = conditions.into_iter().flatten();
                    let is_it = conditions.any(|it| it["type"] == *kind && it["status"] == *status);
                    is_it.then_some(()).ok_or(chain)
                })
                .await;
            }
        }
    }

    async fn edits(&self, count: u32) {
        for number in 1..=count {
            let patch = json!([{
                "op": "replace",
                "path": "/spec/stages/0/rateLimits/maxDispatchesPerSecond",
                "value": 300 + number,
            }]);
            let patch: Patch<()> = Patch::Json(serde_json::from_value(patch).unwrap());
            let chains = self.place.chains();
            let parameters = PatchParams::default();
            chains.patch(CHAIN, &parameters, &patch).await.unwrap();
        }
    }

    async fn lay_hand_on(&self, id: &str, hand: &Hand) {
        let path = queue(id);
        let none = QueueSettings::default;
        let settings = match hand {
            Hand::Create => {
                self.queues.create_queue(&path, &none()).await.unwrap();
                return;
            }
            Hand::Delete => return self.queues.delete_queue(&path).await.unwrap(),
            Hand::Pause => return self.queues.pause_queue(&path).await.unwrap(),
            Hand::Resume => return self.queues.resume_queue(&path).await.unwrap(),
            Hand::Rate(rate) => QueueSettings {
                max_dispatches_per_second: Some(*rate),
                ..none()
            },
            Hand::Attempts(attempts) => QueueSettings {
                max_attempts: Some(*attempts),
                ..none()
            },
            Hand::Header(name, value) => {
                let found = self.queues.get_queue(&path).await.unwrap();
                let mut target = found.http_target.unwrap_or_default();
                target.headers.remove(*name);
                let header = [((*name).to_owned(), (*value).to_owned())];
                let header = header.into_iter().filter(|(_, value)| !value.is_empty());
                target.headers.extend(header);
                QueueSettings {
                    http_target: Some(target),
                    ..none()
                }
            }
        };
        self.queues.update_queue(&path, &settings).await.unwrap();
    }

    async fn put_task(&self, id: &str) {
        let task = NewTask {
            path: Some(task(id)),
            url: "http://127.0.0.1/".into(),
            method: Method::Post,
            headers: BTreeMap::new(),
            body: Vec::new(),
            dispatch_deadline: None,
            oidc_token: None,
        };
        self.queues.create_task(&queue(id), &task).await.unwrap();
    }

    /// As its worker would, once it has succeeded.
    async fn end_task(&self, id: &str) {
        let addr = self.emulator.addr().to_string();
        let answer = http("DELETE", &addr, &format!("/v2/{}", task(id))).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.place.client.clone(), &self.place.namespace)
    }

    async fn make_former_pod(&self) {
        let fast = self.place.deployments().get("orders-fast").await.unwrap();
        let template = fast.spec.unwrap().template;
        let metadata = json!({"name": "former", "labels": template.metadata.unwrap().labels});
        let pod = json!({"metadata": metadata, "spec": template.spec});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let parameters = PostParams::default();
        self.pods().create(&parameters, &pod).await.unwrap();
    }
}

/// One that nobody takes: here nobody knows the workers' addresses.
fn task(id: &str) -> TaskPath {
    queue(id).task("late".parse().unwrap())
}

/// Says no as gRPC does: over HTTP/2, with the status in the headers.
fn refusing(code: u32, message: &'static str) -> Receiver {
    Receiver::start(move |_| {
        let headers = [
            ("content-type", "application/grpc".to_owned()),
            ("grpc-status", code.to_string()),
            ("grpc-message", message.to_owned()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        ready((200, headers.to_vec(), Vec::new()))
    })
}
