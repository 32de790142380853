//! The configuration of a mover.

use std::net::SocketAddr;

use cloudtasks::Endpoint;
use parking::RedriveOrder;
use worker_contract::{env, ports};

use super::error::ConfigError;
use super::parse::EnvVars;

/// The configuration of one mover.
#[derive(Debug, Clone)]
pub struct MoverConfig {
    /// What it does.
    pub order: RedriveOrder,
    /// The addresses to try for health, metrics and progress, in order.
    pub admin: Vec<SocketAddr>,
    /// Google, or an emulator.
    pub endpoint: Endpoint,
}

impl MoverConfig {
    /// Reads the variables through `get`. An empty one counts as not set.
    pub fn from_vars(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let vars = EnvVars(get);
        let text = vars.text(env::REDRIVE, "write the redrive's order, as JSON")?;
        let order = RedriveOrder::read(&text).map_err(|error| ConfigError::Invalid {
            variable: env::REDRIVE,
            fix: error.to_string(),
            value: text,
        })?;
        Ok(Self {
            order,
            admin: vars.addresses(env::ADMIN_ADDR, ports::ADMIN)?,
            endpoint: Endpoint::from_emulator_host(vars.get(env::CLOUD_TASKS_EMULATOR_HOST)),
        })
    }
}
