//! A check of certificates that does as `sslmode` says, and keeps what it saw.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::names::Names;
use crate::connection::SslMode;

/// Checks the certificate of one connection.
#[derive(Debug)]
pub(super) struct Verifier {
    mode: SslMode,
    /// webpki's own check; none where there are no roots to check against.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    /// Whose certificate it was: rustls keeps none that it refuses.
    seen: Mutex<Option<Names>>,
}

impl Verifier {
    /// # Errors
    /// The roots do not make a check, which a test would have shown.
    pub(super) fn new(
        mode: SslMode,
        roots: Arc<RootCertStore>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, rustls::client::VerifierBuilderError> {
        let webpki = match mode {
            SslMode::Disable | SslMode::Require if roots.is_empty() => None,
            // As libpq: where there are roots, `require` checks them.
            SslMode::Disable | SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                Some(WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider)).build()?)
            }
        };
        Ok(Self { mode, webpki, provider: Arc::clone(provider), seen: Mutex::default() })
    }

    /// Whose certificate it was.
    pub(super) fn seen(&self) -> Option<Names> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Names::of(end_entity);
        let Some(webpki) = &self.webpki else { return Ok(ServerCertVerified::assertion()) };
        let verdict = webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match (self.mode, verdict) {
            // webpki looks at the name last: everything else was as it should be.
            (
                SslMode::Disable | SslMode::Require | SslMode::VerifyCa,
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )),
            ) => Ok(ServerCertVerified::assertion()),
            (_, verdict) => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
