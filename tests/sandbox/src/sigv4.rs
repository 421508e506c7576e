//! Verification of AWS Signature Version 4, in the `Authorization` header or in the query.
//!
//! Written from the published algorithm; the unit tests hold signatures that botocore made.

mod presign;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use ring::hmac;
use time::{Duration, OffsetDateTime};

use crate::clock;
use crate::crypto::{hex, hmac_key, sha256_hex};

pub(crate) use presign::Presigned;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far the clocks may be apart; S3 is more patient.
const SKEW_MINUTES: i64 = 5;
const SKEW_MINUTES_S3: i64 = 15;
/// The name of the one service whose paths are signed as they are, and whose bodies need a header.
const S3: &str = "s3";
/// The name of the one service that has a life of its own for presigned requests, and that life.
const STS: &str = "sts";
const PRESIGNED_MINUTES_STS: i64 = 15;
/// How many signing keys are kept: far more than tests have callers at once.
const KEYS_KEPT: usize = 1024;
/// What a header says of a body that is not signed, or signed in parts that are none.
const UNSIGNED: [&str; 2] = ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"];
/// Longest life of a presigned request.
const LONGEST_PRESIGNED: i64 = 7 * 24 * 3600;

/// The parts of a request that a signature covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// As it stood in the request line.
    pub(crate) path: &'a str,
    /// As it stood in the request line, without `?`.
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// Over TLS: only then may a body go unsigned.
    pub(crate) secure: bool,
}

/// Why a request is not authentic.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Not signed at all.
    Absent,
    /// The signature lacks a part, or a part cannot be read.
    Incomplete(String),
    /// The signature is whole and wrong: AWS's text.
    Mismatch(String),
    /// It is for another region.
    Region { given: String, expected: String },
    /// It is too old, or of the future.
    Skewed(String),
    /// The body is not the one that its header tells of, or the header is not there.
    Body(String),
}

/// Signing keys derived so far, by access key, date, region and service: deriving one costs more than all the
/// rest of a signature.
#[derive(Debug, Default)]
pub(crate) struct SigningKeys(HashMap<String, hmac::Key>);

impl SigningKeys {
    /// The key for a claim. An access key has one secret for ever, so it stands for it.
    pub(crate) fn of(&mut self, claim: &Claim, secret: &str) -> hmac::Key {
        let name = format!("{}/{}", claim.access_key, claim.scope());
        if let Some(key) = self.0.get(&name) {
            return key.clone();
        }
        if self.0.len() >= KEYS_KEPT {
            self.0.clear();
        }
        self.0.entry(name).or_insert(claim.signing_key(secret)).clone()
    }
}

/// What a request says about its own signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) access_key: String,
    pub(crate) region: String,
    pub(crate) service: String,
    /// Session token.
    pub(crate) token: Option<String>,
    scope_date: String,
    date: String,
    signed_headers: Vec<String>,
    signature: String,
    /// Life in seconds, for presigned requests.
    expires: Option<i64>,
}

impl Claim {
    /// Finds the signature in a request.
    pub(crate) fn find(request: Signed<'_>) -> Result<Self, Problem> {
        match text(request.headers, "authorization") {
            Some(header) => Self::from_header(&header, request.headers),
            None if request.query.contains("X-Amz-Signature=") => Self::from_query(request.query),
            None => Err(Problem::Absent),
        }
    }

    fn from_header(header: &str, headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(fields) = header.strip_prefix(ALGORITHM) else {
            let scheme = header.split(' ').next().unwrap_or_default();
            return Err(Problem::Incomplete(format!("Unsupported authorization scheme: '{scheme}'.")));
        };
        let field = |name: &str| {
            let values = fields.split(',').filter_map(|field| field.trim().split_once('='));
            let mut named = values.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
            named.next().ok_or_else(|| {
                Problem::Incomplete(format!("Authorization header requires '{name}' parameter."))
            })
        };
        let date = text(headers, "x-amz-date").ok_or_else(|| {
            Problem::Incomplete(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".into(),
            )
        })?;
        let token = text(headers, "x-amz-security-token");
        Self::build(&field("Credential")?, &field("SignedHeaders")?, field("Signature")?, date, token, None)
    }

