//! The rules from outside, as the worker calls them.

mod arrival;
mod chain;
mod headers;
mod outcome;
