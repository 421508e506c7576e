//! Calls to one service: protocols, headers, signature.

use std::io;

use crate::host::Host;
use crate::sigv4::{self, Keys, Scope, percent_encoded};

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
            form.extend(["&", name, "=", &percent_encoded(value)]);
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
        let date = sigv4::now()?;
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
