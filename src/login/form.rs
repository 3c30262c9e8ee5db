//! Lives here: the forms a key may have in its file: PEM, JWK, base64, plain bytes.
//! Not here: which files there are (`keys`), what a key is used for (`claims`, `mint`).
//!
//! Invariant: the name's end says the form, and the form the algorithm; a file is never tried as
//! something else. No error shows any of a key.

use std::path::Path;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use ring::signature::Ed25519KeyPair;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use serde::Deserialize;

use crate::guarded;

/// Bytes of a key's file, at most.
const FILE_LIMIT: usize = 8_192;
/// Bytes of a secret, at least: as many as HMAC-SHA256 gives (RFC 7518, 3.2).
const SHORTEST_SECRET: usize = 32;
/// Bytes of an Ed25519 key.
const ED25519_BYTES: usize = 32;
/// What stands before the 32 bytes of an Ed25519 public key in DER (RFC 8410).
const ED25519_HEAD: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// What a file with a key is, by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An Ed25519 key as PEM.
    Pem,
    /// An Ed25519 public key as a JSON Web Key.
    Jwk,
    /// A secret for HMAC-SHA256, in base64.
    Base64,
    /// A secret for HMAC-SHA256, its very bytes.
    Bytes,
}

/// A key that tokens are checked with, and the one algorithm it is for.
#[derive(Debug, Clone)]
pub(super) struct Checking {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl Form {
    /// The form and the key's id that a file's name says.
    ///
    /// # Errors
    /// When its end is none of ours.
    pub(super) fn of(name: &str) -> Result<(Self, &str), String> {
        let (id, end) = name.rsplit_once('.').unwrap_or((name, ""));
        let form = match end {
            "pem" => Self::Pem,
            "jwk" => Self::Jwk,
            "hs256" => Self::Base64,
            "hs256raw" => Self::Bytes,
            _ => {
                return Err(
                    "its name must end in .pem, .jwk, .hs256 or .hs256raw, and before that \
                     stands the key's id (kid)"
                        .to_owned(),
                );
            }
        };
        Ok((form, id))
    }

    /// Reads a key to check tokens with. `id` is its name.
    ///
    /// # Errors
    /// When the file can't be read, others may read a secret, or what it holds is no such key.
    pub(super) fn checking(self, path: &Path, id: &str) -> Result<Checking, String> {
        let key = match self {
            Self::Pem => ed25519(public_of_pem(&guarded::public(path, FILE_LIMIT)?)?),
            Self::Jwk => ed25519(public_of_jwk(&guarded::public(path, FILE_LIMIT)?, id)?),
            Self::Base64 | Self::Bytes => DecodingKey::from_secret(&self.secret(path)?),
        };
        let algorithm = self.algorithm();
        Ok(Checking { algorithm, key })
    }

    /// Reads a key to sign tokens with.
    ///
    /// # Errors
    /// When the file can't be read, others may read it, or what it holds is no such key.
    pub(super) fn signing(self, path: &Path) -> Result<EncodingKey, String> {
        match self {
            Self::Pem => private_of_pem(&guarded::secret(path, FILE_LIMIT)?),
            Self::Jwk => Err("tokens are signed with a .pem, .hs256 or .hs256raw".to_owned()),
            Self::Base64 | Self::Bytes => Ok(EncodingKey::from_secret(&self.secret(path)?)),
        }
    }

    /// The algorithm of a token that this key has signed.
    pub(super) fn algorithm(self) -> Algorithm {
        match self {
            Self::Pem | Self::Jwk => Algorithm::EdDSA,
            Self::Base64 | Self::Bytes => Algorithm::HS256,
        }
    }

    fn secret(self, path: &Path) -> Result<Vec<u8>, String> {
        let bytes = guarded::secret(path, FILE_LIMIT)?;
        let secret = match self {
            Self::Base64 => base64(bytes.trim_ascii()).ok_or("it is not base64")?,
            _ => bytes,
        };
        if secret.len() < SHORTEST_SECRET {
            return Err(format!(
                "its secret has {} bytes; allowed are {SHORTEST_SECRET} or more",
                secret.len()
            ));
        }
        Ok(secret)
    }
}

fn ed25519(key: [u8; ED25519_BYTES]) -> DecodingKey {
    DecodingKey::from_ed_der(&key)
}

fn public_of_pem(text: &[u8]) -> Result<[u8; ED25519_BYTES], String> {
    // The most likely mistake, and one to be told of: the server needs no private key.
    if PrivatePkcs8KeyDer::from_pem_slice(text).is_ok() {
        return Err("it is a private key; give the server the public one".to_owned());
    }
    let der = SubjectPublicKeyInfoDer::from_pem_slice(text)
        .map_err(|_| "it has no `PUBLIC KEY` in PEM".to_owned())?;
    der.strip_prefix(&ED25519_HEAD)
        .and_then(|key| key.try_into().ok())
        .ok_or_else(|| "it is no Ed25519 key".to_owned())
}

fn private_of_pem(text: &[u8]) -> Result<EncodingKey, String> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(text)
        .map_err(|_| "it has no `PRIVATE KEY` in PEM".to_owned())?;
    let der = der.secret_pkcs8_der();
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
        .map_err(|_| "it is no Ed25519 key".to_owned())?;
    Ok(EncodingKey::from_ed_der(der))
}

/// What is read of a JSON Web Key (RFC 8037).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    /// The private part.
    d: Option<serde::de::IgnoredAny>,
    kid: Option<String>,
    alg: Option<String>,
}

fn public_of_jwk(text: &[u8], id: &str) -> Result<[u8; ED25519_BYTES], String> {
    // Serde's own words could show a piece of the file.
    let jwk: Jwk = serde_json::from_slice(text).map_err(|error| {
        format!(
            "it is no JSON Web Key (line {}, column {})",
            error.line(),
            error.column()
        )
    })?;
    if jwk.d.is_some() {
        return Err("it is a private key; give the server the public one".to_owned());
    }
    let alg = jwk.alg.as_deref().unwrap_or("EdDSA");
    if (jwk.kty.as_str(), jwk.crv.as_str()) != ("OKP", "Ed25519") || alg != "EdDSA" {
        return Err("it is no Ed25519 key".to_owned());
    }
    if jwk.kid.as_deref().is_some_and(|kid| kid != id) {
        return Err("its `kid` is not the file's name".to_owned());
    }
    base64(jwk.x.as_bytes())
        .and_then(|key| key.try_into().ok())
        .ok_or_else(|| format!("its `x` is not {ED25519_BYTES} bytes in base64"))
}

/// Reads base64 as it comes: either alphabet, with padding or without.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [STANDARD, URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
}
