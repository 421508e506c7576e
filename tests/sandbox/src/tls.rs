//! The sandbox's own certificate authority, and a server certificate for AWS's names and this machine's.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::Error;

/// Regions whose endpoints the certificate names, besides the world's own: a wildcard stands for one label only,
/// so the buckets of S3 and the runtime of `SageMaker` need names of their own.
const REGIONS: &[&str] = &[
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-central-1",
    "ap-southeast-2",
    "us-gov-west-1",
];

/// What the TLS listener needs, and what its clients need.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    /// The authority's certificate.
    pub(crate) ca_pem: String,
}

/// For all of AWS's services.
pub(crate) fn identity<'a>(regions: impl Iterator<Item = &'a str>) -> Result<Identity, Error> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1", "*.amazonaws.com", "*.s3.amazonaws.com"]
        .map(str::to_owned)
        .to_vec();
    for region in REGIONS.iter().copied().chain(regions) {
        let tail = if region.starts_with("cn-") { ".cn" } else { "" };
        let labels = ["", "s3.", "s3.dualstack.", "sagemaker."];
        let endpoints = labels.map(|label| format!("*.{label}{region}.amazonaws.com{tail}"));
        // The web servers of MWAA, and its endpoints with their prefixes.
        let airflow = [
            format!("*.airflow.{region}.amazonaws.com{tail}"),
            format!("*.c2.{region}.airflow.amazonaws.com{tail}"),
            format!("*.c2.airflow.{region}.on.aws"),
        ];
        for name in endpoints.into_iter().chain(airflow).chain([format!("*.{region}.api.aws")]) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    issue(names)
}

/// For the API server of a cluster, which has an authority of its own.
pub(crate) fn cluster() -> Result<Identity, Error> {
    issue(["localhost", "127.0.0.1"].map(str::to_owned).to_vec())
}

/// Makes an authority, and a certificate for `names` that lasts as long as the process.
fn issue(names: Vec<String>) -> Result<Identity, Error> {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.distinguished_name.push(DnType::CommonName, "sandbox test authority");
    let ca_key = KeyPair::generate()?;
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let mut leaf = CertificateParams::new(names)?;
    leaf.distinguished_name.push(DnType::CommonName, "sandbox");
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Identity { config: Arc::new(config), ca_pem })
}
