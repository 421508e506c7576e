//! Calls to one service: protocols, headers, signature.

use std::io::{self, Error};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::host::Host;
use crate::sigv4::{self, Keys, Scope};

/// The query protocol's version of STS.
const STS_VERSION: &str = "2011-06-15";
/// Name of both role sessions.
const SESSION: &str = "floor";

/// One service at one host.
pub(crate) struct Service<'a> {
    pub(crate) host: Host,
    pub(crate) region: &'a str,
    /// As in signatures.
    pub(crate) name: &'static str,
}

impl Service<'_> {
    /// A call in the query protocol; gives the XML answer.
    pub(crate) fn query(
        &mut self,
        keys: Option<&Keys>,
        action: &str,
        parameters: &[(&str, String)],
    ) -> io::Result<String> {
        let mut form = format!("Action={action}&Version={STS_VERSION}&RoleSessionName={SESSION}");
        for (name, value) in parameters {
            form.extend(["&", name, "=", &form_encoded(value)]);
        }
        self.call(keys, "/", ("application/x-www-form-urlencoded", None), &form)
    }

    /// A call in the JSON protocol; gives the JSON answer.
    pub(crate) fn json(&mut self, keys: &Keys, target: &str, body: &str) -> io::Result<String> {
        self.call(Some(keys), "/", ("application/x-amz-json-1.1", Some(target)), body)
    }

    /// A call in the REST protocol, whose path holds nothing to encode; gives the answer as it is.
    pub(crate) fn rest(&mut self, keys: &Keys, path: &str, body: &str) -> io::Result<String> {
        self.call(Some(keys), path, ("application/json", None), body)
    }

    fn call(
        &mut self,
        keys: Option<&Keys>,
        path: &str,
        (content_type, target): (&str, Option<&str>),
        body: &str,
    ) -> io::Result<String> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_err(Error::other)?.as_secs();
        let date = amz_date(seconds);
        let authority = self.host.authority().to_owned();
        // In the order that the signature wants: by name.
        let mut headers = vec![("content-type", content_type), ("host", &authority), ("x-amz-date", &date)];
        headers.extend(keys.map(|keys| ("x-amz-security-token", keys.token.as_str())));
        headers.extend(target.map(|target| ("x-amz-target", target)));
        let scope = Scope { date: &date, region: self.region, service: self.name };
        let authorization =
            keys.map(|keys| sigv4::authorization(keys, scope, ("POST", path), &headers, body));
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        self.host.post(path, &headers, body)
    }
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn form_encoded(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

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
            form_encoded("arn:aws:iam::1:role/a_b-c.d~e f"),
            "arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa_b-c.d~e%20f"
        );
    }
}
