//! AWS Signature Version 4: of a request without a query, in the `Authorization` header; of an address, in its query.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::io::{self, Error};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};
use ring::hmac;

/// Keys of a role session.
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: String,
}

/// What a signature is good for.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// As in `x-amz-date`: `20150830T123600Z`.
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// The value of the `Authorization` header; `headers` are lower case and in order.
///
/// `target` is the method and a path of slashes and unreserved characters alone, which is canonical as it stands.
pub(crate) fn authorization(
    keys: &Keys,
    scope: Scope<'_>,
    target: (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let (method, path) = target;
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers.iter().flat_map(|(name, value)| [*name, ":", *value, "\n"]).collect();
    let request = format!("{method}\n{path}\n\n{lines}\n{names}\n{}", sha256_hex(body));
    let (credential, signature) = signed(keys, scope, &request);
    let id = &keys.id;
    format!("AWS4-HMAC-SHA256 Credential={id}/{credential}, SignedHeaders={names}, Signature={signature}")
}

/// An address of `host` without its scheme, signed for a service in a region; `query` and `header` are in the order that
/// the signature wants, by name.
pub(crate) fn presigned(
    keys: &Keys,
    (service, region): (&str, &str),
    host: &str,
    query: &[(&str, &str)],
    seconds: u32,
    header: Option<(&str, &str)>,
) -> io::Result<String> {
    let date = now()?;
    let scope = Scope { date: &date, region, service };
    let names: Vec<&str> = ["host"].into_iter().chain(header.map(|(name, _)| name)).collect();
    let names = names.join(";");
    let expires = seconds.to_string();
    let credential = format!("{}/{}", keys.id, credential(scope));
    let algorithm = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &date),
        ("X-Amz-Expires", &expires),
        ("X-Amz-Security-Token", &keys.token),
        ("X-Amz-SignedHeaders", &names),
    ];
    let all = query.iter().chain(&algorithm);
    let query: Vec<String> = all.map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
    let query = query.join("&");
    let headers = [("host", host)].into_iter().chain(header);
    let lines: String = headers.flat_map(|(name, value)| [name, ":", value, "\n"]).collect();
    let request = format!("GET\n/\n{query}\n{lines}\n{names}\n{}", sha256_hex(""));
    let (_, signature) = signed(keys, scope, &request);
    Ok(format!("{host}/?{query}&X-Amz-Signature={signature}"))
}

fn credential(Scope { date, region, service }: Scope<'_>) -> String {
    format!("{}/{region}/{service}/aws4_request", date.get(..8).unwrap_or(date))
}

/// What the keys are good for, and the signature of a canonical request.
fn signed(keys: &Keys, scope: Scope<'_>, request: &str) -> (String, String) {
    let credential = credential(scope);
    let text = format!("AWS4-HMAC-SHA256\n{}\n{credential}\n{}", scope.date, sha256_hex(request));
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", keys.secret).as_bytes());
    for part in credential.split('/') {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    let signature = hex(hmac::sign(&key, text.as_bytes()).as_ref());
    (credential, signature)
}

/// The time as `20150830T123600Z`.
pub(crate) fn now() -> io::Result<String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(Error::other)?;
    Ok(amz_date(since.as_secs()))
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]),
        }
    }
    out
}

fn hex_digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or('0').to_ascii_uppercase()
}

/// Seconds since 1970 as `20150830T123600Z`.
fn amz_date(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years are counted from March of year 0, so that the leap day ends them: 719,468 days before 1970, in
    // periods of 400 years = 146,097 days.
    let days = days + 719_468;
    let (period, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // March to January hold 153 days every five months.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, turn) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = period * 400 + year + turn;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

fn sha256_hex(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signatures of AWS's published test suite: post-vanilla, post-x-www-form-urlencoded, post-sts-header-before, and
    /// get-unreserved, as it posts to no path but the root.
    #[test]
    fn published_vectors() {
        const DATE: &str = "20150830T123600Z";
        // The session token of the suite; an example, no secret.
        const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        const PATH: &str = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let root = ("POST", "/");
        let host = ("host", "example.amazonaws.com");
        let date = ("x-amz-date", DATE);
        let form = ("content-type", "application/x-www-form-urlencoded");
        for (target, headers, body, names, signature) in [
            (
                root,
                vec![host, date],
                "",
                "host;x-amz-date",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                root,
                vec![form, host, date],
                "Param1=value1",
                "content-type;host;x-amz-date",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                root,
                vec![host, date, ("x-amz-security-token", TOKEN)],
                "",
                "host;x-amz-date;x-amz-security-token",
                "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ),
            (
                ("GET", PATH),
                vec![host, date],
                "",
                "host;x-amz-date",
                "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ),
        ] {
            let keys = Keys {
                id: "AKIDEXAMPLE".into(),
                secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
                token: String::new(),
            };
            let scope = Scope { date: DATE, region: "us-east-1", service: "service" };
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders={names}, Signature={signature}"
            );
            assert_eq!(authorization(&keys, scope, target, &headers, body), expected);
        }
    }

    #[test]
    fn dates() {
        for (seconds, expected) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (1_735_689_599, "20241231T235959Z"),
            (1_740_787_200, "20250301T000000Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(amz_date(seconds), expected);
        }
    }

    #[test]
    fn forms() {
        assert_eq!(
            percent_encoded("arn:aws:iam::1:role/a_b-c.d~e f"),
            "arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa_b-c.d~e%20f"
        );
    }
}
