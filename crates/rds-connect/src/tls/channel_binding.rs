//! `tls-server-end-point` of RFC 5929: what a SCRAM proof is bound to.

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::names::{OBJECT_IDENTIFIER, SEQUENCE, element};

/// 1.2.840.113549.1.1, RSA of PKCS #1; the next number is the hash.
const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4, ECDSA; the next numbers are the hash.
const ECDSA: [u8; 6] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];

/// The hash of a certificate, with the hash function of its signature; SHA-256 in place of MD5 and SHA-1. As libpq 15, it
/// knows none for RSA-PSS and Ed25519.
pub(super) fn server_end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let der = certificate.as_ref();
    let algorithm = signature_algorithm(der)?;
    let sha256 = || Sha256::digest(der).to_vec();
    match (algorithm.strip_prefix(&RSA), algorithm.strip_prefix(&ECDSA)) {
        (Some([4 | 5 | 11]), _) | (_, Some([1] | [3, 2])) => Some(sha256()),
        (Some([12]), _) | (_, Some([3, 3])) => Some(Sha384::digest(der).to_vec()),
        (Some([13]), _) | (_, Some([3, 4])) => Some(Sha512::digest(der).to_vec()),
        _ => None,
    }
}

/// The identifier of the algorithm that a certificate is signed by: behind what is signed.
fn signature_algorithm(der: &[u8]) -> Option<&[u8]> {
    let (SEQUENCE, certificate, _) = element(der)? else { return None };
    let (SEQUENCE, _, rest) = element(certificate)? else { return None };
    let (SEQUENCE, algorithm, _) = element(rest)? else { return None };
    let (OBJECT_IDENTIFIER, identifier, _) = element(algorithm)? else { return None };
    Some(identifier)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn the_hash_is_that_of_the_signature() {
        for (algorithm, length) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Some(32)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Some(48)),
            (&rcgen::PKCS_ED25519, None),
        ] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let certificate =
                CertificateParams::new(vec!["db".to_owned()]).unwrap().self_signed(&key).unwrap();
            let hash = server_end_point(certificate.der());
            assert_eq!(hash.map(|hash| hash.len()), length);
        }
        assert_eq!(server_end_point(&CertificateDer::from(vec![0x30, 0x03, 0x30, 0x01, 0x00])), None);
    }
}
