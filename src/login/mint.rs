//! Lives here: `meadow token`: signs a token, for trying the server out and for scripts.
//! Not here: checking one (`claims`). A game's own login service signs its players' tokens.
//!
//! Invariant: only the token is written to standard output, and no error shows any of the key.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use jsonwebtoken::{Header, encode};
use serde::Serialize;

use super::crypto;
use super::form::Form;

/// The flags of `token`.
#[derive(Debug, Args)]
pub(crate) struct Mint {
    /// File with the key: `ID.pem`, an Ed25519 private key, or `ID.hs256`, a secret in base64
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Account that the token is for
    #[arg(long)]
    name: String,
    /// How long it is good: a number and s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = span)]
    ttl: Duration,
    /// Whom it is for [default: the name of the world]
    #[arg(long)]
    audience: Option<String>,
    /// Who gives it out
    #[arg(long)]
    issuer: Option<String>,
    /// The key's id, where it is not the file's name
    #[arg(long)]
    kid: Option<String>,
}

/// What the token claims (RFC 7519, 4.1).
#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    iat: u64,
    exp: u64,
}

impl Mint {
    /// Signs the token. `world` is whom it is for when the flags do not say.
    ///
    /// # Errors
    /// When the key can't be read, or others may read it.
    pub(crate) fn token(&self, world: &str) -> Result<String, String> {
        crypto::install();
        let file = self.key.display();
        let wrong = |why: String| format!("--key {file}: {why}");
        let name = self.key.file_name().unwrap_or_default().to_string_lossy();
        let (form, id) = Form::of(&name).map_err(wrong)?;
        let key = form.signing(&self.key).map_err(wrong)?;
        let mut header = Header::new(form.algorithm());
        header.kid = Some(self.kid.as_deref().unwrap_or(id).to_owned());
        let iat = now();
        let claims = Claims {
            sub: &self.name,
            aud: self.audience.as_deref().unwrap_or(world),
            iss: self.issuer.as_deref(),
            iat,
            exp: iat.saturating_add(self.ttl.as_secs()),
        };
        encode(&header, &claims, &key).map_err(|error| wrong(error.to_string()))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a token says of time is for other machines"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// Reads a span of time: `90s`, `15m`, `1h`, `7d`.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || "allowed are a number and s, m, h or d, as 90s or 1h".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(count) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_unit() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "1", "1w", "-1h", "1.5h", "1é", "99999999999s"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
