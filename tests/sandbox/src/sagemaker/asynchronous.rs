//! `InvokeEndpointAsync`: the answer is an object that appears when the model is done.

use std::time::Duration;

use serde_json::json;

use super::endpoint::{AsyncOutput, ModelFailure};
use super::members::Options;
use super::runtime::{inference, invalid};
use super::store::KnownEndpoint;
use crate::answer::Answer;
use crate::cloud::Cloud;
use crate::crypto::uuid;
use crate::refusal::Refusal;
use crate::s3::{Arrival, Source, location};
use crate::service::Request;

/// How long a request waits and a model works where the caller sets no limit.
const TTL_SECONDS: u64 = 21_600;
const TIMEOUT_SECONDS: u64 = 900;

pub(super) fn invoke(
    cloud: &Cloud,
    request: &Request<'_>,
    known: &mut KnownEndpoint,
    options: Options,
    output: &AsyncOutput,
) -> Result<Answer, Refusal> {
    let body = &request.incoming.body;
    let source = match (options.get("InputLocation"), body.is_empty()) {
        (Some(_), false) => return Err(invalid("Only one of InputLocation and Body may be given.".into())),
        (None, true) => return Err(invalid("One of InputLocation and Body must be given.".into())),
        (None, false) => Source::Data(body.clone()),
        (Some(uri), true) => match location(uri) {
            Some((bucket, key)) => Source::Object { bucket: bucket.into(), key: key.into() },
            // Somewhere on the web, where the sandbox does not go.
            None => Source::Data("".into()),
        },
    };
    let id = options.get("InferenceId").map_or_else(uuid, str::to_owned);
    let folder = options.get("S3OutputPathExtension").map(|path| format!("{}/", path.trim_matches('/')));
    let place = |prefix: &str, name: String| {
        format!("{}/{}{name}", prefix.trim_end_matches('/'), folder.as_deref().unwrap_or_default())
    };
    let filename = options.get("Filename");
    let name = |tail: &str| filename.map_or_else(|| format!("{id}{tail}"), str::to_owned);
    let output_location = place(&output.output, name(".out"));
    let failure_location = output.failure.as_ref().map(|prefix| place(prefix, name("-error.out")));

    let course = known.begin();
    let ttl = Duration::from_secs(options.ttl_seconds.unwrap_or(TTL_SECONDS));
    let timeout = Duration::from_secs(options.timeout_seconds.unwrap_or(TIMEOUT_SECONDS));
    let expired = || ModelFailure { status: 0, message: "The request expired in the queue.".into() };
    let (took, failure) = if course.queued > ttl {
        (ttl, Some(expired()))
    } else if course.after > timeout {
        (course.queued + timeout, Some(ModelFailure::late()))
    } else {
        (course.queued + course.after, course.model_error.clone())
    };
    let given_type = course.content_type.as_deref().or_else(|| options.get("ContentType"));
    let content_type = given_type.unwrap_or("application/octet-stream").to_owned();
    let source = course.answer().map_or(source, Source::Data);
    let arrival = match failure {
        None => Some((output_location.as_str(), source, content_type)),
        Some(failure) => {
            let text = failure.text(&known.endpoint.name, request.region, &request.caller()?.account);
            // Without a place for it, nobody ever hears of a failure.
            failure_location.as_deref().map(|uri| (uri, Source::Data(text.into()), "text/plain".to_owned()))
        }
    };
    if let Some((uri, source, content_type)) = arrival
        && let Some((bucket, key)) = location(uri)
    {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        cloud.s3().expect(Arrival { at: request.now + took, bucket, key, source, content_type });
    }
    known.inferences.push(inference(cloud, request, options, Some(output_location.clone())));
    let mut answer = Answer::new("application/json", json!({ "InferenceId": id }).to_string())
        .status(202)
        .header("x-amzn-sagemaker-outputlocation", output_location);
    if let Some(failure_location) = failure_location {
        answer = answer.header("x-amzn-sagemaker-failurelocation", failure_location);
    }
    Ok(answer)
}
