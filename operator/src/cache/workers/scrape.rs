//! Scrapes one worker's metrics.

use console::history::WorkerPage;
use worker_contract::admin_paths;

use crate::admin_pages::AdminPages;
use crate::cache::scrape_target::ScrapeTarget;
use crate::chain::NamespacedName;

pub(super) use crate::admin_pages::TIMEOUT;

#[derive(Clone, Default)]
pub(super) struct Scraper(AdminPages);

impl Scraper {
    /// What a worker has counted since its start; `None` if it doesn't answer, or isn't a worker of this
    /// stage.
    pub(super) async fn scrape(
        &self,
        (namespace, chain): &NamespacedName,
        target: &ScrapeTarget,
    ) -> Option<WorkerPage> {
        let page = self.0.get(target.address, admin_paths::METRICS).await?;
        let page = String::from_utf8_lossy(&page);
        WorkerPage::of_stage(&format!("{namespace}/{chain}"), &target.stage, &page)
    }
}
