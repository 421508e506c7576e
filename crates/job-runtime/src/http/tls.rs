//! Whom to trust.

use super::HttpConfigError;
use super::pem::Certificates;
use crate::env;
use chained_credentials::Env;
use chained_credentials::file::check_regular;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::task::spawn_blocking;

/// Where distributions keep the roots of the system in one file: Debian and Alpine, Red Hat and Amazon
/// Linux, others.
const SYSTEM_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Which root certificates a user wants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roots {
    /// A PEM file.
    pub(crate) bundle: Option<PathBuf>,
    /// Whether it is all that is trusted.
    pub(crate) bundle_only: bool,
}

/// The TLS configuration of all connections, made when the first one needs it.
#[derive(Debug)]
pub(super) struct Tls {
    /// The roots built in, and those of the user's bundle.
    roots: Arc<RootCertStore>,
    /// Files that may hold the system's roots, in order.
    system: Vec<PathBuf>,
    /// The file that the user named for the system's roots.
    named: Option<PathBuf>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    /// Reads the user's bundle, so that a mistake there is found before any request. It may come from a pipe.
    ///
    /// # Errors
    /// The bundle cannot be read, or holds no certificate.
    pub(super) async fn new(wanted: &Roots, vars: &Env) -> Result<Self, HttpConfigError> {
        let mut roots = RootCertStore::empty();
        match &wanted.bundle {
            None if wanted.bundle_only => return Err(HttpConfigError::NoBundle),
            None => {}
            Some(path) => {
                let bundle = path.clone();
                let reading = spawn_blocking(move || {
                    let mut roots = RootCertStore::empty();
                    add_bundle(&mut roots, &bundle).map(|()| roots)
                });
                roots = reading
                    .await
                    .unwrap_or_else(|_| Err("the read was given up".to_owned()))
                    .map_err(|problem| HttpConfigError::Bundle { path: path.clone(), problem })?;
            }
        }
        let named = vars.get(env::SSL_CERT_FILE).filter(|_| !wanted.bundle_only).map(PathBuf::from);
        let system = match &named {
            _ if wanted.bundle_only => Vec::new(),
            Some(file) => vec![file.clone()],
            None => SYSTEM_BUNDLES.iter().map(PathBuf::from).collect(),
        };
        if !wanted.bundle_only {
            roots.roots.extend_from_slice(webpki_roots::TLS_SERVER_ROOTS);
        }
        Ok(Self { roots: Arc::new(roots), system, named, config: OnceLock::new() })
    }

    /// What is wrong with the file of `SSL_CERT_FILE`, for those whose server has an unknown issuer. For all others
    /// it does not matter, so that it is no mistake in the configuration.
    pub(super) fn trouble(&self) -> Option<String> {
        let file = self.named.as_deref()?;
        // This is read on the thread of the runtime, which must not wait.
        let readable = check_regular(file).map_err(|error| error.to_string());
        let problem = readable.and_then(|()| add_bundle(&mut RootCertStore::empty(), file)).err()?;
        Some(format!("{} names {}, which could not be used: {problem}", env::SSL_CERT_FILE, file.display()))
    }

    /// The configuration.
    ///
    /// # Errors
    /// rustls' defaults do not fit each other, which a test would have shown.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier {
            configured: verifier(Arc::clone(&self.roots), &provider)?,
            system: OnceLock::new(),
            files: self.system.clone(),
            provider: Arc::clone(&provider),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Arc::clone(self.config.get_or_init(|| Arc::new(config))))
    }
}

fn verifier(
    roots: Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
    WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .map_err(|err| rustls::Error::General(err.to_string()))
}

/// Adds the certificates of a PEM file to `roots`; those that cannot be understood are passed over.
///
/// # Errors
/// What is wrong with a file that holds none to add, without its name.
pub fn add_bundle(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let (mut held, mut usable) = (false, false);
    for certificate in Certificates::open(path).map_err(|err| err.to_string())? {
        held = true;
        // A company's bundle can hold an odd certificate among the good ones.
        usable |= roots.add(certificate.map_err(|err| err.to_string())?).is_ok();
    }
    match (held, usable) {
        (false, _) => Err("it holds no certificate".to_owned()),
        (true, false) => Err("it holds no certificate that can be understood".to_owned()),
        (true, true) => Ok(()),
    }
}

/// Asks the configured roots; where they do not know the issuer, the system's.
///
/// Everything else – names, dates, signatures – is webpki's own check in either case.
#[derive(Debug)]
struct Verifier {
    configured: Arc<WebPkiServerVerifier>,
    system: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    files: Vec<PathBuf>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// The system's roots, read once; `None` where the system has none.
    fn system(&self) -> Option<&WebPkiServerVerifier> {
        let read = || {
            // A pipe would wait for its writer.
            let mut files = self.files.iter().filter(|file| file.is_file());
            let pem = files.find_map(|file| Certificates::open(file).ok())?;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(pem.filter_map(Result::ok));
            // An empty store cannot be built into a verifier.
            verifier(Arc::new(roots), &self.provider).ok()
        };
        self.system.get_or_init(read).as_deref()
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
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict =
            self.configured.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let unknown =
            matches!(verdict, Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)));
        match if unknown { self.system() } else { None } {
            Some(system) => {
                system.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.configured.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.configured.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.configured.supported_verify_schemes()
    }
}
