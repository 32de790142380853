//! HTTP in and out: the push that came in, and the connections for requests.

mod connection;
mod connection_pool;
mod connector;
mod push_request;
mod shared_resolver;

pub(crate) use connection::KeptBody;
pub(crate) use connection_pool::{ConnectionPool, ExchangeError};
pub(crate) use connector::{Connector, connector};
pub(crate) use push_request::{PushRequest, ReadError};
