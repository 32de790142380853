//! What the stages of a chain have in common while they are parsed.

use cloudtasks::LocationPath;

use crate::model::settings::Settings;

pub(super) struct ChainContext<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) parent: &'a LocationPath,
    pub(super) settings: &'a Settings,
}
