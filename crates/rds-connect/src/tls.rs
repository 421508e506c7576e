//! TLS with the server: whom to trust, and what there is to say about a certificate.

mod channel_binding;
mod names;
mod verifier;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_smithy_types::DateTime;
use job_runtime::rfc3339;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use self::names::Names;
use self::verifier::Verifier;
use crate::connection::{Host, SslMode, TlsChoice, region_of};

/// The roots of RDS, each under a comment with its name.
const RDS_BUNDLE: &str = include_str!("../data/rds-ca-bundle.pem");

/// The built-in roots of RDS, for programs that want a file.
pub(crate) fn bundle_pem() -> &'static str {
    RDS_BUNDLE
}

/// How to speak TLS with the servers of one connection.
pub(crate) struct Tls {
    mode: SslMode,
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    /// The file that the roots are from; else they are those built in.
    file: Option<PathBuf>,
    /// The region of the hosts, where the bundle holds no roots of it.
    uncovered: Option<String>,
}

/// What is known of a connection's TLS.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsFacts {
    /// Such as `TLSv1.3`.
    pub(crate) version: String,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub(crate) cipher: String,
    /// Names in the server's certificate.
    pub(crate) names: Vec<String>,
    /// Who has signed it.
    pub(crate) issuer: Option<String>,
    /// What a SCRAM proof is bound to; none where no hash is defined for the certificate.
    pub(crate) server_end_point: Option<Vec<u8>>,
}

/// Why there is no TLS.
#[derive(Debug)]
pub(crate) struct TlsTrouble {
    /// What happened, as a fragment.
    pub(crate) what: String,
    /// What to look at.
    pub(crate) advice: Vec<String>,
    /// Whether it may be another time.
    pub(crate) passing: bool,
}

impl Tls {
    /// Reads the roots for these hosts. `None` for plain text.
    ///
    /// # Errors
    /// The file of roots cannot be read, or holds no certificate.
    pub(crate) fn new(choice: &TlsChoice, hosts: &[Host]) -> Result<Option<Self>, String> {
        let (mut roots, mut uncovered) = (RootCertStore::empty(), None);
        match (&choice.root_cert, choice.mode) {
            (_, SslMode::Disable) => return Ok(None),
            (Some(path), _) => add_file(&mut roots, path)?,
            // Nobody is asked.
            (None, SslMode::Require) => {}
            (None, SslMode::VerifyCa | SslMode::VerifyFull) => {
                let region = common_region(hosts);
                let found = add_bundle(&mut roots, region);
                uncovered = region.filter(|_| !found).map(str::to_owned);
                // RDS Proxy has certificates of Amazon's public authority.
                roots.roots.extend_from_slice(webpki_roots::TLS_SERVER_ROOTS);
            }
        }
        Ok(Some(Self {
            mode: choice.mode,
            provider: Arc::new(ring::default_provider()),
            roots: Arc::new(roots),
            file: choice.root_cert.clone(),
            uncovered,
        }))
    }

