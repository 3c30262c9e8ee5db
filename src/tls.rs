//! Lives here: TLS: the server's certificate and key, read from files, also while it runs.
//! Not here: the sockets (`server`, `tcp`); what is spoken over them (`gateway`, `http`).
//!
//! Invariant: a certificate and a key that do not fit each other are never served; a connection
//! keeps what it was opened with.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::{self, ConfigError};
use crate::guarded;

/// Bytes of a file with a certificate and those above it, or with a key.
const FILE_LIMIT: usize = 262_144;

/// The server's certificate and key. Shared by all socket threads; asked at each handshake.
#[derive(Debug)]
pub(crate) struct Tls {
    config: config::Tls,
    current: ArcSwap<CertifiedKey>,
}

impl Tls {
    /// Reads certificate and key; none when the configuration names none.
    ///
    /// # Errors
    /// When a file can't be read, others may read the key, or the two do not fit: says which.
    pub(crate) fn new(config: &config::Tls) -> Result<Option<Arc<Self>>, ConfigError> {
        if config.certificate.is_empty() {
            return Ok(None);
        }
        let tls = Self {
            config: config.clone(),
            current: ArcSwap::from_pointee(read(config)?),
        };
        Ok(Some(Arc::new(tls)))
    }

    /// Reads certificate and key again: connections from now on get the new ones.
    ///
    /// # Errors
    /// As at the start; what is served stays as it was.
    pub(crate) fn reload(&self) -> Result<(), ConfigError> {
        self.current.store(Arc::new(read(&self.config)?));
        tracing::info!(file = self.config.certificate, "the certificate is read");
        Ok(())
    }

    /// What the HTTP server needs to serve it.
    ///
    /// # Errors
    /// When ring and rustls do not go together: a fault of the build.
    pub(crate) fn server_config(self: Arc<Self>) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions()?;
        Ok(builder.with_no_client_auth().with_cert_resolver(self))
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn read(config: &config::Tls) -> Result<CertifiedKey, ConfigError> {
    let config::Tls { certificate, key } = config;
    let wrong =
        |name: &str, file: &str, why: &str| ConfigError(format!("tls.{name} = \"{file}\": {why}"));
    let chain = guarded::public(Path::new(certificate), FILE_LIMIT)
        .and_then(|text| chain(&text))
        .map_err(|why| wrong("certificate", certificate, &why))?;
    let private = guarded::secret(Path::new(key), FILE_LIMIT)
        .and_then(|text| {
            PrivateKeyDer::from_pem_slice(&text)
                .map_err(|_| "it has no `PRIVATE KEY` in PEM".to_owned())
        })
        .map_err(|why| wrong("key", key, &why))?;
    CertifiedKey::from_der(chain, private, &provider())
        .map_err(|error| wrong("key", key, &error.to_string()))
}

fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match read {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err("it has no `CERTIFICATE` in PEM".to_owned()),
    }
}
