//! Certificates that are made when they are needed.

use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, version};

use crate::Outcome;

/// A server's name, with the certificate for it that it has signed itself.
pub struct Identity(CertifiedKey<KeyPair>);

impl Identity {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// If the name is none.
    pub fn new(name: &str) -> Outcome<Self> {
        Ok(Self(generate_simple_self_signed([name.to_owned()])?))
    }

    /// The certificate, to be trusted by clients.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.0.cert.der().clone()
    }

    /// The certificate and the key, as PEM.
    pub fn pem(&self) -> (String, String) {
        (self.0.cert.pem(), self.0.signing_key.serialize_pem())
    }

    /// What a server with this name uses; `protocols` are those of ALPN, the best first.
    ///
    /// # Errors
    ///
    /// If rustls rejects the key.
    pub fn server_config(&self, protocols: &[&str]) -> Outcome<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.0.signing_key.serialize_der())?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate()], key)?;
        config.alpn_protocols = alpn(protocols);
        Ok(config)
    }

    /// What a client uses that trusts this server and no other.
    ///
    /// # Errors
    ///
    /// If rustls rejects the certificate.
    pub fn client_config(&self, protocols: &[&str]) -> Outcome<ClientConfig> {
        let mut config = trusting(&[self])?;
        config.alpn_protocols = alpn(protocols);
        Ok(config)
    }
}

/// What a client uses that trusts these servers and no other.
///
/// # Errors
///
/// If rustls rejects a certificate.
pub fn trusting(servers: &[&Identity]) -> Outcome<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for server in servers {
        roots.add(server.certificate())?;
    }
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn alpn(protocols: &[&str]) -> Vec<Vec<u8>> {
    protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect()
}
