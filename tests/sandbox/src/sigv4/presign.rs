//! Signatures in a query, made as a client makes them: for tokens that tests hand in themselves.

use http::{HeaderMap, HeaderValue};
use time::OffsetDateTime;

use super::{ALGORITHM, Claim, Signed, encode};
use crate::clock;
use crate::crypto::sha256_hex;

/// A GET of `/` that is to be signed in its query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presigned<'a> {
    /// With its port.
    pub(crate) host: &'a str,
    pub(crate) parameters: &'a [(&'a str, &'a str)],
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) access_key: &'a str,
    pub(crate) token: Option<&'a str>,
    pub(crate) seconds: i64,
}

impl Presigned<'_> {
    /// The whole query.
    pub(crate) fn sign(self, secret: &str, now: OffsetDateTime) -> String {
        let date = clock::amz(now);
        let mut claim = Claim {
            access_key: self.access_key.into(),
            region: self.region.into(),
            service: self.service.into(),
            token: self.token.map(str::to_owned),
            scope_date: date[..8].into(),
            date,
            signed_headers: vec!["host".into()],
            signature: String::new(),
            expires: Some(self.seconds),
        };
        let credential = format!("{}/{}", claim.access_key, claim.scope());
        let seconds = self.seconds.to_string();
        let signing = [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &claim.date),
            ("X-Amz-Expires", &seconds),
            ("X-Amz-SignedHeaders", "host"),
        ];
        let token = self.token.map(|token| ("X-Amz-Security-Token", token));
        let pairs = self.parameters.iter().copied().chain(signing).chain(token);
        let pairs = pairs.map(|(name, value)| format!("{name}={}", encode(value.as_bytes())));
        let query = pairs.collect::<Vec<_>>().join("&");

        let mut headers = HeaderMap::new();
        // A host that no header can carry is signed as none, and refused for it.
        headers.extend(HeaderValue::from_str(self.host).ok().map(|host| (http::header::HOST, host)));
        let request =
            Signed { method: "GET", path: "/", query: &query, headers: &headers, body: b"", secure: true };
        let canonical = claim.canonical_request(request, &sha256_hex(b""));
        claim.signature = claim.signature_of(&canonical, &claim.signing_key(secret));
        format!("{query}&X-Amz-Signature={}", claim.signature)
    }
}
