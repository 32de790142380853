//! A running `dev`, or whatever has its API.

use std::time::Duration;

use console::LiveChain;
use serde_json::Value;
use testkit::{Process, eventually, free_addr};

use crate::program::{Programs, run};
use crate::served::{Served, failing, unknown, well};

/// The address of a `dev` with these chains.
async fn serving(chains: Vec<Value>) -> String {
    Served(Ok(chains)).start().await.to_string()
}

#[tokio::test]
async fn top_shows_each_chain_under_both_names() {
    let programs = Programs::new();
    let chains = vec![well("default", "orders"), failing("shop", "mails")];
    let dev = serving(chains).await;
    for program in ["executor-chain", "kubectl-chain"] {
        let ended = programs.run(program, &["top", "--dev", &dev]).await;
        assert_eq!((ended.code, &*ended.stderr), (0, ""), "{ended:?}");
        for text in ["orders", "mails", "fast"] {
            assert!(ended.stdout.contains(text), "{ended:?}");
        }
    }
    let words = ["top", "-n", "shop", "--dev", &dev, "-o", "wide"];
    let ended = programs.plugin(&words).await;
    assert!(
        ended.stdout.contains("mails") && !ended.stdout.contains("orders"),
        "{ended:?}"
    );
    let ended = programs
        .plugin(&["top", "-n", "nowhere", "--dev", &dev])
        .await;
    assert_eq!(ended.stdout, "no chains in namespace nowhere\n");
}

#[tokio::test]
async fn json_is_what_the_api_has() {
    let programs = Programs::new();
    let dev = serving(vec![well("default", "orders"), failing("shop", "mails")]).await;
    let json = async |words: &[&str]| -> Value {
        let ended = programs
            .plugin(&[words, &["--dev", &dev, "-o", "json"]].concat())
            .await;
        serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
    };
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap();
        items
            .iter()
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = json(&["top"]).await;
    assert_eq!(names(&all), ["mails", "orders"], "worst first");
    assert_eq!(all["at"], "1970-01-01T00:00:00Z");
    // As the API has it, with each field of the model.
    let model: LiveChain = serde_json::from_value(failing("shop", "mails")).unwrap();
    let one = json(&["why", "mails", "-n", "shop"]).await;
    assert_eq!(one, serde_json::to_value(model).unwrap());
    assert_eq!(
        names(&json(&["why"]).await),
        ["mails"],
        "those with findings"
    );
}

#[tokio::test]
async fn the_exit_code_of_why_says_what_was_found() {
    let programs = Programs::new();
    let chains = vec![
        well("default", "orders"),
        failing("default", "mails"),
        unknown("default", "payments"),
    ];
    let dev = serving(chains).await;
    let rows = [
        (&["why", "orders"][..], 0, ""),
        (&["why", "mails"], 2, ""),
        (&["why", "payments"], 3, ""),
        // The findings of one chain count, whatever is unknown of another.
        (&["why"], 2, ""),
        (
            &["why", "returns"],
            1,
            "kubectl chain: no chain returns in all namespaces\n",
        ),
        // Not 2, which clap ends with.
        (
            &["why", "--nonsense"],
            1,
            "error: unexpected argument '--nonsense' found",
        ),
        (&["why", "../orders"], 1, "error: invalid value '../orders'"),
    ];
    for (words, code, stderr) in rows {
        let ended = programs.plugin(&[words, &["--dev", &dev]].concat()).await;
        assert_eq!(ended.code, code, "{words:?}: {ended:?}");
        assert!(ended.stderr.starts_with(stderr), "{words:?}: {ended:?}");
        assert_eq!(
            ended.stderr.is_empty(),
            stderr.is_empty(),
            "{words:?}: {ended:?}"
        );
    }
    let ended = programs.plugin(&["why", "--dev", &dev]).await;
    assert!(ended.stdout.contains("default/mails\n"), "{ended:?}");
    assert!(
        ended.stdout.contains("the handler fails: 7 of 7 runs"),
        "{ended:?}"
    );
    assert!(!ended.stdout.contains("orders"), "{ended:?}");

    let well = serving(vec![well("default", "orders")]).await;
    let ended = programs.plugin(&["why", "--dev", &well]).await;
    assert_eq!(ended.stdout, "nothing found: 1 chain in all namespaces\n");
}

