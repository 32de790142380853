//! How much of a limit is used.

use maud::{Markup, html};

/// Parts of a limit, each from 0 to 1.
pub(super) struct Bar {
    /// What is used.
    pub used: f64,
    /// The share of it that fails. It is drawn within it.
    pub failing: f64,
    /// What is allowed at present, if that is less than the limit.
    pub allowed: Option<f64>,
}

/// Above this share of its limit, a stage is at it.
const FULL: f64 = 0.97;

impl Bar {
    /// As a picture. The text beside it says the same, so it is hidden from screen readers.
    pub(super) fn picture(&self) -> Markup {
        let used = self.used.clamp(0.0, 1.0);
        let failing = used * self.failing.clamp(0.0, 1.0);
        let percent = |share: f64| format!("{:.1}%", share * 100.0);
        html! {
            svg.bar.full[used >= FULL] width="100%" height="8" aria-hidden="true" {
                rect.track width="100%" height="8" {}
                rect.used width=(percent(used)) height="8" {}
                @if failing > 0.0 {
                    rect.failing width=(percent(failing)) height="8" {}
                }
                @if let Some(allowed) = self.allowed {
                    rect.allowed x=(percent(allowed.clamp(0.0, 1.0))) width="2" height="8" {}
                }
            }
        }
    }
}
