//! Lives here: checking a token: size, key, algorithm, signature, and what it claims.
//! Not here: the keys (`keys`), what becomes of its account (`login`).
//!
//! Invariant: nothing a token claims is looked at before a key of ours was found to have signed it,
//! by the algorithm of that key and no other.

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;

use super::denied::Denied;
use super::keys::Keys;
use crate::config;

/// What a good token has to say.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    audience: String,
    issuer: String,
    leeway_seconds: u64,
    max_bytes: usize,
}

/// Why a token is not taken, and whose it is when one of our keys has signed it all the same.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) why: Denied,
    pub(super) account: Option<String>,
}

impl From<Denied> for Bad {
    fn from(why: Denied) -> Self {
        Self { why, account: None }
    }
}

/// What is read of a token.
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
}

impl Expected {
    /// What the configuration says; `world` is who tokens are for when it does not.
    pub(super) fn new(config: &config::Login, world: &str) -> Self {
        let audience = if config.audience.is_empty() {
            world
        } else {
            &config.audience
        };
        Self {
            audience: audience.to_owned(),
            issuer: config.issuer.clone(),
            leeway_seconds: config.leeway_seconds,
            max_bytes: config.max_token_bytes,
        }
    }

    /// Checks a token, and gives the account that it is for.
    ///
    /// # Errors
    /// Says the first thing that is wrong.
    pub(super) fn check(&self, token: &str, keys: &Keys) -> Result<String, Bad> {
        if token.len() > self.max_bytes {
            return Err(Denied::TooLong(self.max_bytes).into());
        }
        let header = decode_header(token).map_err(|_| Denied::Unreadable)?;
        // What must be understood (RFC 7515, 4.1.11) is not.
        if header.crit.is_some() || header.zip.is_some() || header.enc.is_some() {
            return Err(Denied::Unreadable.into());
        }
        // One answer for an unknown key, another algorithm and a wrong signature: which ids there
        // are is nobody's business.
        let key = keys.find(header.kid.as_deref()).ok_or(Denied::Signature)?;
        let mut validation = Validation::new(key.algorithm);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        validation.set_audience(&[&self.audience]);
        if !self.issuer.is_empty() {
            validation.required_spec_claims.insert("iss".to_owned());
            validation.set_issuer(&[&self.issuer]);
        }
        validation.validate_nbf = true;
        validation.leeway = self.leeway_seconds;
        let claims = decode::<Claims>(token, &key.key, &validation).map_err(|error| {
            let why = denied(&error);
            let account = why.is_of_ours().then(|| subject(token)).flatten();
            Bad { why, account }
        })?;
        let account = claims.claims.sub.ok_or(Denied::Claim("sub"))?;
        // As with a guest's name, blanks around it do not count; but two subjects of an issuer
        // must not be one account of ours.
        if account.trim() != account {
            return Err(Denied::Claim("sub").into());
        }
        Ok(account)
    }
}

/// Whose a token is. Only for one whose signature was found good.
fn subject(token: &str) -> Option<String> {
    insecure_decode_claims::<Claims>(token).ok()?.sub
}

fn denied(error: &Error) -> Denied {
    match error.kind() {
        ErrorKind::InvalidSignature
        | ErrorKind::InvalidAlgorithm
        | ErrorKind::UnsupportedAlgorithm => Denied::Signature,
        ErrorKind::MissingRequiredClaim(name) | ErrorKind::InvalidClaimFormat(name) => {
            Denied::Claim(known(name))
        }
        ErrorKind::ExpiredSignature => Denied::Expired,
        ErrorKind::ImmatureSignature => Denied::Early,
        ErrorKind::InvalidAudience => Denied::Audience,
        ErrorKind::InvalidIssuer => Denied::Issuer,
        _ => Denied::Unreadable,
    }
}

/// The names of claims that the crate checks for us.
fn known(name: &str) -> &'static str {
    ["exp", "nbf", "aud", "iss", "sub"]
        .into_iter()
        .find(|known| *known == name)
        .unwrap_or("claim")
}
