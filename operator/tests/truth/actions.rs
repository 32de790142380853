//! What happens in a scenario's acts, done to the world.

use cloudtasks::{QueueSettings, QueueState};
use crds::ExecutorChain;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use testkit::{Kubectl, ListProxy, Receiver, Way, eventually};

use crate::rights;
use crate::scenario::{Action, Hand, Signal};
use crate::testbed::{SOON, http, is_same, queue, says};
use crate::world::{CHAIN, World, manifest};

impl World {
    pub async fn perform(&mut self, action: &Action) {
        match action {
            Action::Apply(spec) => drop(self.testbed.apply(&manifest(spec)).await),
            Action::ApplyElsewhere(spec) => {
                let manifest = manifest(spec);
                let apply = ["-n", self.elsewhere(), "apply", "-f", "-"];
                let applied = self.testbed.server.kubectl_with_input(&apply, &manifest);
                applied.await.expect_ok();
            }
            Action::DeleteElsewhere(chain) => {
                let delete = [
                    "-n",
                    self.elsewhere(),
                    "delete",
                    "chain",
                    chain,
                    "--timeout=20s",
                ];
                self.testbed.server.kubectl(&delete).await.expect_ok();
            }
            Action::UntilElsewhere(chain, condition) => {
                self.until_elsewhere(chain, condition).await;
            }
            Action::HasRate(id, rate) => {
                let found = self.queues.get_queue(&queue(id)).await.unwrap();
                assert!(is_same(found.max_dispatches_per_second, *rate), "{found:?}");
            }
            Action::Edits(count) => self.edits(*count).await,
            Action::Queue(id, hand) => self.lay_hand_on(id, hand).await,
            Action::Task(id) => self.put_task(id).await,
            Action::TaskEnds(id) => self.end_task(id).await,
            Action::Pods(stage, pods) => self.kubelet.set(format!("{CHAIN}-{stage}"), *pods),
            Action::FormerPod => self.make_former_pod().await,
            Action::FormerPodEnds => {
                let now = DeleteParams::default().grace_period(0);
                self.pods().delete("former", &now).await.unwrap();
            }
            Action::CloudTasks(way) => self.way.turn(*way),
            Action::Refuses(code, words) => {
                let refusing = Receiver::refusing(*code, words);
                self.way.turn(Way::Elsewhere(refusing.addr()));
                self.refusing = Some(refusing);
            }
            Action::ListsLack(id) => {
                let lists = ListProxy::start(self.emulator.addr()).await;
                lists.lack(id);
                self.way.turn(Way::Elsewhere(lists.addr()));
                self.lists = Some(lists);
            }
            Action::IsPaused(id) => {
                let found = self.queues.get_queue(&queue(id)).await.unwrap();
                assert_eq!(found.state, QueueState::Paused, "{id}");
            }
            Action::Override(settings) => {
                let it = format!(
                    "apiVersion: executor-chain.dev/v1alpha1\nkind: ChainOverride\nmetadata: {{name: inc-42}}\nspec: {{chain: {CHAIN}, stages: [fast], for: 10m, reason: INC-42, {settings}}}"
                );
                drop(self.testbed.apply(&it).await);
            }
            Action::Kubectl(args) => {
                let args = args.replace("NAMESPACE", &self.testbed.namespace);
                drop(self.kubectl(&args).await.expect_ok());
            }
            Action::NotKubectl(args) => drop(self.kubectl(args).await.expect_refused()),
            Action::PatchStatus(kind, patch) => {
                let kind = format!("--type={kind}");
                let status = ["patch", "chain", CHAIN, "--subresource=status", &kind, "-p"];
                let patch = [&status[..], &[patch]].concat();
                self.testbed.kubectl(&patch).await.expect_ok();
            }
            Action::Policy(deployment) => rights::refuse(&self.testbed, *deployment).await,
            Action::Rights(verbs) => {
                rights::set(self.testbed.server, &self.testbed.namespace, verbs).await;
            }
            Action::Operator(Signal::Kill) => {
                self.testbed.operator.kill9();
                self.testbed.operator.exit(SOON).await;
            }
            Action::Operator(Signal::Start) => self.testbed.restart().await,
            Action::UntilQueue(id) => {
                let path = queue(id);
                eventually("a queue", SOON, async || self.queues.get_queue(&path).await).await;
            }
            Action::Until(kind, status) => {
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

    fn elsewhere(&self) -> &str {
        let namespace = self.elsewhere.as_deref();
        namespace.expect("the scenario's operator serves two namespaces")
    }

    async fn until_elsewhere(&self, chain: &str, condition: &str) {
        let chains: Api<ExecutorChain> =
            Api::namespaced(self.testbed.client.clone(), self.elsewhere());
        eventually("a condition elsewhere", SOON, async || {
            let status = chains.get(chain).await.unwrap().status.unwrap_or_default();
            if says(&status, condition) {
                return Ok(());
            }
            Err(serde_json::to_string(&status).unwrap())
        })
        .await;
    }

    async fn kubectl(&self, args: &str) -> Kubectl {
        let args: Vec<&str> = args.split(' ').collect();
        self.testbed.kubectl(&args).await
    }

    async fn edits(&self, count: u32) {
        for number in 1..=count {
            let patch = json!([{
                "op": "replace",
                "path": "/spec/stages/0/rateLimits/maxDispatchesPerSecond",
                "value": 300 + number,
            }]);
            let patch: Patch<()> = Patch::Json(serde_json::from_value(patch).unwrap());
            let chains = self.testbed.chains();
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
        let task = testkit::task(&queue(id), LATE, "");
        self.queues.create_task(&queue(id), &task).await.unwrap();
    }

    /// As its worker would, once it has succeeded.
    async fn end_task(&self, id: &str) {
        let addr = self.emulator.addr().to_string();
        let task = queue(id).task(LATE.parse().unwrap());
        let answer = http("DELETE", &addr, &format!("/v2/{task}")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.testbed.client.clone(), &self.testbed.namespace)
    }

    async fn make_former_pod(&self) {
        let fast = self.testbed.deployments().get("orders-fast").await.unwrap();
        let template = fast.spec.unwrap().template;
        let metadata = json!({"name": "former", "labels": template.metadata.unwrap().labels});
        let pod = json!({"metadata": metadata, "spec": template.spec});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let parameters = PostParams::default();
        self.pods().create(&parameters, &pod).await.unwrap();
    }
}

/// A task that nobody takes: here nobody knows the workers' addresses.
const LATE: &str = "late";
