//! A running `executor-chain dev`.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::api::{Connection, Reply};
use super::scope::Scope;
use super::seen::Seen;
use crate::error::Error;

/// An address that doesn't answer may drop packets.
const CONNECT: Duration = Duration::from_secs(3);

/// The API of a `dev`.
#[derive(Debug)]
pub struct Dev {
    address: String,
    connection: Option<Connection>,
}

impl Dev {
    /// At this address: `HOST:PORT`, or as `dev` prints it.
    pub fn at(address: &str) -> Self {
        let address = address.strip_prefix("http://").unwrap_or(address);
        Self {
            address: address.trim_end_matches('/').to_owned(),
            connection: None,
        }
    }

    /// The address of the page.
    pub fn page(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Its chains.
    pub async fn look(&mut self, scope: &Scope) -> Result<Seen, Error> {
        let looked = self.ask(scope).await;
        looked.map_err(|reason| {
            self.connection = None;
            Error::NoAdmin {
                address: self.address.clone(),
                reason,
            }
        })
    }

    async fn ask(&mut self, scope: &Scope) -> Result<Seen, String> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.address).await?),
        };
        match connection.look(scope).await? {
            Reply::Found(seen) => Ok(seen),
            Reply::Absent => Ok(Seen::nothing()),
            Reply::Standby(Some(leader)) => Err(format!("it doesn't lead: {leader} does")),
            Reply::Standby(None) => Err("it doesn't lead, and no operator does now".into()),
        }
    }
}

async fn connect(address: &str) -> Result<Connection, String> {
    let stream = timeout(CONNECT, TcpStream::connect(address)).await;
    let stream = stream.map_err(|_| format!("no answer within {CONNECT:?}"))?;
    let stream = stream.map_err(|error| error.to_string())?;
    Connection::over(stream, address.to_owned()).await
}
