//! Times beside other times.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::units;

/// For how long something has been so. The instant is in the markup, for those who need it exactly.
pub(super) fn since(since: Timestamp, now: Timestamp) -> Markup {
    let duration = now.duration_since(since).try_into().unwrap_or_default();
    html! {
        time datetime=(since) title=(since) { "for " (units::duration(duration)) }
    }
}

/// A time of day. Clocks of servers and of people differ in their zones, so the zone is said.
pub(super) fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S UTC").to_string()
}