    fn from_query(query: &str) -> Result<Self, Problem> {
        let pairs = query_pairs(query);
        let optional = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let field = |name: &str| {
            optional(name).ok_or_else(|| {
                Problem::Incomplete(format!("AWS query-string parameters must include '{name}'."))
            })
        };
        if field("X-Amz-Algorithm")? != ALGORITHM {
            return Err(Problem::Incomplete("X-Amz-Algorithm only supports AWS4-HMAC-SHA256.".into()));
        }
        let expires =
            field("X-Amz-Expires")?.parse().ok().filter(|life| (1..=LONGEST_PRESIGNED).contains(life));
        let expires = expires
            .ok_or_else(|| Problem::Incomplete("X-Amz-Expires must be between 1 and 604800.".into()))?;
        Self::build(
            &field("X-Amz-Credential")?,
            &field("X-Amz-SignedHeaders")?,
            field("X-Amz-Signature")?,
            field("X-Amz-Date")?,
            optional("X-Amz-Security-Token"),
            Some(expires),
        )
    }

    fn build(
        credential: &str,
        signed_headers: &str,
        signature: String,
        date: String,
        token: Option<String>,
        expires: Option<i64>,
    ) -> Result<Self, Problem> {
        let parts: Vec<&str> = credential.split('/').collect();
        let [access_key, scope_date, region, service, "aws4_request"] = parts[..] else {
            return Err(Problem::Incomplete(format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term, got '{credential}'"
            )));
        };
        Ok(Self {
            access_key: access_key.into(),
            region: region.into(),
            service: service.into(),
            token,
            scope_date: scope_date.into(),
            date,
            signed_headers: signed_headers.split(';').map(str::to_ascii_lowercase).collect(),
            signature,
            expires,
        })
    }

    /// Checks the claim against a signing key: scope, time, signed headers, signature.
    ///
    /// `region` is the endpoint's where that is known from its name.
    pub(crate) fn verify(
        &self,
        request: Signed<'_>,
        key: &hmac::Key,
        service: &str,
        region: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<(), Problem> {
        let mismatch = |text: String| Err(Problem::Mismatch(text));
        if self.service != service {
            return mismatch(format!("Credential should be scoped to correct service: '{service}'. "));
        }
        if let Some(expected) = region.filter(|region| *region != self.region) {
            return Err(Problem::Region { given: self.region.clone(), expected: expected.into() });
        }
        self.check_time(now)?;
        self.check_signed_headers(request.headers)?;
        let payload = self.payload_hash(request)?;
        let canonical = self.canonical_request(request, &payload);
        let expected = self.signature_of(&canonical, key);
        if expected != self.signature {
            return mismatch(
                "The request signature we calculated does not match the signature you provided. Check your \
                 AWS Secret Access Key and signing method. Consult the service documentation for details."
                    .into(),
            );
        }
        Ok(())
    }

    /// How long ago it was signed, and how long it is good for, in seconds; only presigned requests say the latter.
    pub(crate) fn age_and_life(&self, now: OffsetDateTime) -> Option<(i64, i64)> {
        Some(((now - clock::from_amz(&self.date)?).whole_seconds(), self.expires?))
    }

    fn check_time(&self, now: OffsetDateTime) -> Result<(), Problem> {
        let Some(date) = clock::from_amz(&self.date) else {
            return Err(Problem::Incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601",
                self.date
            )));
        };
        if !self.date.starts_with(&self.scope_date) {
            return Err(Problem::Mismatch(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{}' != '{}', from '{}'.",
                self.scope_date,
                &self.date[..8],
                self.date
            )));
        }
        let skew = Duration::minutes(if self.service == S3 { SKEW_MINUTES_S3 } else { SKEW_MINUTES });
        let life = match self.expires {
            // STS does not look at it: what is presigned lives for a quarter of an hour. The tokens of EKS live by
            // that: aws-iam-authenticator says so in a comment, and the AWS CLI counts on it.
            Some(_) if self.service == STS => Duration::minutes(PRESIGNED_MINUTES_STS),
            Some(expires) => Duration::seconds(expires),
            None => skew,
        };
        let span = |length: Duration| match length.whole_seconds() {
            seconds if seconds % 60 == 0 => format!("{} min.", seconds / 60),
            seconds => format!("{seconds} s."),
        };
        let oldest = now - life;
        let newest = now + skew;
        if date < oldest {
            return Err(Problem::Skewed(format!(
                "Signature expired: {} is now earlier than {} ({} - {})",
                self.date,
                clock::amz(oldest),
                clock::amz(now),
                span(life)
            )));
        }
        if date > newest {
            return Err(Problem::Skewed(format!(
                "Signature not yet current: {} is still later than {} ({} + {})",
                self.date,
                clock::amz(newest),
                clock::amz(now),
                span(skew)
            )));
        }
        Ok(())
    }

    /// `host` and every `x-amz-*` header that is there must be signed.
    fn check_signed_headers(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let there: BTreeSet<&str> = headers.keys().map(http::HeaderName::as_str).collect();
        let must = there.iter().filter(|name| name.starts_with("x-amz-")).chain([&"host"]);
        for name in must {
            if !self.signed_headers.iter().any(|signed| signed == name) {
                return Err(Problem::Mismatch(format!(
                    "'{name}' must be a 'SignedHeader' in the AWS Authorization."
                )));
            }
        }
        Ok(())
    }

    fn payload_hash(&self, request: Signed<'_>) -> Result<String, Problem> {
        let claimed = text(request.headers, "x-amz-content-sha256");
        match claimed.as_deref() {
            Some(unsigned) if UNSIGNED.contains(&unsigned) && (request.secure || self.expires.is_some()) => {
                Ok(unsigned.into())
            }
            _ if self.expires.is_some() && self.service == S3 => Ok(UNSIGNED[0].into()),
            None if self.service == S3 => {
                Err(Problem::Body("Missing required header for this request: x-amz-content-sha256".into()))
            }
            None => Ok(sha256_hex(request.body)),
            Some(claimed) => {
                let computed = sha256_hex(request.body);
                if claimed == computed {
                    return Ok(computed);
                }
                Err(Problem::Body(
                    "The provided 'x-amz-content-sha256' header does not match what was computed.".into(),
                ))
            }
        }
    }

    fn canonical_request(&self, request: Signed<'_>, payload: &str) -> String {
        let mut canonical = format!(
            "{}\n{}\n{}\n",
            request.method,
            if self.service == S3 { encoded_once(request.path) } else { canonical_path(request.path) },
            canonical_query(request.query)
        );
        for name in &self.signed_headers {
            let _ = writeln!(canonical, "{name}:{}", text(request.headers, name).unwrap_or_default());
        }
        let _ = write!(canonical, "\n{}\n{payload}", self.signed_headers.join(";"));
        canonical
    }

    /// Date, region and service: what a signing key is good for.
    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.scope_date, self.region, self.service)
    }

    fn signing_key(&self, secret: &str) -> hmac::Key {
        let key = hmac_key(format!("AWS4{secret}").as_bytes());
        let parts = [&self.scope_date, &self.region, &self.service, "aws4_request"];
        parts.into_iter().fold(key, |key, part| hmac_key(hmac::sign(&key, part.as_bytes()).as_ref()))
    }

    fn signature_of(&self, canonical: &str, key: &hmac::Key) -> String {
        let (date, scope) = (&self.date, self.scope());
        let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
        hex(hmac::sign(key, to_sign.as_bytes()).as_ref())
    }
}

