//! The path of a push: receive it, decide, run the handler, create what follows, answer.

mod process;
mod receive;

pub(crate) use receive::receive;
