//! Lives here: `Trust`: whose certificates a client takes for those of a server.
//! Not here: the connection (`connection`).

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::Connector;

use crate::error::ClientError;

/// Whose certificates are trusted on a `wss://` connection. Cheap to clone.
///
/// Without one, those that the operating system trusts are.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// Trusts servers whose certificate is one of these, or was signed with one of these: PEM text.
    ///
    /// # Errors
    /// When there is no certificate in it, or one that can't be read.
    pub fn roots(pem: &[u8]) -> Result<Self, ClientError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| ClientError::Trust(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| ClientError::Trust(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(ClientError::Trust("no `CERTIFICATE` in PEM".to_owned()));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ClientError::Trust(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn connector(&self) -> Connector {
        Connector::Rustls(Arc::clone(&self.0))
    }
}
