//! Buckets, as a world describes them and as they change.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use time::OffsetDateTime;

use crate::crypto::sha256_hex;
use crate::world::World;

/// Hex digits of an `ETag`: as many as an MD5 sum has. Nothing here needs it to be one.
const ETAG: usize = 32;

/// Everything about S3 in a world.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3World {
    /// Refusals are a bare "Access Denied", as they were before S3 gave reasons.
    #[serde(default)]
    pub terse_denials: bool,
    /// The buckets.
    #[serde(default)]
    pub buckets: Vec<Bucket>,
}

/// A bucket.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// Its account.
    pub account: String,
    /// Its region; the world's where it names none.
    pub region: Option<String>,
    /// Its name.
    pub name: String,
    /// Other accounts that its bucket policy lets in.
    #[serde(default)]
    pub allow_accounts: Vec<String>,
    /// Objects that are there from the start, as text by key.
    #[serde(default)]
    pub objects: BTreeMap<String, String>,
}

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) data: Bytes,
    /// In quotes.
    pub(crate) etag: String,
    pub(crate) content_type: String,
    pub(crate) modified: OffsetDateTime,
    /// Headers `x-amz-meta-…`.
    pub(crate) metadata: Vec<(String, String)>,
}

impl Object {
    pub(crate) fn new(data: Bytes, content_type: &str, modified: OffsetDateTime) -> Self {
        let etag = format!("\"{}\"", &sha256_hex(&data)[..ETAG]);
        Self { data, etag, content_type: content_type.into(), modified, metadata: Vec::new() }
    }
}

/// A bucket with its objects.
#[derive(Debug)]
pub(crate) struct KnownBucket {
    pub(crate) bucket: Bucket,
    pub(crate) region: String,
    pub(crate) objects: BTreeMap<String, Object>,
}

/// An object that another service will write.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: OffsetDateTime,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) source: Source,
    pub(crate) content_type: String,
}

/// Where the data of an [`Arrival`] comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Data(Bytes),
    /// An object, as it is when the time has come. One that is not there is empty.
    Object {
        bucket: String,
        key: String,
    },
}

/// S3's state.
#[derive(Debug)]
pub(crate) struct S3 {
    pub(crate) terse_denials: bool,
    buckets: BTreeMap<String, KnownBucket>,
    arrivals: Vec<Arrival>,
}

impl S3 {
    pub(crate) fn new(settings: &S3World, world: &World, now: OffsetDateTime) -> Self {
        let known = |bucket: &Bucket| {
            let object = |text: &String| Object::new(text.clone().into(), "binary/octet-stream", now);
            let known = KnownBucket {
                bucket: bucket.clone(),
                region: bucket.region.clone().unwrap_or_else(|| world.region.clone()),
                objects: bucket.objects.iter().map(|(key, text)| (key.clone(), object(text))).collect(),
            };
            (bucket.name.clone(), known)
        };
        Self {
            terse_denials: settings.terse_denials,
            buckets: settings.buckets.iter().map(known).collect(),
            arrivals: Vec::new(),
        }
    }

    pub(crate) fn bucket(&self, name: &str) -> Option<&KnownBucket> {
        self.buckets.get(name)
    }

    pub(crate) fn bucket_mut(&mut self, name: &str) -> Option<&mut KnownBucket> {
        self.buckets.get_mut(name)
    }

    pub(crate) fn object(&self, bucket: &str, key: &str) -> Option<&Object> {
        self.bucket(bucket)?.objects.get(key)
    }

    /// Announces an object. In a bucket that does not exist, nothing ever appears.
    pub(crate) fn expect(&mut self, arrival: Arrival) {
        self.arrivals.push(arrival);
    }

    /// Writes what is due by now, the earliest first.
    pub(crate) fn settle(&mut self, now: OffsetDateTime) {
        if self.arrivals.iter().all(|arrival| arrival.at > now) {
            return;
        }
        let (mut due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.arrivals).into_iter().partition(|arrival| arrival.at <= now);
        self.arrivals = later;
        due.sort_by_key(|arrival| arrival.at);
        for Arrival { at, bucket, key, source, content_type } in due {
            let data = match source {
                Source::Data(data) => data,
                Source::Object { bucket, key } => {
                    self.object(&bucket, &key).map(|object| object.data.clone()).unwrap_or_default()
                }
            };
            if let Some(known) = self.bucket_mut(&bucket) {
                known.objects.insert(key, Object::new(data, &content_type, at));
            }
        }
    }
}

/// Bucket and key of `s3://bucket/key`.
pub(crate) fn location(uri: &str) -> Option<(&str, &str)> {
    let path = uri.strip_prefix("s3://")?;
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (!bucket.is_empty()).then_some((bucket, key))
}
