//! The rules with one change each. A mutant changes what goes into the real function, or what
//! comes out of it.

pub mod arrival;
pub mod names;
pub mod outcome;
