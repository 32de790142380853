//! Chains as text, for a terminal.

mod forecast;
mod parked;
mod plan;
mod ruled_out;
mod table;
mod top;
mod unknown;
mod why;

pub use forecast::forecast;
pub use parked::{ParkedCommand, parked};
pub use plan::plan;
pub use top::top;
pub use unknown::unknown;
pub use why::why;
