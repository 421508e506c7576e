//! Requests that are signed and not sent: their address is a token for somebody else.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;

/// A GET request whose presigned address is to be made: [`Chain::presign`](crate::Chain::presign).
#[derive(Clone, Copy, Debug)]
pub struct Presign<'a> {
    /// The service in the signature's scope, such as `rds-db`.
    pub service: &'a str,
    /// The region in the signature's scope.
    pub region: &'a str,
    /// The address, with its query; everything in it percent-encoded.
    pub url: &'a str,
    /// Further headers that are signed; whoever sends the request must send them.
    pub headers: &'a [(&'a str, &'a str)],
    /// How long the address is good for, from its signature on. It dies with the session as well.
    pub expires_in: Duration,
}

/// An address with its signature. Whoever has it acts as the one who signed it: it is a secret.
#[derive(Clone)]
pub struct Presigned {
    /// The address.
    pub url: String,
    /// When it was signed.
    pub signed_at: SystemTime,
    /// When the session ends that signed it, where it ends.
    pub session_expires: Option<SystemTime>,
}

impl std::fmt::Debug for Presigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presigned").field("session_expires", &self.session_expires).finish_non_exhaustive()
    }
}

impl Presign<'_> {
    /// The address with its signature, made with `credentials` at the time `now`; `None` where the address or a
    /// header is none.
    pub(crate) fn sign(&self, credentials: Credentials, now: SystemTime) -> Option<Presigned> {
        // The signer panics at an address that is not a whole one.
        let address: http::Uri = self.url.parse().ok()?;
        address.scheme().and(address.authority())?;
        let session_expires = credentials.expiry();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(self.expires_in);
        let identity = credentials.into();
        let builder = SigningParams::builder().identity(&identity).region(self.region).name(self.service);
        let params = builder.time(now).settings(settings).build().ok()?.into();
        let headers = self.headers.iter().copied();
        let signable = SignableRequest::new("GET", self.url, headers, SignableBody::Bytes(&[])).ok()?;
        let (instructions, _) = sign(signable, &params).ok()?.into_parts();
        let mut request = http::Request::get(self.url).body(()).ok()?;
        instructions.apply_to_request_http1x(&mut request);
        Some(Presigned { url: request.uri().to_string(), signed_at: now, session_expires })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What botocore 1.43.11 (`RequestSigner.generate_presigned_url`) makes of the same inputs at the same time; the
    /// order of the parameters is its own.
    #[test]
    fn signatures_are_those_of_botocore() {
        let keys = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let credentials =
            Credentials::new(keys.0, keys.1, Some("tok/en+with=odd".to_owned()), None, "a test's");
        // 2026-03-01T02:00:00Z
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(492_314);
        for (service, region, url, headers, seconds, signature) in [
            (
                "rds-db",
                "us-east-2",
                "https://db.example.us-east-2.rds.amazonaws.com:5432/?Action=connect&DBUser=user%2Bx%40corp",
                &[][..],
                900,
                "f3a77af0652f81551f4927b8877a4262d861c38bbc8eb8cd4e5d82b803177cab",
            ),
            (
                "sts",
                "eu-west-1",
                "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
                &[("x-k8s-aws-id", "prod")][..],
                60,
                "9188e2d89ba177dc3eac2e7f705314380bf27a907b839eff218b166137a97b49",
            ),
        ] {
            let expires_in = Duration::from_secs(seconds);
            let presign = Presign { service, region, url, headers, expires_in };
            let signed = presign.sign(credentials.clone(), now).unwrap();
            assert!(signed.url.starts_with(url), "{}", signed.url);
            assert!(signed.url.contains("&X-Amz-Security-Token=tok%2Fen%2Bwith%3Dodd"), "{}", signed.url);
            assert!(signed.url.contains(&format!("&X-Amz-Signature={signature}")), "{}", signed.url);
            assert!(!format!("{signed:?}").contains("Signature"));
        }
    }

    #[test]
    fn what_is_no_address_is_not_signed() {
        let credentials = Credentials::new("a", "b", None, None, "a test's");
        let presign = |url, headers| Presign {
            service: "s",
            region: "r",
            url,
            headers,
            expires_in: Duration::from_secs(1),
        };
        for presign in [presign("https://no host/", &[]), presign("https://h/", &[("x", "line\nend")])] {
            assert!(presign.sign(credentials.clone(), SystemTime::UNIX_EPOCH).is_none());
        }
    }

    /// Whatever somebody asks for: an address that goes on from the one that was given, or none.
    #[test]
    fn odd_inputs_are_signed_or_refused() {
        use proptest::prelude::*;
        let text = || prop_oneof!["[ -~]{0,20}", "\\PC{0,12}", "[a-z0-9.-]{1,20}"];
        let url = prop_oneof![
            (text(), text()).prop_map(|(host, query)| format!("https://{host}/?{query}")),
            text(),
            "https://[a-z]{1,8}(:[0-9]{1,6})?/\\?[A-Za-z]{1,6}=[A-Za-z0-9%]{0,12}",
        ];
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let signed = std::cell::Cell::new(0);
        let given = (text(), text(), url, text(), text(), any::<u32>());
        runner
            .run(&given, |(service, region, url, name, value, seconds)| {
                let credentials = Credentials::new("AKIDEXAMPLE", "hush", None, None, "test");
                let headers = [(name.as_str(), value.as_str())];
                let asked = Presign {
                    service: &service,
                    region: &region,
                    url: &url,
                    headers: if seconds % 2 == 0 { &headers } else { &[] },
                    expires_in: Duration::from_secs(seconds.into()),
                };
                if let Some(signed_url) = asked.sign(credentials, SystemTime::UNIX_EPOCH) {
                    signed.set(signed.get() + 1);
                    prop_assert!(signed_url.url.contains("X-Amz-Signature="), "{}", signed_url.url);
                    prop_assert!(!signed_url.url.contains("hush"));
                }
                Ok(())
            })
            .unwrap();
        assert!(signed.get() > 20, "{} were signed", signed.get());
    }
}
