//! Invokes an asynchronous endpoint, waits for the answer in S3 and hands it on.

mod begin;
mod check;
mod claim;
mod send;
mod wait;
mod work;

use std::path::PathBuf;

use job_runtime::{
    Context, Ended, OnPriorFailure, Output, Place, Remote, Report, Sink, aligned, digest, json,
};
use serde::{Deserialize, Serialize};
use tokio::time::sleep_until;

use self::begin::Begun;
use self::claim::Claims;
use self::wait::{Arrived, Watch};
use crate::endpoint::{PATIENCE, open};
use crate::error::{AsyncError, Error};
use crate::payload::Body;
use aws_wire::s3::{Location, Object, S3};

/// How many digits of the key's digest name its objects.
const DIGITS: usize = 16;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) call: Call,
    /// Where the claims are, one object for each key.
    pub(crate) claims: Option<Location>,
    /// Where the answer goes, if not to stdout.
    pub(crate) output_file: Option<PathBuf>,
}

/// Everything of an `InvokeEndpointAsync`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) endpoint_name: String,
    pub(crate) content_type: String,
    pub(crate) accept: Option<String>,
    pub(crate) custom_attributes: Option<String>,
    pub(crate) inference_id: Option<String>,
    pub(crate) input: Input,
    /// In seconds, as the next.
    pub(crate) request_ttl: Option<i32>,
    pub(crate) invocation_timeout: Option<i32>,
    pub(crate) path_extension: Option<String>,
    pub(crate) filename: Option<String>,
}

/// What the model is asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// An object in S3.
    Location(String),
    /// The body itself.
    Body(Body),
}

impl Call {
    /// The call of the `n`-th attempt at a key's work, counted from 1: its names are its own. `key` is the digest.
    fn of_key(&self, key: &str, n: u32) -> Self {
        let name = numbered(self.filename.as_deref().unwrap_or(key), n);
        let inference_id = self.inference_id.clone().unwrap_or_else(|| name.clone());
        Self { filename: Some(name), inference_id: Some(inference_id), ..self.clone() }
    }
}

/// A file name with its number, in the 32 characters that it may have.
fn numbered(name: &str, n: u32) -> String {
    if n <= 1 {
        return name.to_owned();
    }
    let number = format!("-{n}");
    let base: String = name.chars().take(32 - number.len()).collect();
    base + &number
}

/// A request that `SageMaker` has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) inference_id: Option<String>,
    pub(crate) output_location: String,
    pub(crate) failure_location: Option<String>,
    /// When, in seconds since 1970.
    #[serde(rename = "sent_at")]
    pub(crate) at: Option<i64>,
}

/// Does what is asked for.
///
/// # Errors
/// Everything but an answer of the model.
pub(crate) async fn execute(request: &Request, output: Output, ctx: &Context) -> Result<Report, Error> {
    let Request { call, claims, output_file } = request;
    let s3 = S3::new(ctx.sdk_config());
    if ctx.check() {
        return Ok(check::check(call, claims.as_ref(), &s3, output, ctx).await);
    }
    let place = ctx.place();
    let file = open(output_file.as_deref()).map_err(|problem| Error::Input { problem })?;
    let claims = claims.as_ref().zip(ctx.key()).map(|(place, key)| {
        let key = digest(key, DIGITS);
        let at = place.join(&format!("{}.claim", call.filename.as_deref().unwrap_or(&key)));
        let rerun = ctx.on_prior_failure() == OnPriorFailure::Rerun;
        Claims::new(&s3, at, key, call.work(), rerun)
    });
    let Begun { sent, adopted } = begin::begin(call, claims.as_ref(), &place, ctx).await?;
    let id = sent.inference_id.clone().unwrap_or_else(|| sent.output_location.clone());
    ctx.remember(Remote { id, state: None, console: Some(sent.output_location.clone()) });
    let told = Told { endpoint_name: &call.endpoint_name, sent: &sent, adopted, place: &place, bytes: None };
    if ctx.no_wait() {
        return Ok(Report::ok(told.shown(output)));
    }
    let fresh = !adopted && call.filename.is_some();
    let watch = Watch::new(&s3, &sent, fresh, ctx)?;
    let ended = match Box::pin(watch.wait()).await {
        Ended::Done(arrived) => arrived,
        Ended::Deadline(_) => return Err(watch.deadline(call).into()),
        Ended::Cancelled(_) => return Err(interrupted(claims.is_some(), left(&sent, ctx), ctx)),
        Ended::Lost(source) => return Err(watch.lost(source.into()).into()),
    };
    let bytes = match ended {
        Arrived::Answer(object) => hand_on(object, file, &sent, claims.is_some(), ctx).await?,
        Arrived::Failure(object, at) => return Err(watch.failed(call, object, at).await.into()),
        Arrived::Nothing(source) => return Err(watch.lost(source).into()),
    };
    let told = Told { bytes: Some(bytes), ..told };
    Ok(Report::ok(if output_file.is_some() { told.shown(output) } else { String::new() }))
}

/// The end by a signal of a run whose request was sent; its claim, if there is one, leads the next process to its answer.
fn interrupted(claimed: bool, what: String, ctx: &Context) -> Error {
    AsyncError::from(ctx.interrupted_leaving(claimed, what)).into()
}