    /// Shakes hands with the server `host`.
    ///
    /// # Errors
    /// No TLS, or a server that is not to be trusted.
    pub(crate) async fn handshake(
        &self,
        tcp: TcpStream,
        host: &str,
    ) -> Result<(TlsStream<TcpStream>, TlsFacts), TlsTrouble> {
        let odd = |what: String| TlsTrouble { what, advice: Vec::new(), passing: false };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| odd(format!("`{host}` is no name that a certificate could have")))?;
        let verifier = Verifier::new(self.mode, Arc::clone(&self.roots), &self.provider)
            .map_err(|error| odd(error.to_string()))?;
        let verifier = Arc::new(verifier);
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| odd(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as _)
            .with_no_client_auth();
        // PostgreSQL gives no tickets.
        config.resumption = rustls::client::Resumption::disabled();
        match TlsConnector::from(Arc::new(config)).connect(name, tcp).await {
            Ok(stream) => {
                let connection = stream.get_ref().1;
                let text = |debug: Option<String>| debug.unwrap_or_default();
                let seen = verifier.seen().unwrap_or_default();
                let facts = TlsFacts {
                    version: text(connection.protocol_version().map(|version| format!("{version:?}")))
                        .replace("v1_", "v1."),
                    cipher: text(
                        connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())),
                    ),
                    names: seen.all(),
                    issuer: seen.issuer,
                    server_end_point: connection
                        .peer_certificates()
                        .and_then(|chain| channel_binding::server_end_point(chain.first()?)),
                };
                Ok((stream, facts))
            }
            Err(error) => Err(self.trouble(&error, verifier.seen().as_ref(), host)),
        }
    }

    /// What a failed handshake means.
    fn trouble(&self, error: &std::io::Error, seen: Option<&Names>, host: &str) -> TlsTrouble {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let seen = seen.cloned().unwrap_or_default();
        let shown = seen.to_string();
        let (what, advice) = match inner {
            Some(rustls::Error::InvalidCertificate(problem)) => match problem {
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                    format!("the server's certificate is not for {host}, but for {}", seen.all().join(", ")),
                    vec![
                        "--host must be the endpoint's own name; where another name or address leads to it, give the \
                         endpoint with --host and the address with --hostaddr"
                            .to_owned(),
                        "for an IAM token by way of a CNAME, --sign-host; --sslmode verify-ca leaves the name out"
                            .to_owned(),
                    ],
                ),
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
                    format!("the server's certificate ({shown}) has expired{}", since(problem)),
                    vec![
                        "rotate the instance's certificate (`aws rds modify-db-instance --ca-certificate-identifier \
                         rds-ca-rsa2048-g1`)"
                            .to_owned(),
                        "the clock of this machine".to_owned(),
                    ],
                ),
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
                    format!("the server's certificate ({shown}) is not valid yet"),
                    vec!["the clock of this machine".to_owned()],
                ),
                CertificateError::UnknownIssuer => (self.unknown_issuer(&seen), self.other_roots()),
                other => (format!("the server's certificate ({shown}) is refused: {other:?}"), self.other_roots()),
            },
            Some(other) => (
                format!("the server does not speak TLS as it should: {other}"),
                vec!["whether host and port are those of the database".to_owned()],
            ),
            None => {
                let what = match error.kind() {
                    std::io::ErrorKind::UnexpectedEof => {
                        "the server closed the connection during the TLS handshake".to_owned()
                    }
                    _ => format!("the connection broke during the TLS handshake: {error}"),
                };
                return TlsTrouble { what, advice: Vec::new(), passing: true };
            }
        };
        TlsTrouble { what, advice, passing: false }
    }

    fn unknown_issuer(&self, seen: &Names) -> String {
        let issuer = seen.issuer.as_deref().unwrap_or("an unnamed authority");
        let roots = match &self.file {
            Some(file) => format!("not in {}", file.display()),
            None => "not among the built-in roots (RDS's, see --version, and Mozilla's)".to_owned(),
        };
        format!("the server's certificate ({seen}) is signed by {issuer}, which is {roots}")
    }

    fn other_roots(&self) -> Vec<String> {
        let bundle = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem";
        let mut advice = match &self.file {
            Some(_) => vec![format!("put the authority into that file; RDS's are in {bundle}")],
            None => vec![format!(
                "give the authority's certificate with --ssl-root-cert; RDS's newest are in {bundle}"
            )],
        };
        if let Some(region) = &self.uncovered {
            advice.insert(
                0,
                format!("the built-in bundle holds no root of {region}: it is older than the region"),
            );
        }
        advice.push("whether something between here and the database speaks TLS in its place".to_owned());
        advice
    }
}

/// When a certificate has expired.
fn since(problem: &CertificateError) -> String {
    let CertificateError::ExpiredContext { not_after, .. } = problem else { return String::new() };
    on(*not_after).map(|date| format!(" on {date}")).unwrap_or_default()
}

fn on(time: UnixTime) -> Option<String> {
    rfc3339(DateTime::from_secs(i64::try_from(time.as_secs()).ok()?))
}

/// Adds the roots of a PEM file; at least one.
fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    // Read on the thread of the runtime, which must not wait for the writer of a pipe.
    let readable = job_runtime::file::check_regular(path).map_err(|error| error.to_string());
    readable
        .and_then(|()| job_runtime::add_bundle(roots, path))
        .map_err(|problem| format!("could not read the roots in {}: {problem}", path.display()))
}

/// The region that all hosts are in; a global database has hosts in several.
fn common_region(hosts: &[Host]) -> Option<&str> {
    let first = region_of(&hosts.first()?.name)?;
    hosts.iter().all(|host| region_of(&host.name) == Some(first)).then_some(first)
}

/// Adds the roots of `region` from the built-in bundle and tells whether there are any. Where the region is not known,
/// or has none there, all are added: a certificate costs some microseconds to read, and there are three of a region.
fn add_bundle(roots: &mut RootCertStore, region: Option<&str>) -> bool {
    let of_region =
        |comment: &str| region.is_some_and(|region| comment.starts_with(&format!("# Amazon RDS {region} ")));
    let of_others = |_: &str| true;
    if add_sections(roots, of_region) > 0 {
        return true;
    }
    add_sections(roots, of_others);
    region.is_none()
}

/// Adds the certificates under the comments that are `wanted`; a comment begins with `#`.
fn add_sections(roots: &mut RootCertStore, wanted: impl Fn(&str) -> bool) -> usize {
    let mut added = 0;
    let mut comment = "";
    for (at, _) in RDS_BUNDLE.match_indices("-----BEGIN CERTIFICATE-----") {
        let before = &RDS_BUNDLE[..at];
        comment =
            before.trim_end().lines().next_back().filter(|line| line.starts_with('#')).unwrap_or(comment);
        if !wanted(comment) {
            continue;
        }
        if let Ok(certificate) = CertificateDer::from_pem_slice(&RDS_BUNDLE.as_bytes()[at..])
            && roots.add(certificate).is_ok()
        {
            added += 1;
        }
    }
    added
}

