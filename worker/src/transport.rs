//! HTTP in and out: the push that came in, and the connector for requests.

mod connector;
mod push_request;
mod shared_resolver;

pub(crate) use connector::{Connector, connector};
pub(crate) use push_request::{PushRequest, ReadError};
