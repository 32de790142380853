//! A running `executor-chain dev`.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::api::{Asked, Connection, Posted, Reply};
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
        let looked = self.chains(scope).await;
        looked.map_err(|reason| self.failed(reason))
    }

    async fn chains(&mut self, scope: &Scope) -> Result<Seen, String> {
        match self.connection().await?.look(scope).await? {
            Reply::Found(seen) => Ok(seen),
            Reply::Absent => Ok(Seen::nothing()),
            Reply::Standby(Some(leader)) => Err(format!("it doesn't lead: {leader} does")),
            Reply::Standby(None) => Err("it doesn't lead, and no operator does now".into()),
        }
    }
}

impl Dev {
    /// Reads what a path has; nothing if there is nothing.
    pub async fn read<T: DeserializeOwned>(&mut self, path: &str) -> Result<Option<T>, Error> {
        let reply = match self.connection().await {
            Ok(connection) => connection.read(path).await,
            Err(reason) => Err(reason),
        };
        match reply {
            Ok(Reply::Found(found)) => Ok(Some(found)),
            Ok(Reply::Absent) => Ok(None),
            Ok(Reply::Standby(_)) => Err(self.failed("it doesn't lead".into())),
            Err(reason) => Err(self.failed(reason)),
        }
    }

    /// Asks for what a path has, or why it has nothing.
    pub async fn ask<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Error> {
        let asked = match self.connection().await {
            Ok(connection) => connection.ask(path).await,
            Err(reason) => Err(reason),
        };
        match asked {
            Ok(Asked::Found(found)) => Ok(found),
            Ok(Asked::Refused(reason)) => Err(Error::Refused(reason)),
            Ok(Asked::NotNow(reason)) => Err(Error::NotNow(reason)),
            Ok(Asked::Standby) => Err(self.failed("it doesn't lead".into())),
            Err(reason) => Err(self.failed(reason)),
        }
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends JSON to a path.
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        content: &impl Serialize,
    ) -> Result<T, Error> {
        let posted = match self.connection().await {
            Ok(connection) => connection.post(path, content).await,
            Err(reason) => Err(reason),
        };
        match posted {
            Ok(Posted::Done(done)) => Ok(done),
            Ok(Posted::Refused(reason)) => Err(Error::Refused(reason)),
            Ok(Posted::Standby) => Err(self.failed("it doesn't lead".into())),
            Err(reason) => Err(self.failed(reason)),
        }
    }

    async fn connection(&mut self) -> Result<&mut Connection, String> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(connect(&self.address).await?)),
        }
    }

    fn failed(&mut self, reason: String) -> Error {
        self.connection = None;
        Error::NoAdmin {
            address: self.address.clone(),
            reason,
        }
    }
}

async fn connect(address: &str) -> Result<Connection, String> {
    let stream = timeout(CONNECT, TcpStream::connect(address)).await;
    let stream = stream.map_err(|_| format!("no answer within {CONNECT:?}"))?;
    let stream = stream.map_err(|error| error.to_string())?;
    Connection::over(stream, address.to_owned()).await
}
