//! Objects of S3: read, put under a condition, listed, deleted.

use std::fmt;
use std::mem;
use std::time::Duration;

use aws_runtime::auth::SigningOptions;
use aws_smithy_runtime_api::client::interceptors::context::{Error, Output};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_runtime_api::client::ser_de::DeserializeResponse;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use aws_types::SdkConfig;
use job_runtime::{CallError, Exit, Failure, percent_encoded};

use crate::{Client, Failed, Refusal, Resend, Service, partition};

/// S3 signs the path as it is sent, and every request with the digest of its body.
static SERVICE: Service = Service {
    id: "S3",
    signing_name: "s3",
    signing: || {
        let mut options = SigningOptions::default();
        options.double_uri_encode = false;
        options.normalize_uri_path = false;
        options.content_sha256_header = true;
        options
    },
};

const GET: &str = "s3:GetObject";
const PUT: &str = "s3:PutObject";
const DELETE: &str = "s3:DeleteObject";
const LIST: &str = "s3:ListBucket";

/// Pages after which a listing ends, a thousand objects each: what is larger is no folder for a person to look at.
const MOST_PAGES: usize = 100;

/// A place in S3: `s3://bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Name of the bucket.
    pub bucket: String,
    /// May be empty, where a prefix is meant.
    pub key: String,
}

impl Location {
    /// Parses `s3://bucket/key`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("s3://").unwrap_or_default();
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        Self::new(bucket, key).ok_or_else(|| "it should be a place in S3: s3://bucket/key".to_owned())
    }

    /// The object `key` in `bucket`; `None` where that is not the name of a bucket. The name becomes a part of the host or
    /// of the path that is asked.
    pub fn new(bucket: &str, key: &str) -> Option<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let is_name = !bucket.trim_matches('.').is_empty() && bucket.chars().all(fits);
        is_name.then(|| Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// The object `name` below this prefix.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let prefix = self.key.trim_end_matches('/');
        let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        Self { bucket: self.bucket.clone(), key }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// An object, of which nothing but its headers was read.
#[derive(Debug)]
pub struct Object {
    body: ByteStream,
    /// Its `ETag`, in quotes.
    pub etag: Option<String>,
    /// How long it was there, by the service's own clock.
    pub age: Option<Duration>,
}

impl Object {
    /// The next part of its body; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, CallError> {
        match self.body.next().await {
            None => Ok(None),
            Some(Ok(part)) => Ok(Some(part)),
            Some(Err(error)) => {
                let error: Failed = SdkError::dispatch_failure(ConnectorError::io(error.into()));
                Err(CallError::new(GET, &error))
            }
        }
    }

    /// The first `limit` bytes.
    pub async fn beginning(&mut self, limit: usize) -> Result<Vec<u8>, CallError> {
        let mut bytes = Vec::new();
        while bytes.len() < limit
            && let Some(part) = self.next().await?
        {
            bytes.extend_from_slice(part.as_ref());
        }
        bytes.truncate(limit);
        Ok(bytes)
    }
}

/// What a listing tells of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its whole key.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// When it was put, in ISO 8601.
    pub last_modified: String,
}

/// On what condition an object is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is none.
    Absent,
    /// The one there is still has this `ETag`.
    Unchanged(String),
    /// Whatever there is.
    Always,
}

/// A call of S3 that failed.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// The object is not there.
    #[error("{0} is not there")]
    Missing(String),
    /// The object is not there, or may not be read: without `s3:ListBucket` S3 does not tell which.
    #[error(
        "{source}; it is not there, or s3:GetObject is missing: with s3:ListBucket on the bucket S3 would say which"
    )]
    Hidden {
        /// What S3 said.
        source: CallError,
    },
    /// The condition of a put is not met.
    #[error("{0} was put by somebody else")]
    Lost(String),
    /// The bucket is in another region.
    #[error(
        "bucket {bucket} is in region {region}: give that as --region, where the endpoint is there as well"
    )]
    Elsewhere {
        /// The bucket.
        bucket: String,
        /// Its region.
        region: String,
    },
    /// Anything else.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Failure for S3Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Missing(_) | Self::Lost(_) => Exit::Rejected,
            Self::Hidden { source } | Self::Call(source) => source.exit(),
            Self::Elsewhere { .. } => Exit::Config,
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self {
            Self::Missing(_) | Self::Lost(_) | Self::Elsewhere { .. } => None,
            Self::Hidden { source } | Self::Call(source) => source.request_id(),
        }
    }
}

/// S3 in the region of a configuration.
#[derive(Debug)]
pub struct S3<'a> {
    client: Client<'a>,
    configured: Option<String>,
}