#[tokio::test]
async fn parked_shows_groups_then_rows_then_the_next_command() {
    let programs = Programs::new();
    let dev = serving(vec![well("shop", "orders")]).await;
    let words = ["parked", "orders", "--where", "status=4xx", "--dev", &dev];
    let ended = programs.plugin(&words).await;
    assert_eq!((ended.code, &*ended.stderr), (0, ""), "{ended:?}");
    let wanted = format!(
        "1 task is parked in queue orders-parked:

TASKS  REASON    FIRST PARKED          LAST PARKED
1      no-stock  1970-01-01T00:00:00Z  1970-01-01T00:00:00Z

TASK     PATH     REASON    STATUS  STAGE  LIFE  PARKED                KEPT FOR
order-1  /orders  no-stock  409     slow   2     1970-01-01T00:00:00Z  30d

After you have fixed what failed, run them again:
  kubectl chain redrive orders --dev {dev} --to STAGE --rate 20 --where status=4xx --reason WHY
"
    );
    assert_eq!(ended.stdout, wanted);

    let words = [
        "parked",
        "orders",
        "-o",
        "json",
        "--by=reason,hour",
        "--dev",
        &dev,
    ];
    let ended = programs.run("executor-chain", &words).await;
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(json["by"], serde_json::json!(["reason", "hour"]));
    assert_eq!(json["items"][0]["redrive"], "inc-42");
}

#[tokio::test]
async fn parked_says_what_is_wrong_with_a_filter_and_why_nothing_is_known() {
    let programs = Programs::new();
    let chains = ["orders", "plain", "busy"].map(|name| well("shop", name));
    let dev = serving(chains.into()).await;
    let rows = [
        (
            &["orders", "--where", "color=red"][..],
            1,
            "kubectl chain: --where: \"color\" is not a filter: write reason, cause, stage, status, task or redrive\n",
        ),
        (
            &["orders", "--where", "stage=a", "--where", "stage=b"],
            1,
            "kubectl chain: --where: stage is named twice: name it once\n",
        ),
        (
            &["orders", "--by", "color"],
            1,
            "error: invalid value 'color' for '--by <KEY,…>'",
        ),
        (
            &["orders", "--since", "soon"],
            1,
            "error: invalid value 'soon' for '--since",
        ),
        (
            &["orders", "--limit", "1001"],
            1,
            "error: invalid value '1001' for '--limit",
        ),
        (
            &["plain", "-n", "shop"],
            1,
            "kubectl chain: shop/plain parks nothing\n",
        ),
        (
            &["busy", "-n", "shop"],
            3,
            "kubectl chain: try again in 20 s\n",
        ),
        (
            &["nothing"],
            1,
            "kubectl chain: no chain nothing in all namespaces\n",
        ),
    ];
    for (words, code, stderr) in rows {
        let words = [&["parked", "--dev", &dev], words].concat();
        let ended = programs.plugin(&words).await;
        assert_eq!(
            (ended.code, &*ended.stdout),
            (code, ""),
            "{words:?}: {ended:?}"
        );
        assert!(ended.stderr.starts_with(stderr), "{words:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_dev_that_does_not_run_is_named() {
    let programs = Programs::new();
    let address = free_addr().to_string();
    let ended = programs.plugin(&["why", "--dev", &address]).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    let begin = format!("kubectl chain: no chains at {address}: Connection refused");
    assert!(ended.stderr.starts_with(&begin), "{ended:?}");
}

#[tokio::test]
async fn ui_prints_the_address_of_the_page() {
    let programs = Programs::new();
    let rows = [
        (&["ui"][..], "page: http://127.0.0.1:9480/\n"),
        (
            &["ui", "orders"],
            "page: http://127.0.0.1:9480/chains/default/orders\n",
        ),
        (
            &["ui", "orders", "-n", "shop"],
            "page: http://127.0.0.1:9480/chains/shop/orders\n",
        ),
    ];
    for (words, stdout) in rows {
        let more = ["--no-open", "--dev", "http://127.0.0.1:9480/"];
        let ended = programs.plugin(&[words, &more].concat()).await;
        assert_eq!((ended.code, &*ended.stdout), (0, stdout), "{ended:?}");
    }
}

#[tokio::test]
async fn kubectl_runs_the_plugin() {
    let programs = Programs::new();
    let dev = serving(vec![failing("shop", "mails")]).await;
    let mut command = std::process::Command::new(testkit::binaries::kubectl());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([programs.folder()]);
    command
        .args(["chain", "why", "mails", "-n", "shop", "--dev", &dev])
        .env("PATH", std::env::join_paths(folders).unwrap());
    let ended = run(command).await;
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stdout.contains("the handler fails"), "{ended:?}");
}

#[tokio::test]
async fn a_running_dev_is_shown() {
    let programs = Programs::new();
    let (listen, admin) = (free_addr().to_string(), free_addr().to_string());
    let chain = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/orders.yaml");
    let words = [
        "dev",
        chain,
        "--listen",
        &listen,
        "--admin",
        &admin,
        "--tasks=20",
    ];
    let _dev = Process::spawn(&programs.command("executor-chain", &words));
    let top = ["top", "--dev", &admin];
    eventually(
        "a line for each stage",
        Duration::from_secs(30),
        async || {
            let ended = programs.run("executor-chain", &top).await;
            let rows = ended.stdout.matches("orders").count();
            (ended.code == 0 && rows == 3, ended)
        },
    )
    .await;
}
