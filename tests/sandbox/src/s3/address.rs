//! Which bucket and object a request means, and what it wants of them.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::dispatch::Incoming;

/// Bucket and key, either of which may be empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) bucket: String,
    pub(crate) key: String,
}

impl Address {
    /// Reads the host's name, where that has the bucket in it, and the path.
    pub(crate) fn read(host: &str, path: &str) -> Self {
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let path = path.strip_prefix('/').unwrap_or(path);
        if let Some(bucket) = virtual_host(host) {
            return Self { bucket: bucket.into(), key: decode(path) };
        }
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        Self { bucket: decode(bucket), key: decode(key) }
    }

    pub(crate) fn of(incoming: &Incoming) -> Self {
        Self::read(incoming.header("host").unwrap_or_default(), &incoming.path)
    }
}

/// The bucket in the name of a host.
fn virtual_host(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if name.ends_with(".amazonaws.com") {
        return name.rfind(".s3.").map(|at| &name[..at]);
    }
    name.strip_suffix(".localhost")
}

/// Is a request meant for S3 at all?
pub(crate) fn is_meant(incoming: &Incoming) -> bool {
    let scope = "/s3/aws4_request";
    let signed = incoming.header("authorization").is_some_and(|header| header.contains(scope));
    let host = incoming.header("host").unwrap_or_default();
    let at_s3 = host.contains(".amazonaws.com") && (host.starts_with("s3.") || host.contains(".s3."));
    signed || at_s3 || incoming.query.contains("%2Fs3%2Faws4_request")
}

/// The operation a request means. What is not played goes by its method.
pub(crate) fn operation(incoming: &Incoming) -> &str {
    let Address { bucket, key } = Address::of(incoming);
    let query = |name: &str| incoming.query.split('&').any(|part| part.split('=').next() == Some(name));
    let other = ["uploads", "uploadId", "tagging", "acl", "attributes"].iter().any(|name| query(name));
    match (incoming.method.as_str(), bucket.is_empty(), key.is_empty()) {
        (method, true, _) => method,
        (method, ..) if other || incoming.header("x-amz-copy-source").is_some() => method,
        ("GET", _, false) => "GetObject",
        ("HEAD", _, false) => "HeadObject",
        ("PUT", _, false) => "PutObject",
        ("DELETE", _, false) => "DeleteObject",
        ("GET", _, true) if query("list-type") => "ListObjectsV2",
        (method, ..) => method,
    }
}

/// The members for the record: address, query, and the conditions. Of a body, its length only.
pub(crate) fn parameters(incoming: &Incoming) -> Value {
    let Address { bucket, key } = Address::of(incoming);
    let mut members = Map::new();
    members.insert("Bucket".into(), json!(bucket));
    if !key.is_empty() {
        members.insert("Key".into(), json!(key));
    }
    for (name, value) in form_urlencoded::parse(incoming.query.as_bytes()) {
        // A presigned request carries its session token here.
        if !name.starts_with("X-Amz-") {
            members.insert(name.into_owned(), json!(value));
        }
    }
    for (name, header) in [("IfMatch", "if-match"), ("IfNoneMatch", "if-none-match"), ("Range", "range")] {
        if let Some(value) = incoming.header(header) {
            members.insert(name.into(), json!(value));
        }
    }
    if !incoming.body.is_empty() {
        members.insert("Body".into(), json!({ "Length": incoming.body.len() }));
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (host, path, bucket, key) in [
            ("127.0.0.1:4566", "/b/a/c%20d", "b", "a/c d"),
            ("localhost", "/b", "b", ""),
            ("s3.us-east-2.amazonaws.com", "/b//k/", "b", "/k/"),
            ("b.s3.us-east-2.amazonaws.com:443", "/k", "b", "k"),
            ("b.c.s3.dualstack.us-east-2.amazonaws.com", "/k", "b.c", "k"),
            ("b.s3.amazonaws.com", "/", "b", ""),
            ("b.localhost:4566", "/k", "b", "k"),
        ] {
            let address = Address::read(host, path);
            assert_eq!((address.bucket.as_str(), address.key.as_str()), (bucket, key), "{host}{path}");
        }
    }
}
