//! Lives here: who a hello's client is: a guest by name, or the account that a token is for.
//! Not here: names and sessions (`actors`), sockets and their addresses (`gateway`).
//!
//! The parts: `claims` (checking a token), `keys` and `form` (what it is checked with), `crypto`
//! (by which mathematics), `denied` (why not), `mint` (tokens for trying out).
//!
//! Invariant: with `login.mode = "jwt"` an account's name comes from a token that one of our keys
//! has signed, and from nowhere else.

mod claims;
mod crypto;
mod denied;
mod form;
mod keys;
pub(crate) mod mint;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use actors::{Entry, Refusal};
use arc_swap::ArcSwap;
use metrics::counter;
use protocol::{Codec, ErrorCode, Hello};

use crate::config::{self, ConfigError, LoginMode};
use claims::Expected;
use denied::Denied;
use keys::Keys;

/// Who may log in, and how they prove it. Shared by all socket threads.
pub(crate) struct Logins {
    config: config::Login,
    expected: Expected,
    /// Empty for guests.
    keys: ArcSwap<Keys>,
}

impl Logins {
    /// Reads the keys, if tokens are asked for. `world` is whom tokens are for by default.
    ///
    /// # Errors
    /// When a key can't be read: names the folder, the file and why.
    pub(crate) fn new(config: &config::Login, world: &str) -> Result<Self, ConfigError> {
        crypto::install();
        let logins = Self {
            config: config.clone(),
            expected: Expected::new(config, world),
            keys: ArcSwap::default(),
        };
        logins.reload()?;
        Ok(logins)
    }

    /// Reads the keys again. Who has logged in stays.
    ///
    /// # Errors
    /// As at the start; the keys stay as they were.
    pub(crate) fn reload(&self) -> Result<(), ConfigError> {
        if self.config.mode == LoginMode::Guest {
            return Ok(());
        }
        let folder = &self.config.keys;
        let keys = Keys::read(Path::new(folder))
            .map_err(|why| ConfigError(format!("login.keys = \"{folder}\": {why}")))?;
        tracing::info!(folder, ids = ?keys.ids(), "keys of tokens are read");
        self.keys.store(Arc::new(keys));
        Ok(())
    }

    /// What a hello asks the sessions for, once it is clear who says it.
    ///
    /// # Errors
    /// When the hello is not enough, or its token is not taken.
    pub(crate) fn admit(&self, hello: Hello, peer: IpAddr, codec: Codec) -> Result<Entry, Refusal> {
        let name = match self.config.mode {
            LoginMode::Guest => guest(&hello),
            LoginMode::Jwt => self.account(&hello),
        };
        let name = name.inspect_err(|(reason, refusal)| {
            refused(reason);
            tracing::debug!(%peer, reason, %refusal, "login refused");
        });
        Ok(Entry {
            name: name.map_err(|(_, refusal)| refusal)?,
            resume: hello.resume,
            last: hello.last,
            codec,
            peer,
        })
    }

    /// The account that the hello's token is for; none when it has a session to resume instead: a
    /// session outlives the token it began with.
    fn account(&self, hello: &Hello) -> Result<Option<String>, (&'static str, Refusal)> {
        let token = hello.token.as_deref().ok_or(Denied::Missing.into());
        let account = token.and_then(|token| self.expected.check(token, &self.keys.load()));
        match account {
            Ok(account) => Ok(Some(account)),
            Err(_) if hello.resume.is_some() => Ok(None),
            Err(bad) => Err((bad.why.as_str(), bad.why.refusal())),
        }
    }
}

/// Counts a login that the sessions refused; they have counted its outcome.
pub(crate) fn refused_behind(refusal: &Refusal) {
    let reason = match refusal.code {
        ErrorCode::BadLogin => "session",
        ErrorCode::Overloaded => "overloaded",
        ErrorCode::Draining => "draining",
        _ => "other",
    };
    counter!("brightstar_logins_refused_total", "reason" => reason).increment(1);
}

/// The name that a guest says.
fn guest(hello: &Hello) -> Result<Option<String>, (&'static str, Refusal)> {
    if hello.token.is_some() && hello.resume.is_none() {
        let words = "this server takes guests: say a name, not a token";
        return Err(("not_guest", Refusal::new(ErrorCode::BadLogin, words)));
    }
    Ok(hello.name.clone())
}

/// Counts a login that the sessions never heard of.
fn refused(reason: &'static str) {
    counter!("brightstar_logins_total", "outcome" => "refused").increment(1);
    counter!("brightstar_logins_refused_total", "reason" => reason).increment(1);
}
