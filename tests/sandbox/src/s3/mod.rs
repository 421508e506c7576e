//! Amazon S3: objects (restXml), in paths or under hosts of their buckets.

mod address;
mod body;
mod error;
mod list;
mod store;

pub(crate) use address::{is_meant, operation, parameters};
pub(crate) use error::{
    denied, expired_session, host_id, not_authentic, not_implemented, refuse, slow_down, unknown_key,
    wrong_token,
};
pub(crate) use store::{Arrival, Object, S3, Source, location};
pub use store::{Bucket, S3World};

use bytes::Bytes;

use self::address::Address;
use self::error::ACCESS_DENIED;
use self::store::KnownBucket;
use crate::answer::{Answer, Content};
use crate::clock::http_date;
use crate::cloud::Cloud;
use crate::refusal::Refusal;
use crate::service::Request;

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] =
    &["DeleteObject", "GetObject", "HeadObject", "ListObjectsV2", "PutObject"];

const LONGEST_KEY: usize = 1024;
const METADATA: &str = "x-amz-meta-";

/// Answers one authenticated request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    if !OPERATIONS.contains(&request.operation) {
        return Err(request.unknown_operation());
    }
    let Address { bucket, key } = Address::of(request.incoming);
    let mut s3 = cloud.s3();
    let terse = s3.terse_denials;
    let known = s3.bucket_mut(&bucket).ok_or_else(|| {
        Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist").member("BucketName", bucket)
    })?;
    if known.region != request.region {
        return Err(elsewhere(known));
    }
    let may = |known: &KnownBucket, action: &str, key: Option<&str>| {
        check(request, known, action, key).map_err(|refusal| match refusal.code.as_str() {
            "AccessDenied" if terse => Refusal { message: ACCESS_DENIED.into(), ..refusal },
            _ => refusal,
        })
    };
    match request.operation {
        "ListObjectsV2" => {
            may(known, "s3:ListBucket", None)?;
            list::list(known, request)
        }
        "PutObject" => {
            may(known, "s3:PutObject", Some(&key))?;
            if request.incoming.header("if-match").is_some() {
                may(known, "s3:GetObject", Some(&key))?;
            }
            put(known, key, request)
        }
        "DeleteObject" => {
            may(known, "s3:DeleteObject", Some(&key))?;
            known.objects.remove(&key);
            Ok(Answer::empty(204))
        }
        _ => {
            may(known, "s3:GetObject", Some(&key))?;
            let Some(object) = known.objects.get(&key) else {
                // Only those who may list a bucket learn what is not in it.
                may(known, "s3:ListBucket", None)?;
                return Err(no_such_key(key));
            };
            get(object, request)
        }
    }
}

/// May the caller do this to an object, or to the bucket itself?
fn check(request: &Request<'_>, known: &KnownBucket, action: &str, key: Option<&str>) -> Result<(), Refusal> {
    let (caller, bucket) = (request.caller()?, &known.bucket);
    let object = key.map_or_else(String::new, |key| format!("/{key}"));
    let resource = format!("arn:{}:s3:::{}{object}", caller.partition(), bucket.name);
    request.authorize_as(action, &resource)?;
    if bucket.account != caller.account && !bucket.allow_accounts.contains(&caller.account) {
        return Err(denied(caller, action, &resource, "resource-based"));
    }
    Ok(())
}

/// The bucket is in another region than the one that was asked.
fn elsewhere(known: &KnownBucket) -> Refusal {
    let (name, region) = (&known.bucket.name, known.region.as_str());
    let text = "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all \
                future requests to this endpoint.";
    Refusal::new(301, "PermanentRedirect", text)
        .member("Endpoint", format!("{name}.s3.{region}.amazonaws.com"))
        .member("Bucket", name.as_str())
        .header("x-amz-bucket-region", region)
}

fn no_such_key(key: String) -> Refusal {
    Refusal::new(404, "NoSuchKey", "The specified key does not exist.").member("Key", key)
}

fn put(known: &mut KnownBucket, key: String, request: &Request<'_>) -> Result<Answer, Refusal> {
    let incoming = request.incoming;
    if key.len() > LONGEST_KEY {
        let text = "Your key is too long";
        return Err(Refusal::new(400, "KeyTooLongError", text).member("MaxSizeAllowed", LONGEST_KEY));
    }
    let there = known.objects.get(&key);
    let failed = |condition: &str| {
        let text = "At least one of the pre-conditions you specified did not hold";
        Err(Refusal::new(412, "PreconditionFailed", text).member("Condition", condition))
    };
    match incoming.header("if-none-match") {
        Some("*") if there.is_some() => return failed("If-None-Match"),
        Some("*") | None => {}
        Some(_) => return Err(not_implemented()),
    }
    match (incoming.header("if-match"), there) {
        (Some(_), None) => return Err(no_such_key(key)),
        (Some(etag), Some(object)) if etag.trim_matches('"') != object.etag.trim_matches('"') => {
            return failed("If-Match");
        }
        _ => {}
    }
    let content_type = incoming.header("content-type").unwrap_or("binary/octet-stream");
    let mut object = Object::new(body::data(incoming)?, content_type, request.now);
    let headers = incoming.headers.iter().filter(|(name, _)| name.as_str().starts_with(METADATA));
    object.metadata = headers
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let answer =
        Answer::empty(200).header("etag", &object.etag).header("x-amz-server-side-encryption", "AES256");
    known.objects.insert(key, object);
    Ok(answer)
}

/// The object, or its head: the connection leaves the body of such an answer out.
fn get(object: &Object, request: &Request<'_>) -> Result<Answer, Refusal> {
    let whole = object.data.len();
    let range = request.incoming.header("range").and_then(|range| within(range, whole));
    let mut answer = Answer::new(object.content_type.as_str(), object.data.clone())
        .header("etag", &object.etag)
        .header("last-modified", http_date(object.modified))
        .header("accept-ranges", "bytes")
        .header("x-amz-server-side-encryption", "AES256");
    answer.headers.extend(object.metadata.iter().map(|(name, value)| (name.clone().into(), value.clone())));
    let Some((first, end)) = range else { return Ok(answer) };
    if first >= end {
        let text = "The requested range is not satisfiable";
        return Err(Refusal::new(416, "InvalidRange", text).member("ActualObjectSize", whole));
    }
    let data: Bytes = object.data.slice(first..end);
    answer.content = Content::Whole(data);
    Ok(answer.status(206).header("content-range", format!("bytes {first}-{}/{whole}", end - 1)))
}

/// Where the bytes of `bytes=…` begin and end; what cannot be read is ignored.
fn within(range: &str, whole: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, end) = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1)),
        (Ok(first), Err(_)) if last.is_empty() => (first, whole),
        (Err(_), Ok(length)) if first.is_empty() => (whole.saturating_sub(length), whole),
        _ => return None,
    };
    Some((first, end.min(whole)))
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-4", Some((0, 5))),
            ("bytes=5-", Some((5, 10))),
            ("bytes=-3", Some((7, 10))),
            ("bytes=8-99", Some((8, 10))),
            ("bytes=10-", Some((10, 10))),
            ("bytes=4-2", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(within(range, 10), expected, "{range}");
        }
    }
}