impl<'a> S3<'a> {
    /// With the configuration that all clients share.
    pub fn new(sdk: &'a SdkConfig) -> Self {
        let client = Client::new(sdk, &SERVICE);
        Self { configured: client.configured_endpoint(), client }
    }

    /// Reads the head of an object; its body follows on demand.
    ///
    /// # Errors
    /// [`S3Error::Missing`] or [`S3Error::Hidden`] where there is none, and every other refusal.
    pub async fn get(&self, at: &Location) -> Result<Object, S3Error> {
        let request = http::Request::get(self.path(at));
        let got = self.call(at, ("GetObject", Resend::Read), request, SdkBody::empty()).await;
        got.map_err(|error| judge(GET, at, &error))
    }

    /// Puts a small object. A put with a condition is sent once: after a lost answer, its own success would look like
    /// somebody else's.
    ///
    /// # Errors
    /// [`S3Error::Lost`] where the condition is not met, and every other refusal.
    pub async fn put(
        &self,
        at: &Location,
        content_type: &str,
        body: impl Into<Vec<u8>>,
        condition: &Condition,
    ) -> Result<Object, S3Error> {
        let body = body.into();
        let request = http::Request::put(self.path(at)).header("content-type", content_type);
        let (request, resend) = match condition {
            Condition::Absent => (request.header("if-none-match", "*"), Resend::Never),
            Condition::Unchanged(etag) => (request.header("if-match", etag), Resend::Never),
            Condition::Always => (request, Resend::Read),
        };
        let request = request.header("content-length", body.len());
        let put = self.call(at, ("PutObject", resend), request, SdkBody::from(body)).await;
        put.map_err(|error| judge(PUT, at, &error))
    }

    /// Deletes an object. S3 says the same whether it was there or not.
    ///
    /// # Errors
    /// Every refusal.
    pub async fn delete(&self, at: &Location) -> Result<(), S3Error> {
        let request = http::Request::delete(self.path(at));
        let deleted = self.call(at, ("DeleteObject", Resend::Read), request, SdkBody::empty()).await;
        deleted.map(|_| ()).map_err(|error| judge(DELETE, at, &error))
    }

    /// The objects whose keys begin with that of `below`, in the order of their keys.
    ///
    /// # Errors
    /// Every refusal, and a listing that cannot be read or has no end.
    pub async fn list(&self, below: &Location) -> Result<Vec<Listed>, S3Error> {
        let bucket = Location { key: String::new(), ..below.clone() };
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut path =
                format!("{}?list-type=2&prefix={}", self.path(&bucket), percent_encoded(&below.key));
            if let Some(token) = &token {
                path.push_str("&continuation-token=");
                path.push_str(&percent_encoded(token));
            }
            let listed = self
                .call(&bucket, ("ListObjectsV2", Resend::Read), http::Request::get(path), SdkBody::empty())
                .await;
            let mut page = listed.map_err(|error| judge(LIST, &bucket, &error))?;
            let page = page.beginning(usize::MAX).await?;
            let page = String::from_utf8_lossy(&page);
            found.extend(
                listing(&page).ok_or_else(|| CallError::unusable(LIST, "the listing cannot be read"))?,
            );
            token = element(&page, "NextContinuationToken");
            if token.is_none() {
                return Ok(found);
            }
        }
        let text = format!("there are more than {} objects below {below}", found.len());
        Err(CallError::unusable(LIST, &text).into())
    }

    /// Path of an object below its [`endpoint`](Self::endpoint).
    fn path(&self, at: &Location) -> String {
        match self.configured {
            Some(_) => path_style(at),
            None => aws_address(at, self.client.region(), self.client.variant()).1,
        }
    }

    fn endpoint(&self, at: &Location) -> String {
        let aws = || aws_address(at, self.client.region(), self.client.variant()).0;
        self.configured.clone().unwrap_or_else(aws)
    }

    async fn call(
        &self,
        at: &Location,
        operation: (&'static str, Resend),
        request: http::request::Builder,
        body: SdkBody,
    ) -> Result<Object, Failed> {
        let request = request.body(body).map_err(SdkError::construction_failure)?;
        let request = HttpRequest::try_from(request).map_err(SdkError::construction_failure)?;
        self.client.send(operation, &self.endpoint(at), request, Reader).await
    }
}

