//! HTTP in and out: the push that came in, and the connector for requests.

mod connector;
mod push;

pub(crate) use connector::connector;
pub(crate) use push::{Push, ReadError};
