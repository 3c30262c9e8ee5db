//! Lives here: the configuration: its sections, how its layers become one, and its checks.
//! Not here: command line flags (`cli`), which are the last layer, and what the numbers do.
//!
//! Invariant: strength grows from defaults over file and environment to flags; what comes out has
//! been checked, so that nobody below has to.

mod handed;
mod load;
mod log_format;
mod login_mode;
mod print;
pub(crate) mod section;
mod sections;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, ToSocketAddrs};

use serde::{Deserialize, Serialize};

pub use load::{ENV_LOG, ENV_PREFIX, environment, file};
pub use log_format::LogFormat;
pub use login_mode::LoginMode;
pub use print::print;
pub use sections::{
    Admin, Engine, Gateway, Ladder, Log, Login, Regions, Server, Sessions, Supervisor, Tasks, Tls,
};

/// Everything that someone may tune.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the server listens and keeps its data.
    pub server: Server,
    /// The data service.
    pub engine: Engine,
    /// What tasks of each kind may take.
    pub tasks: Tasks,
    /// The regions.
    pub regions: Regions,
    /// The supervisor.
    pub supervisor: Supervisor,
    /// The ladder.
    pub ladder: Ladder,
    /// The sessions.
    pub sessions: Sessions,
    /// The gateway.
    pub gateway: Gateway,
    /// Logins.
    pub login: Login,
    /// TLS.
    pub tls: Tls,
    /// The operator's orders.
    pub admin: Admin,
    /// The log.
    pub log: Log,
}

/// What is wrong with a configuration, for the person who wrote it: key, value, what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl Config {
    /// Checks every value, and what must hold between them.
    ///
    /// # Errors
    /// Names the first wrong key, its value and what is allowed.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.sections().map_err(ConfigError)?;
        let (checkpoint, limit) = (
            self.engine.checkpoint_bytes,
            self.engine.journal_limit_bytes,
        );
        if checkpoint > limit {
            return Err(ConfigError(format!(
                "engine.checkpoint_bytes = {checkpoint}: allowed is up to \
                 engine.journal_limit_bytes = {limit}"
            )));
        }
        let supervisor = &self.supervisor;
        let (hot, cool) = (supervisor.hot_load, supervisor.cool_load);
        below(("supervisor.cool_load", cool), ("supervisor.hot_load", hot))?;
        // The halves of what was split must not be merged again.
        let (split, merge) = (supervisor.split_load, supervisor.merge_load);
        if merge * 2.0 > split {
            return Err(ConfigError(format!(
                "supervisor.merge_load = {merge}: allowed is up to half of \
                 supervisor.split_load = {split}"
            )));
        }
        let (over, under) = (self.ladder.over_load, self.ladder.under_load);
        below(("ladder.under_load", under), ("ladder.over_load", over))?;
        self.check_edge()?;
        crate::log::parse_level(&self.log.level)?;
        Ok(())
    }

    fn check_edge(&self) -> Result<(), ConfigError> {
        let (address, guest) = (self.address()?, self.login.mode == LoginMode::Guest);
        if guest && !address.ip().is_loopback() && !self.server.insecure_guest {
            return Err(ConfigError(format!(
                "server.listen = {address}: with guest login anybody who reaches this address can \
                 play as anybody; take tokens (--login jwt), listen on 127.0.0.1, or say \
                 --insecure-guest if that is meant"
            )));
        }
        if !guest && self.login.keys.is_empty() {
            return Err(ConfigError(
                "login.keys = \"\": with login.mode = \"jwt\" it must name the folder with the \
                 keys of tokens"
                    .to_owned(),
            ));
        }
        if self.tls.certificate.is_empty() != self.tls.key.is_empty() {
            return Err(ConfigError(
                "tls.certificate and tls.key: both are needed, or none".to_owned(),
            ));
        }
        Ok(())
    }

    fn sections(&self) -> Result<(), String> {
        self.server.check()?;
        self.engine.check()?;
        self.tasks.check()?;
        self.regions.check()?;
        self.supervisor.check()?;
        self.ladder.check()?;
        self.sessions.check()?;
        self.gateway.check()?;
        self.login.check()?;
        self.tls.check()?;
        self.admin.check()?;
        self.log.check()
    }

    /// The address to listen on.
    ///
    /// # Errors
    /// When `server.listen` is not an address with a port.
    pub fn address(&self) -> Result<SocketAddr, ConfigError> {
        let listen = &self.server.listen;
        let wrong = |why: String| {
            ConfigError(format!(
                "server.listen = \"{listen}\": {why}; allowed is ADDRESS:PORT, as 127.0.0.1:7777"
            ))
        };
        let mut found = listen
            .to_socket_addrs()
            .map_err(|error| wrong(error.to_string()))?;
        found
            .next()
            .ok_or_else(|| wrong("it names no address".to_owned()))
    }
}

/// Holds two loads apart: what is begun at one must be able to end at the other.
fn below(low: (&str, f64), high: (&str, f64)) -> Result<(), ConfigError> {
    if low.1 < high.1 {
        return Ok(());
    }
    Err(ConfigError(format!(
        "{} = {}: allowed is below {} = {}",
        low.0, low.1, high.0, high.1
    )))
}