/// What a failure says.
fn judge(operation: &'static str, at: &Location, error: &Failed) -> S3Error {
    if let SdkError::ServiceError(refused) = error
        && let Some(region) = &refused.err().region
    {
        return S3Error::Elsewhere { bucket: at.bucket.clone(), region: region.clone() };
    }
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    let call = CallError::new(operation, error);
    match (call.code(), status) {
        (Some("NoSuchKey"), _) | (None, Some(404)) => S3Error::Missing(at.to_string()),
        // The latter: two at the same time, of which this one was not the first.
        (Some("PreconditionFailed" | "ConditionalRequestConflict"), _) | (None, Some(412)) => {
            S3Error::Lost(at.to_string())
        }
        (Some("AccessDenied"), _) if operation == GET && is_bare(call.message()) => {
            S3Error::Hidden { source: call }
        }
        _ => S3Error::Call(call),
    }
}

/// Whether a refusal of `GetObject` may be the answer to a missing object: it then names the right to list the
/// bucket, or none at all.
fn is_bare(message: &str) -> bool {
    message.contains("s3:ListBucket") || !message.contains("not authorized to perform")
}

/// The bucket as the first part of the path.
fn path_style(at: &Location) -> String {
    format!("/{}/{}", at.bucket, encoded(&at.key))
}

/// A key as a path: its slashes stay.
fn encoded(key: &str) -> String {
    key.split('/').map(percent_encoded).collect::<Vec<_>>().join("/")
}

/// Where AWS has a bucket, and the path to the object: in the host's name where a certificate of one level fits it.
fn aws_address(at: &Location, region: &str, (fips, dual_stack): (bool, bool)) -> (String, String) {
    let (domain, _) = partition::domains(region);
    let service = match (fips, dual_stack) {
        (true, true) => "s3-fips.dualstack",
        (true, false) => "s3-fips",
        (false, true) => "s3.dualstack",
        (false, false) => "s3",
    };
    let host = format!("{service}.{region}.{domain}");
    if at.bucket.contains(['.', '_']) {
        (format!("https://{host}"), path_style(at))
    } else {
        (format!("https://{}.{host}", at.bucket), format!("/{}", encoded(&at.key)))
    }
}

/// Reads answers of S3: the body of a good one is left where it is.
#[derive(Debug)]
struct Reader;

impl DeserializeResponse for Reader {
    fn deserialize_streaming_with_config(
        &self,
        answer: &mut HttpResponse,
        _: &ConfigBag,
    ) -> Option<Result<Output, OrchestratorError<Error>>> {
        if !answer.status().is_success() {
            return None;
        }
        let body = mem::replace(answer.body_mut(), SdkBody::taken());
        let etag = answer.headers().get("etag").map(str::to_owned);
        let age = age(answer.headers());
        Some(Ok(Output::erase(Object { body: ByteStream::new(body), etag, age })))
    }

    fn deserialize_nonstreaming_with_config(
        &self,
        answer: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        let body = String::from_utf8_lossy(answer.body().bytes().unwrap_or_default());
        let refusal = refusal(answer.status().as_u16(), answer.headers().get("x-amz-bucket-region"), &body);
        Err(OrchestratorError::operation(Error::erase(refusal)))
    }
}

/// How long an object was there when the answer was made.
fn age(headers: &Headers) -> Option<Duration> {
    let at = |name| DateTime::from_str(headers.get(name)?, Format::HttpDate).ok();
    let (now, modified) = (at("date")?, at("last-modified")?);
    Some(Duration::from_secs(u64::try_from(now.secs() - modified.secs()).unwrap_or_default()))
}

/// What an error in XML says. Only a redirection, or a signature for another region, tells the bucket's own.
fn refusal(status: u16, header: Option<&str>, body: &str) -> Refusal {
    let code = element(body, "Code");
    let elsewhere = (300..400).contains(&status) || code.as_deref() == Some("AuthorizationHeaderMalformed");
    let region = || header.map(str::to_owned).or_else(|| element(body, "Region"));
    let region = elsewhere.then(region).flatten();
    Refusal { region, ..Refusal::new(code, element(body, "Message")) }
}

/// The objects of a page; `None` where it is no such page.
fn listing(xml: &str) -> Option<Vec<Listed>> {
    let (_, contents) = xml.split_once("<ListBucketResult")?;
    let object = |object: &str| {
        let size = element(object, "Size")?.parse().ok()?;
        Some(Listed { key: element(object, "Key")?, size, last_modified: element(object, "LastModified")? })
    };
    contents.split("<Contents>").skip(1).map(object).collect()
}

/// The text of the first element of this name; errors of S3, and the objects of a listing, are flat.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    Some(plain.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain)))
}

#[cfg(test)]
mod tests;
