//! The names in a certificate. rustls tells them only of a certificate that it accepts, and webpki not the common
//! names; whole parsers of X.509 are a hundred kilobytes for two texts.

use std::fmt;

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The object identifier 2.5.4.3, common name, in DER.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// Whose certificate it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// The common name of its subject.
    pub(super) subject: Option<String>,
    /// Its alternative names.
    pub(super) alternative: Vec<String>,
    /// The common name of its issuer.
    pub(super) issuer: Option<String>,
}

impl Names {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = EndEntityCert::try_from(certificate).ok()?;
        Some(Self {
            subject: common_name(certificate.subject()),
            alternative: certificate.valid_dns_names().map(str::to_owned).collect(),
            issuer: common_name(certificate.issuer()),
        })
    }

    /// Every name that it is for, once.
    pub(super) fn all(&self) -> Vec<String> {
        let mut all = self.alternative.clone();
        all.extend(self.subject.clone().filter(|subject| !self.alternative.contains(subject)));
        all
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject.as_deref().unwrap_or("none");
        write!(f, "CN {subject}, names {}", self.alternative.join(", "))
    }
}

/// The common name in a `Name`, whose own tag webpki has taken off: sets of sequences of an identifier and a text.
fn common_name(mut name: &[u8]) -> Option<String> {
    while let Some((SET, mut set, rest)) = element(name) {
        name = rest;
        while let Some((SEQUENCE, pair, rest)) = element(set) {
            set = rest;
            let (OBJECT_IDENTIFIER, identifier, text) = element(pair)? else { return None };
            if identifier == COMMON_NAME {
                let (_, text, _) = element(text)?;
                return Some(String::from_utf8_lossy(text).into_owned());
            }
        }
    }
    None
}

/// The first element of `der`: tag, content, and what follows.
pub(super) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = der.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (&length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(length)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    #[test]
    fn names_of_a_certificate() {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(vec!["db.example".to_owned(), "*.db.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "Amazon Web Services, Inc.");
        params.distinguished_name.push(DnType::CommonName, "db.example");
        let certificate = params.self_signed(&key).unwrap();
        let names = Names::of(certificate.der()).unwrap();
        assert_eq!(names.subject.as_deref(), Some("db.example"));
        assert_eq!(names.issuer.as_deref(), Some("db.example"));
        assert_eq!(names.all(), ["db.example", "*.db.example"]);
        assert_eq!(names.to_string(), "CN db.example, names db.example, *.db.example");
    }

    #[test]
    fn what_is_no_name_has_none() {
        for der in [&[][..], &[0x31], &[0x31, 0x82], &[0x31, 0x05, 0x30], &[0x31, 0x84, 0, 0, 0, 1, 0]] {
            assert_eq!(common_name(der), None);
        }
    }
}