#[cfg(test)]
mod tests {
    use sha2::Digest as _;

    use super::*;

    /// The value of a line `# NAME: VALUE` at the top of the bundle, up to the first blank.
    fn header(name: &str) -> &'static str {
        let line = RDS_BUNDLE.lines().find_map(|line| line.strip_prefix(&format!("# {name}: ")));
        line.expect("the bundle says it")
    }

    #[test]
    fn the_version_tells_source_and_date_of_the_bundle() {
        let source = header("source").split(" (").next().unwrap();
        let date = header("made").split(' ').next().unwrap();
        assert!(
            crate::BINARY.version.contains(source) && crate::BINARY.version.contains(date),
            "{} {date}",
            crate::BINARY.version
        );
    }

    /// `make rds-bundle` writes the fingerprints from other sources than those of the certificates.
    #[test]
    fn every_root_of_the_bundle_is_in_a_second_source() {
        let listed = include_str!("../data/rds-ca-fingerprints.txt");
        let mut count = 0;
        for (at, _) in RDS_BUNDLE.match_indices("-----BEGIN CERTIFICATE-----") {
            let certificate = CertificateDer::from_pem_slice(&RDS_BUNDLE.as_bytes()[at..]).unwrap();
            let comment = RDS_BUNDLE[..at].trim_end().lines().next_back().unwrap();
            let name = comment.trim_start_matches("# ").split(", until ").next().unwrap();
            let digest = sha2::Sha256::digest(&certificate);
            let fingerprint: String =
                digest.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
            let line = format!("{fingerprint} {name}");
            assert!(listed.lines().any(|other| other == line), "in no second source: {line}");
            count += 1;
        }
        assert_eq!(count, 92);
    }

    #[test]
    #[allow(clippy::disallowed_methods)] // the one test that is to fail when its time has come
    fn no_root_of_the_bundle_is_about_to_expire() {
        let soon = std::time::SystemTime::now() + std::time::Duration::from_hours(24 * 400);
        let soon = rfc3339(DateTime::from(soon)).unwrap();
        let ends: Vec<&str> = RDS_BUNDLE
            .lines()
            .filter(|line| line.starts_with('#'))
            .filter_map(|line| Some(line.split_once(", until ")?.1))
            .collect();
        assert_eq!(ends.len(), RDS_BUNDLE.matches("BEGIN CERTIFICATE").count());
        for end in ends {
            assert!(*end > *soon, "a certificate ends on {end}: `make rds-bundle`");
        }
    }

    #[test]
    fn roots_of_the_region_or_all_of_them() {
        let added = |region| {
            let mut roots = RootCertStore::empty();
            let found = add_bundle(&mut roots, region);
            (roots.len(), found)
        };
        let all = RDS_BUNDLE.matches("BEGIN CERTIFICATE").count();
        assert_eq!(added(Some("us-east-2")), (3, true));
        assert_eq!(added(Some("xx-nowhere-9")), (all, false));
        assert_eq!(added(None), (all, true));
    }

    #[test]
    fn hosts_of_several_regions_need_the_roots_of_all() {
        let rds = |region: &str| format!("db.cluster-abc.{region}.rds.amazonaws.com");
        let (one, other) = (rds("us-east-2"), rds("eu-west-1"));
        for (names, region) in [
            (vec![one.as_str()], Some("us-east-2")),
            (vec![&one, &one], Some("us-east-2")),
            (vec![&one, &other], None),
            (vec![&one, "db.example.com"], None),
            (vec![], None),
        ] {
            let hosts: Vec<Host> = names
                .iter()
                .map(|name| Host { name: (*name).to_owned(), address: None, port: None })
                .collect();
            assert_eq!(common_region(&hosts), region, "{names:?}");
        }
    }

    #[test]
    fn programs_get_the_roots_of_rds_proxy_too() {
        for name in
            ["# Amazon Root CA 1, until ", "# Starfield Services Root Certificate Authority - G2, until "]
        {
            assert!(bundle_pem().contains(name), "{name}");
        }
    }

    #[test]
    fn a_file_of_roots_holds_some() {
        let folder = tempfile::tempdir().unwrap();
        let file = |text: &str| {
            let path = folder.path().join("roots.pem");
            std::fs::write(&path, text).unwrap();
            add_file(&mut RootCertStore::empty(), &path)
        };
        assert_eq!(file(RDS_BUNDLE), Ok(()));
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(file(odd).unwrap_err().contains("can be understood"));
        assert!(file("").unwrap_err().contains("no certificate"));
        let told = add_file(&mut RootCertStore::empty(), Path::new("/nowhere/roots.pem")).unwrap_err();
        assert!(told.contains("/nowhere/roots.pem"), "{told}");
    }
}
