//! HTTP in and out: the push that came in, and the connector for requests.

mod connector;
mod push_request;

pub(crate) use connector::connector;
pub(crate) use push_request::{PushRequest, ReadError};
