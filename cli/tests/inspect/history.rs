//! `history` and `undo --to`, on a cluster whose operator is asked for plans through a forwarded port.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{ApiServer, Emulator, Process, eventually, free_addr, kubelet, operator};

use crate::act::{CHAIN, dev, on_call, path};
use crate::cluster::{create_account, lease, pods};
use crate::program::{Ended, Programs};

const SOON: Duration = Duration::from_secs(30);

/// A chain, its operator, and a person who may do all.
struct Site {
    server: &'static ApiServer,
    programs: Programs,
    namespace: String,
    emulator: Emulator,
    operator: Process,
}

impl Site {
    async fn begin() -> Self {
        let server = ApiServer::shared_with_crd().await;
        let namespace = server.namespace("history").await;
        let emulator = Emulator::start().await;
        let cloud_tasks = emulator.addr().to_string();
        let mut command = operator::command(server.kubeconfig(), &namespace, &cloud_tasks);
        let admin = free_addr();
        command.args(["--leader-election", "false"]);
        command.args(["--admin-addr", &admin.to_string()]);
        let operator = Process::spawn(&command);
        create_account(server, &namespace, "default").await;
        let answers = BTreeMap::from([("op-1".to_owned(), admin)]);
        kubelet::forward_ports(server, &namespace, answers).await;
        pods(server, &namespace, &["op-1"]).await;
        lease(server, &namespace, "op-1").await;
        let site = Self {
            programs: Programs::new(),
            server,
            namespace,
            emulator,
            operator,
        };
        site.kubectl_with_input(&["apply", "-f", "-"], CHAIN).await;
        site.has_revisions(&[1]).await;
        site
    }

    async fn kubectl_with_input(&self, words: &[&str], input: &str) {
        let words = [words, &["-n", &self.namespace]].concat();
        let done = self.server.kubectl_with_input(&words, input).await;
        done.expect_ok();
    }

    /// Sets the rate of the slow stage, as a person with an editor.
    async fn edit(&self, rate: u32) {
        let patch = json!([{
            "op": "replace", "path": "/spec/stages/1/rateLimits/maxDispatchesPerSecond", "value": rate,
        }]);
        self.patch(&patch.to_string()).await;
    }

    async fn patch(&self, patch: &str) {
        let words = ["patch", "chain", "orders", "-n", &self.namespace];
        let edit = ["--field-manager=kubectl-edit", "--type=json", "-p", patch];
        let edited = self.server.kubectl(&[&words[..], &edit].concat()).await;
        edited.expect_ok();
    }

    async fn has_revisions(&self, numbers: &[i64]) {
        let words = ["get", "controllerrevisions", "-n", &self.namespace];
        let words = [&words[..], &["--sort-by=.revision", "-o", "json"]].concat();
        eventually(&format!("the revisions {numbers:?}"), SOON, async || {
            let listed = self.server.kubectl(&words).await.stdout;
            let listed: Value = serde_json::from_str(&listed).unwrap_or_default();
            let items = listed["items"].as_array().cloned().unwrap_or_default();
            let found = items.iter().filter_map(|it| it["revision"].as_i64());
            let found: Vec<i64> = found.collect();
            (found == numbers, (found, self.operator.log_tail()))
        })
        .await;
    }

    async fn has_rate(&self, wanted: f64) {
        let queue = "projects/demo/locations/europe-west1/queues/incoming-2";
        let queue = queue.parse().unwrap();
        let queues = self.emulator.cloud_tasks().await;
        eventually(&format!("the rate {wanted}"), SOON, async || {
            let found = queues.get_queue(&queue).await;
            let found = found.map(|found| found.max_dispatches_per_second);
            let is_so = found.as_ref();
            let is_so = is_so.is_ok_and(|found| (found - wanted).abs() < f64::EPSILON);
            (is_so, format!("{found:?}\n{}", self.operator.log_tail()))
        })
        .await;
    }

    async fn run(&self, words: &str) -> Ended {
        self.run_as(self.server.kubeconfig(), words).await
    }

    async fn run_as(&self, kubeconfig: &Path, words: &str) -> Ended {
        let words: Vec<&str> = words.split(' ').collect();
        let place = ["--kubeconfig", path(kubeconfig), "-n", &self.namespace];
        let operator = ["--operator-namespace", &self.namespace];
        let words = [&words[..], &place, &operator].concat();
        self.programs.plugin(&words).await
    }

