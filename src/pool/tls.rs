//! TLS for PostgreSQL: rustls with the ring provider.

use super::address::{Authorities, Protection, is_local};
use super::error::PoolError;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How sockets are wrapped.
#[derive(Clone)]
pub enum Tls {
    /// Not at all.
    Plain,
    /// In TLS, where the server offers it or has to.
    Rustls(MakeRustlsConnect),
}

impl Tls {
    /// For this server.
    pub fn towards(&self, server: &Config) -> Self {
        if is_local(server) { Self::Plain } else { self.clone() }
    }

    /// The wrapping for the protection asked for.
    pub fn new(protection: Protection, authorities: &Authorities) -> Result<Self, PoolError> {
        if protection == Protection::Disable {
            Ok(Self::Plain)
        } else {
            connector(protection, authorities).map(Self::Rustls)
        }
    }
}

/// A connector for the protection asked for; reads certificates only when they are to be checked.
fn connector(protection: Protection, authorities: &Authorities) -> Result<MakeRustlsConnect, PoolError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| PoolError::Tls(error.to_string()))?;
    let config = match protection {
        Protection::VerifyFull => builder.with_root_certificates(roots(authorities)?).with_no_client_auth(),
        Protection::VerifyAuthority => {
            let verifier = WebPkiServerVerifier::builder_with_provider(roots(authorities)?.into(), provider).build();
            let verifier = AnyHost(verifier.map_err(|error| PoolError::Tls(error.to_string()))?);
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        }
        _ => {
            let unverified = Arc::new(Unverified(provider));
            builder.dangerous().with_custom_certificate_verifier(unverified).with_no_client_auth()
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

fn roots(authorities: &Authorities) -> Result<RootCertStore, PoolError> {
    let mut roots = RootCertStore::empty();
    let unread =
        |error: rustls::pki_types::pem::Error| PoolError::Tls(format!("the authorities' certificates: {error}"));
    let certificates: Vec<_> = match authorities {
        Authorities::System => rustls_native_certs::load_native_certs().certs,
        Authorities::File(path) => {
            CertificateDer::pem_file_iter(path).map_err(unread)?.collect::<Result<_, _>>().map_err(unread)?
        }
        Authorities::Pem(text) => {
            CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().map_err(unread)?
        }
    };
    let (added, _) = roots.add_parsable_certificates(certificates);
    match (added, authorities) {
        (0, Authorities::System) | (1.., _) => Ok(roots),
        _ => Err(PoolError::Tls("no certificate of an authority was found".into())),
    }
}

/// libpq's `verify-ca`: the chain is checked, the name is not.
#[derive(Debug)]
struct AnyHost(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        // The name is the last thing the verifier looks at.
        match self.0.verify_server_cert(certificate, between, name, ocsp, now) {
            Err(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// What libpq's `prefer` and `require` mean: encrypted, but to whoever answers.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