/// A header as the canonical request has it: values joined by commas, runs of spaces made one.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter().map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    });
    values.reduce(|joined, value| format!("{joined},{value}"))
}

/// The path, normalised and encoded once more (as every service but S3 wants it).
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let tail = if path.len() > 1 && path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    let encoded: Vec<String> = segments.into_iter().map(|segment| encode(segment.as_bytes())).collect();
    format!("/{}{tail}", encoded.join("/"))
}

/// The path as S3 wants it: encoded once, nothing normalised.
fn encoded_once(path: &str) -> String {
    let segments = path.split('/').map(|segment| percent_decode_str(segment).collect::<Vec<u8>>());
    segments.map(|segment| encode(&segment)).collect::<Vec<_>>().join("/")
}

/// Parameters sorted by name and value, each encoded anew; without the signature itself.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query_pairs(query)
        .into_iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| (encode(name.as_bytes()), encode(value.as_bytes())))
        .collect();
    pairs.sort();
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The parameters of a query, decoded.
pub(crate) fn query_pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(k, v)| (decode(k), decode(v)))
        .collect()
}

/// AWS's `UriEncode`: everything but letters, digits and `-_.~`, in capitals.
fn encode(text: &[u8]) -> String {
    let mut encoded = String::new();
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
pub(crate) mod tests;
