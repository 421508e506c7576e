//! `ListObjectsV2`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::store::KnownBucket;
use crate::answer::Answer;
use crate::clock::iso;
use crate::crypto::{base64url, from_base64url};
use crate::protocol::escape;
use crate::refusal::Refusal;
use crate::rest::{members, number};
use crate::service::Request;

const MOST: usize = 1000;
/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Query {
    prefix: Option<String>,
    delimiter: Option<String>,
    max_keys: Option<String>,
    continuation_token: Option<String>,
    start_after: Option<String>,
    encoding_type: Option<String>,
}

pub(super) fn list(known: &KnownBucket, request: &Request<'_>) -> Result<Answer, Refusal> {
    let query: Query = members(request.parameters)?;
    let invalid = |text: &str| Refusal::new(400, "InvalidArgument", text);
    let most = number("max-keys", query.max_keys.as_deref())
        .map_err(|_| invalid("Provided max-keys not an integer or within integer range"))?;
    let most = most
        .map_or(Ok(MOST), usize::try_from)
        .map_err(|_| invalid("Argument maxKeys must be an integer between 0 and 2147483647"))?
        .min(MOST);
    let token = query.continuation_token.as_deref().map(|token| {
        let last = from_base64url(token).and_then(|bytes| String::from_utf8(bytes).ok());
        last.ok_or_else(|| invalid("The continuation token provided is incorrect"))
    });
    let after = token.transpose()?.or(query.start_after).unwrap_or_default();
    let prefix = query.prefix.unwrap_or_default();
    let delimiter = query.delimiter.filter(|delimiter| !delimiter.is_empty());
    let encode = |text: &str| match query.encoding_type.as_deref() {
        Some("url") => utf8_percent_encode(text, PLAIN).to_string(),
        _ => escape(text),
    };

    // Entries by what they are listed as: a key, or the common beginning of several.
    let mut entries = BTreeMap::new();
    for (key, object) in known.objects.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded)) {
        let Some(tail) = key.strip_prefix(&prefix) else { break };
        let common = delimiter.as_ref().and_then(|delimiter| {
            let end = tail.find(delimiter.as_str())? + delimiter.len();
            Some(&key[..prefix.len() + end])
        });
        let listed = common.unwrap_or(key);
        if listed > after.as_str() {
            entries.insert(listed, common.is_none().then_some(object));
        }
    }
    let page: Vec<_> = entries.iter().take(most).collect();
    let truncated = page.len() < entries.len() && most > 0;
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
         <Name>{}</Name><Prefix>{}</Prefix><KeyCount>{}</KeyCount><MaxKeys>{most}</MaxKeys><IsTruncated>{truncated}</IsTruncated>",
        known.bucket.name,
        encode(&prefix),
        page.len()
    );
    let mut element = |name: &str, text: &str| write!(xml, "<{name}>{text}</{name}>").unwrap_or_default();
    if let Some(delimiter) = &delimiter {
        element("Delimiter", &encode(delimiter));
    }
    if let Some(encoding) = &query.encoding_type {
        element("EncodingType", &escape(encoding));
    }
    if let Some((last, _)) = page.last().filter(|_| truncated) {
        element("NextContinuationToken", &base64url(last.as_bytes()));
    }
    for (listed, object) in page {
        let name = encode(listed);
        match object {
            Some(object) => element(
                "Contents",
                &format!(
                    "<Key>{name}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size>\
                     <StorageClass>STANDARD</StorageClass>",
                    iso(object.modified).replace('Z', ".000Z"),
                    object.etag.replace('"', "&quot;"),
                    object.data.len()
                ),
            ),
            None => element("CommonPrefixes", &format!("<Prefix>{name}</Prefix>")),
        }
    }
    xml.push_str("</ListBucketResult>");
    Ok(Answer::new("application/xml", xml))
}
