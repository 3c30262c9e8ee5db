//! Lives here: resume tokens: a session's id and the number of the pass, signed, as text.
//! Not here: which pass of a session is good (`accounts`).
//!
//! Invariant: only who has the key can make a token, and nobody who reads the store or the log can
//! tell one: what is kept is the number, not the token.
//!
//! A token is `session, 16 bytes | pass, u64 | the first half of HMAC-SHA256`, in hexadecimal digits.

use std::fmt;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::Sha256;
use uuid::Uuid;
use world_data::SessionId;

/// The name under which the key is kept with the world.
pub(crate) const KEY_NAME: &str = "resume_key";
/// What is signed begins with this, so that nothing else signed with the key is a token.
const PURPOSE: &[u8] = b"brightstar resume 1";
/// Bytes of the session and the pass.
const WORDS: usize = 16 + 8;
/// Bytes of the signature that a token carries.
const SIGNATURE: usize = 16;
const BYTES: usize = WORDS + SIGNATURE;

/// Which pass of which session a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) session: SessionId,
    pub(crate) number: u64,
}

/// Makes tokens and knows its own again.
pub(crate) struct Signer(Hmac<Sha256>);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        // A key shorter than a block counts as one that goes on in zeros.
        Self(Hmac::new(&block.into()))
    }

    /// A fresh key, of the operating system's random numbers.
    ///
    /// # Errors
    /// When it has none.
    pub(crate) fn draw_key() -> Result<[u8; 32], rand::rand_core::OsError> {
        let mut key = [0; 32];
        OsRng.try_fill_bytes(&mut key)?;
        Ok(key)
    }

    /// The token, as the client is told it.
    pub(crate) fn sign(&self, pass: Pass) -> String {
        let words = words(pass);
        let signature = self.over(&words).finalize().into_bytes();
        let mut text = String::with_capacity(2 * BYTES);
        for byte in words.iter().chain(&signature[..SIGNATURE]) {
            // Writing to a string can't fail.
            write!(text, "{byte:02x}").unwrap_or_default();
        }
        text
    }

    /// Reads a token; `None` when it was not made here.
    pub(crate) fn read(&self, token: &str) -> Option<Pass> {
        if token.len() != 2 * BYTES || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; BYTES];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(token.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        let (words, signature) = bytes.split_first_chunk::<WORDS>()?;
        // In constant time: how much of a guess was right is not to be measured.
        self.over(words).verify_truncated_left(signature).ok()?;
        let (id, number) = words.split_first_chunk::<16>()?;
        Some(Pass {
            session: SessionId(Uuid::from_bytes(*id)),
            number: u64::from_be_bytes(number.try_into().ok()?),
        })
    }

    fn over(&self, words: &[u8; WORDS]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(PURPOSE);
        mac.update(words);
        mac
    }
}

fn words(pass: Pass) -> [u8; WORDS] {
    let mut words = [0; WORDS];
    words[..16].copy_from_slice(pass.session.0.as_bytes());
    words[16..].copy_from_slice(&pass.number.to_be_bytes());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_nothing_else_is() {
        let (mine, other) = (Signer::new(&[1; 32]), Signer::new(&[2; 32]));
        let pass = Pass {
            session: SessionId(Uuid::from_u128(7)),
            number: 3,
        };
        let token = mine.sign(pass);
        assert_eq!(mine.read(&token), Some(pass));
        assert_eq!(other.read(&token), None, "another host's key");
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(mine.read(&forged), None, "digit {at}");
        }
        for odd in [
            "",
            "00",
            &token[1..],
            &format!("{token}00"),
            &"é".repeat(40),
        ] {
            assert_eq!(mine.read(odd), None, "{odd:?}");
        }
        assert_eq!(format!("{mine:?}"), "Signer", "no key in a log");
    }

    #[test]
    fn the_signature_is_hmac_sha256() {
        // RFC 4231, test case 2, through the same construction: a key filled up with zeros.
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mut mac = Signer::new(&key).0;
        mac.update(b"what do ya want for nothing?");
        let right = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let told = mac.finalize().into_bytes();
        let right: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&right[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        assert_eq!(told[..], right);
    }
}
