//! The path of a push: receive it, decide, run the handler, create what follows, answer.

mod process;
mod receive;
mod run_to_end;

pub(crate) use receive::receive;
