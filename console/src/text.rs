//! Chains as text, for a terminal.

mod top;
mod why;

pub use top::top;
pub use why::why;
