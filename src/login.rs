//! Lives here: who a hello's client is: a guest by name, or the account that a token is for.
//! Not here: names and sessions (`actors`), sockets and their addresses (`gateway`).
//!
//! The parts: `claims` (checking a token), `keys` and `form` (what it is checked with), `crypto`
//! (by which mathematics), `denied` (why not), `lockout` (how often somebody may try), `mint`
//! (tokens for trying out).
//!
//! Invariant: with `login.mode = "jwt"` an account's name comes from a token that one of our keys
//! has signed, and from nowhere else.

mod claims;
mod crypto;
mod denied;
mod form;
mod keys;
mod lockout;
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
use tokio::time::Instant;

use crate::config::{self, Config, ConfigError, LoginMode};
use claims::Expected;
use denied::Denied;
use keys::Keys;
use lockout::{Lockout, Met};

/// Who may log in, and how they prove it. Shared by all socket threads.
pub(crate) struct Logins {
    config: config::Login,
    expected: Expected,
    /// Empty for guests.
    keys: ArcSwap<Keys>,
    lockout: Lockout,
}

/// Why a hello is not enough: the metric's label, whose it is where that is certain, and what its
/// client is told.
struct Not {
    reason: &'static str,
    account: Option<String>,
    refusal: Refusal,
}

impl Logins {
    /// Reads the keys, if tokens are asked for. `world` is whom tokens are for by default.
    ///
    /// # Errors
    /// When a key can't be read: names the folder, the file and why.
    pub(crate) fn new(config: &Config, world: &str) -> Result<Self, ConfigError> {
        crypto::install();
        let (config, limit_loopback) = (&config.login, config.gateway.limit_loopback);
        let logins = Self {
            config: config.clone(),
            expected: Expected::new(config, world),
            keys: ArcSwap::default(),
            lockout: Lockout::new(config, limit_loopback),
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
    /// When the hello is not enough, its token is not taken, or its address or account has tried
    /// too often.
    pub(crate) fn admit(
        &self,
        hello: Hello,
        (peer, now): (IpAddr, Instant),
        codec: Codec,
    ) -> Result<Entry, Refusal> {
        let name = self.name(&hello, peer, now).map_err(|not| {
            let Not {
                reason, refusal, ..
            } = not;
            refused(reason);
            tracing::debug!(%peer, reason, %refusal, "login refused");
            refusal
        })?;
        Ok(Entry {
            name,
            resume: hello.resume,
            last: hello.last,
            codec,
            peer,
        })
    }

    /// The account's name, once it is clear that its client may use it now.
    fn name(&self, hello: &Hello, peer: IpAddr, now: Instant) -> Result<Option<String>, Not> {
        self.lockout
            .may_try(peer, now)
            .map_err(|met| self.too_often(met))?;
        let name = match self.config.mode {
            LoginMode::Guest => guest(hello),
            LoginMode::Jwt => self.account(hello),
        };
        let name = name.inspect_err(|not| {
            self.lockout.failed(peer, not.account.as_deref(), now);
        })?;
        if let Some(name) = &name {
            // As the sessions take it: blanks around it make no other account.
            self.lockout
                .log_in(name.trim(), peer, now)
                .map_err(|met| self.too_often(met))?;
        }
        Ok(name)
    }

    fn too_often(&self, met: Met) -> Not {
        let of = &self.config;
        let (reason, words) = match met {
            Met::Address => (
                "address_limit",
                format!(
                    "too many logins from this address were refused: {} per minute are forgiven \
                     (login.failures_per_minute)",
                    of.failures_per_minute
                ),
            ),
            Met::Account => (
                "account_limit",
                format!(
                    "too many logins of this account were refused: {} per minute are forgiven \
                     (login.failures_per_minute)",
                    of.failures_per_minute
                ),
            ),
            Met::Logins => (
                "account_limit",
                format!(
                    "an account may log in {} times per minute (login.logins_per_minute)",
                    of.logins_per_minute
                ),
            ),
        };
        Not {
            reason,
            account: None,
            refusal: Refusal::new(ErrorCode::TooFast, words),
        }
    }

    /// The account that the hello's token is for; none when it has a session to resume instead: a
    /// session outlives the token it began with.
    fn account(&self, hello: &Hello) -> Result<Option<String>, Not> {
        let token = hello.token.as_deref().ok_or(Denied::Missing.into());
        let account = token.and_then(|token| self.expected.check(token, &self.keys.load()));
        match account {
            Ok(account) => Ok(Some(account)),
            Err(_) if hello.resume.is_some() => Ok(None),
            Err(bad) => Err(Not {
                reason: bad.why.as_str(),
                refusal: bad.why.refusal(),
                account: bad.account,
            }),
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
fn guest(hello: &Hello) -> Result<Option<String>, Not> {
    if hello.token.is_some() && hello.resume.is_none() {
        let words = "this server takes guests: say a name, not a token";
        return Err(Not {
            reason: "not_guest",
            account: None,
            refusal: Refusal::new(ErrorCode::BadLogin, words),
        });
    }
    Ok(hello.name.clone())
}

/// Counts a login that the sessions never heard of.
fn refused(reason: &'static str) {
    counter!("brightstar_logins_total", "outcome" => "refused").increment(1);
    counter!("brightstar_logins_refused_total", "reason" => reason).increment(1);
}