/// What becomes of a request that is left to itself.
fn left(sent: &Sent, ctx: &Context) -> String {
    let next = if ctx.key().is_some() { "; the next process with the same key waits for it" } else { "" };
    format!(
        "the request goes on, since it cannot be called back, and its answer will be in {}{next}",
        sent.output_location
    )
}

/// Hands on the answer, part by part; returns its length.
async fn hand_on(
    mut object: Object,
    mut file: Option<Sink>,
    sent: &Sent,
    claimed: bool,
    ctx: &Context,
) -> Result<u64, Error> {
    let mut stdout = Sink::stdout();
    let mut bytes = 0;
    let sink = file.as_mut().unwrap_or(&mut stdout);
    let location = || sent.output_location.clone();
    let copying = async {
        while let Some(part) =
            object.next().await.map_err(|source| AsyncError::Torn { location: location(), source })?
        {
            sink.write(part.as_ref()).await?;
            bytes += part.as_ref().len() as u64;
        }
        sink.flush().await?;
        Ok::<_, Error>(())
    };
    tokio::select! {
        copied = copying => copied?,
        _ = ctx.out_of_patience(PATIENCE) => {
            return Err(interrupted(claimed, format!("the answer is in {}", location()), ctx));
        }
        () = sleep_until(ctx.deadline()) => {
            return Err(AsyncError::Slow { location: location(), timeout: ctx.elapsed() }.into());
        }
    }
    if let Some(file) = file {
        file.finish().await?;
    }
    Ok(bytes)
}

/// What stdout tells of a request, or of an answer that went to a file.
#[derive(Debug)]
struct Told<'a> {
    endpoint_name: &'a str,
    sent: &'a Sent,
    adopted: bool,
    place: &'a Place,
    /// Length of the answer, once there is one.
    bytes: Option<u64>,
}

impl Told<'_> {
    fn shown(&self, output: Output) -> String {
        #[derive(Serialize)]
        struct Shown<'a> {
            endpoint_name: &'a str,
            inference_id: Option<&'a str>,
            output_location: &'a str,
            failure_location: Option<&'a str>,
            adopted: bool,
            region: &'a str,
            account: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            bytes: Option<u64>,
        }
        let Sent { inference_id, output_location, failure_location, .. } = self.sent;
        let bytes = self.bytes.map(|bytes| bytes.to_string());
        let lines = [
            ("endpoint", Some(self.endpoint_name)),
            ("inference", inference_id.as_deref()),
            ("output", Some(output_location.as_str())),
            ("failure", failure_location.as_deref()),
            ("adopted", self.adopted.then_some("yes")),
            ("bytes", bytes.as_deref()),
        ];
        match output {
            Output::Json => json(&Shown {
                endpoint_name: self.endpoint_name,
                inference_id: inference_id.as_deref(),
                output_location,
                failure_location: failure_location.as_deref(),
                adopted: self.adopted,
                region: &self.place.region,
                account: self.place.account.as_deref(),
                bytes: self.bytes,
            }),
            Output::Text => aligned(lines.iter().filter_map(|(name, value)| Some((*name, (*value)?)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(filename: Option<&str>, inference_id: Option<&str>) -> Call {
        Call {
            endpoint_name: "e".to_owned(),
            content_type: "t".to_owned(),
            accept: None,
            custom_attributes: None,
            inference_id: inference_id.map(str::to_owned),
            input: Input::Location("s3://b/k".to_owned()),
            request_ttl: None,
            invocation_timeout: None,
            path_extension: None,
            filename: filename.map(str::to_owned),
        }
    }

    #[test]
    fn names_are_made_of_the_key() {
        // echo -n k | sha256sum
        for (filename, inference_id, n, expected) in [
            (None, None, 1, ("8254c329a92850f6", "8254c329a92850f6")),
            (None, None, 3, ("8254c329a92850f6-3", "8254c329a92850f6-3")),
            (Some("day.json"), None, 1, ("day.json", "day.json")),
            (Some("day.json"), Some("i"), 2, ("day.json-2", "i")),
        ] {
            let made = call(filename, inference_id).of_key(&digest("k", DIGITS), n);
            assert_eq!(
                (made.filename.as_deref(), made.inference_id.as_deref()),
                (Some(expected.0), Some(expected.1))
            );
        }
        assert_eq!(numbered(&"x".repeat(32), 12), format!("{}-12", "x".repeat(29)));
    }

    #[test]
    fn what_is_told() {
        let sent = Sent {
            inference_id: Some("i".to_owned()),
            output_location: "s3://b/o".to_owned(),
            failure_location: None,
            at: Some(1),
        };
        let place = Place { region: "us-east-2".to_owned(), account: None };
        let told = Told { endpoint_name: "e", sent: &sent, adopted: true, place: &place, bytes: None };
        assert_eq!(
            told.shown(Output::Json),
            r#"{"endpoint_name":"e","inference_id":"i","output_location":"s3://b/o","failure_location":null,"adopted":true,"region":"us-east-2","account":null}"#
        );
        let told = Told { bytes: Some(3), ..told };
        assert!(told.shown(Output::Json).ends_with(r#","bytes":3}"#));
        let expected = "endpoint   e\ninference  i\noutput     s3://b/o\nadopted    yes\nbytes      3";
        assert_eq!(told.shown(Output::Text), expected);
    }
}
