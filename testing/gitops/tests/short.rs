//! A few overrides of each chain, with the tools at work; `make gitops` makes 50, for ten minutes.

use std::time::Duration;

use gitops::{Run, run};
use testkit::ApiServer;

#[tokio::test(flavor = "multi_thread")]
async fn gitops_tools_revert_edits_and_no_override() {
    let settings = Run {
        undone: 3,
        expiring: 0,
        // Each tool applies twice meanwhile.
        hold: Duration::from_millis(2500),
        rest: Duration::from_millis(1500),
    };
    let report = run(ApiServer::shared_with_crd().await, settings).await;
    let report = report.expect("edits that are reverted, and overrides that aren't");
    assert_eq!(report.begun.count(), 6);
    assert_eq!(report.ended.count(), 6);
    assert_eq!(report.reverted.count(), 5);
    for (tool, applies) in report.applies {
        assert!(applies > 10, "{tool:?} applied {applies} times");
    }
}
