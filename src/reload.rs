//! Lives here: reading keys and secrets again while the server runs.
//! Not here: what they are (`login`, `admin`), and the signal that asks for it (`app`).
//!
//! Invariant: what can't be read again stays as it was, for itself alone, and the log says so.

use std::sync::Arc;

use crate::admin::Admin;
use crate::config::{Config, ConfigError, LoginMode};
use crate::login::Logins;
use crate::tls::Tls;

/// Everything that is read from files which may change under a running server.
pub(crate) struct Reload {
    pub(crate) logins: Arc<Logins>,
    pub(crate) admin: Option<Arc<Admin>>,
    pub(crate) tls: Option<Arc<Tls>>,
}

/// Whether a configuration names any such file.
pub(crate) fn is_asked_for(config: &Config) -> bool {
    config.login.mode == LoginMode::Jwt
        || !config.admin.token_file.is_empty()
        || !config.tls.certificate.is_empty()
}

impl Reload {
    /// Reads everything again. `true` if all of it could be read.
    pub(crate) fn run(&self) -> bool {
        let admin = self.admin.as_ref().map_or(Ok(()), |admin| admin.reload());
        let tls = self.tls.as_ref().map_or(Ok(()), |tls| tls.reload());
        let read = [self.logins.reload(), admin, tls];
        let good = read.iter().all(Result::is_ok);
        for error in read.into_iter().filter_map(Result::err) {
            kept(&error);
        }
        good
    }
}

fn kept(error: &ConfigError) {
    tracing::error!(%error, "a file could not be read again; what was read of it before stays");
}