    /// A person who has the rights of people on call.
    async fn jane(&self) -> PathBuf {
        on_call(self.server, &self.namespace).await;
        self.server.kubeconfig_of(&self.namespace, "jane").await
    }
}

/// Whether the text has these parts, in this order.
#[track_caller]
fn has_in_order(ended: &Ended, parts: &[&str]) {
    let mut rest = ended.stdout.as_str();
    for part in parts {
        let found = rest.split_once(part);
        rest = found.unwrap_or_else(|| panic!("{part:?} in {ended:?}")).1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_shows_edits_overrides_and_events_by_time() {
    let site = Site::begin().await;
    site.edit(15).await;
    site.has_revisions(&[1, 2]).await;
    let throttle = "throttle orders slow --rate 5 --for 10m --reason INC-42 --name inc-42";
    let throttled = site.run(throttle).await;
    assert_eq!(throttled.code, 0, "{throttled:?}");
    let undone = site.run("undo inc-42").await;
    assert_eq!(undone.code, 0, "{undone:?}");
    let pause = r#"[{"op": "add", "path": "/spec/stages/1/paused", "value": true}]"#;
    site.patch(pause).await;
    let shown = eventually("an Event in the history", SOON, async || {
        let shown = site.run("history orders").await;
        let has_event = shown.stdout.contains("event QueuePaused");
        if has_event { Ok(shown) } else { Err(shown) }
    })
    .await;
    assert_eq!((shown.code, &*shown.stderr), (0, ""), "{shown:?}");
    let edits = [
        "revision 1 (generation 1), by kubectl-client-side-apply\n",
        "the first that is kept\n",
        "revision 2 (generation 2), by kubectl-edit\n",
        "stages[slow].rateLimits.maxDispatchesPerSecond 20 → 15\n",
    ];
    has_in_order(&shown, &edits);
    let overrides = [
        edits[2],
        "override inc-42, by ",
        ": INC-42\n",
        "5/s on slow until ",
        "override inc-42 ended: Undone, by ",
    ];
    has_in_order(&shown, &overrides);
    let note = "\nKubernetes keeps Events for an hour: older ones are not in this list.\n";
    assert!(shown.stdout.ends_with(note), "{shown:?}");
    // They would say the same again.
    assert!(!shown.stdout.contains("OverrideBegan"), "{shown:?}");

    let json = site.run("history orders -o json").await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let kinds = json["items"].as_array().unwrap().iter();
    let kinds: Vec<&str> = kinds.filter_map(|it| it["kind"].as_str()).collect();
    for kind in ["Revision", "OverrideMade", "OverrideEnded", "Event"] {
        assert!(kinds.contains(&kind), "{kind}: {json}");
    }
    assert_eq!(json["missing"], json!([]));
    let recent = site.run("history orders --since 0s").await;
    let sentence = "no history of chain orders in namespace ";
    assert!(recent.stdout.starts_with(sentence), "{recent:?}");

    // What a person may not see hides nothing of the rest.
    let jane = site.jane().await;
    let shown = eventually("the history for people on call", SOON, async || {
        let shown = site.run_as(&jane, "history orders").await;
        let has_override = shown.stdout.contains("override inc-42");
        if has_override { Ok(shown) } else { Err(shown) }
    })
    .await;
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(!shown.stdout.contains("revision"), "{shown:?}");
    for what in [
        "no revisions: you lack the right to list controllerrevisions",
        "no Events: you lack the right to list events",
    ] {
        assert!(shown.stderr.contains(what), "{what}: {shown:?}");
    }
    let refused = site.run_as(&jane, "undo orders --to 1").await;
    assert_eq!(refused.code, 4, "{refused:?}");
    let sentence = "you lack the right to get executorchains";
    assert!(refused.stderr.contains(sentence), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_goes_back_to_an_earlier_spec() {
    let site = Site::begin().await;
    site.edit(15).await;
    site.has_revisions(&[1, 2]).await;
    site.has_rate(15.0).await;
    let dry = site.run("undo orders --to 1 --dry-run").await;
    assert_eq!((dry.code, &*dry.stderr), (0, ""), "{dry:?}");
    let planned = [
        "orders was applied with kubectl: change the manifest too",
        "orders goes back to revision 1, which is generation 1, made by kubectl-client-side-apply at ",
        "\n  stages[slow].rateLimits.maxDispatchesPerSecond 15 → 20\n",
        "Steps:\n  1. update queue incoming-2 (rate 20/s)",
        "No pod restarts.\n",
    ];
    has_in_order(&dry, &planned);
    site.has_rate(15.0).await;
    site.has_revisions(&[1, 2]).await;

    let done = site.run("undo orders --to 1").await;
    assert_eq!((done.code, &*done.stderr), (0, ""), "{done:?}");
    has_in_order(&done, &planned);
    let sentence = "orders has the spec of revision 1 again, as generation 3. The operator took ";
    assert!(done.stdout.contains(sentence), "{done:?}");
    site.has_rate(20.0).await;
    site.has_revisions(&[2, 3]).await;
    let shown = site.run("history orders").await;
    let again = [
        "revision 2 (generation 2), by kubectl-edit\n",
        "20 → 15",
        "revision 3 (generation 3), by executor-chain-cli\n",
        "15 → 20",
    ];
    has_in_order(&shown, &again);
    let same = site.run("undo orders --to 3").await;
    assert_eq!(same.code, 0, "{same:?}");
    let sentence = "orders has the spec of revision 3 already.\n";
    assert!(same.stdout.ends_with(sentence), "{same:?}");

    // A program that would revert it.
    let flux = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    let flux = [&flux[..], &["--field-manager=kustomize-controller"]].concat();
    let manifest = CHAIN.replace("maxDispatchesPerSecond: 20", "maxDispatchesPerSecond: 30");
    site.kubectl_with_input(&flux, &manifest).await;
    site.has_revisions(&[2, 3, 4]).await;
    let refused = site.run("undo orders --to 2").await;
    assert_eq!(refused.code, 1, "{refused:?}");
    let warning = "orders is applied by kustomize-controller, which will revert this";
    assert!(refused.stdout.starts_with(warning), "{refused:?}");
    let sentence = "nothing was changed, since kustomize-controller would revert the change. Change the spec in Git, or suspend the sync and repeat the command with --force";
    assert!(refused.stderr.contains(sentence), "{refused:?}");
    site.has_rate(30.0).await;
    let forced = site.run("undo orders --to 2 --force").await;
    assert_eq!(forced.code, 0, "{forced:?}");
    site.has_rate(15.0).await;

    for (words, sentence) in [
        (
            "undo orders --to 99",
            "chain orders has no revision 99: kept are ",
        ),
        (
            "undo parcels --to 1",
            "has no chain parcels. --to is for chains: an override is ended by kubectl chain undo NAME",
        ),
        (
            "undo --to 1",
            "which chain goes back to revision 1? Name it",
        ),
        (
            "undo orders",
            "has no override orders. To restore an earlier spec of a chain: kubectl chain undo CHAIN --to REVISION",
        ),
        ("undo orders --force", "--to <REVISION>"),
        ("undo orders --to 0", "0 is not in 1.."),
        ("undo orders --to last", "invalid value 'last'"),
    ] {
        let refused = site.run(words).await;
        assert_eq!(refused.code, 1, "{words}: {refused:?}");
        assert!(refused.stderr.contains(sentence), "{words}: {refused:?}");
    }
}

#[tokio::test]
async fn dev_has_the_overrides_of_its_session_and_says_that_it_keeps_no_more() {
    let programs = Programs::new();
    let (_dev, admin) = dev(&programs).await;
    let run = async |words: &str| {
        let words: Vec<&str> = words.split(' ').chain(["--dev", &admin]).collect();
        programs.run("executor-chain", &words).await
    };
    let none = run("history orders").await;
    assert_eq!(none.code, 0, "{none:?}");
    let sentence = "dev keeps neither revisions of its file nor Events";
    assert!(none.stderr.contains(sentence), "{none:?}");
    let throttle = "throttle orders fast --rate 5 --for 10m --reason INC-42 --name inc-42";
    assert_eq!(run(throttle).await.code, 0);
    let shown = run("history orders").await;
    has_in_order(
        &shown,
        &["override inc-42", ": INC-42\n", "5/s on fast until "],
    );
    let refused = run("undo orders --to 1").await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("dev keeps no revisions of its file"),
        "{refused:?}"
    );
}
